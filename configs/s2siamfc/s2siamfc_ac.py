_base_ = ['./s2siamfc_baseline.py']
# Row "SS + AC" of table 3: pairs whose response is high everywhere count less.
model = dict(loss=dict(type='AntiClutterLoss', threshold=0.5, power=2.0))
