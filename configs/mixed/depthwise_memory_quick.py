_base_ = ['../quick/usot_quick.py']
# The plain head in the small network: what multi-scale correlation adds on a CPU is the difference to usot_quick.
model = dict(head=dict(type='DepthwiseHead'))
