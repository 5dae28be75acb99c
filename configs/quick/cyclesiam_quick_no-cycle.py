_base_ = ['./cyclesiam_quick.py']
# The first frame is tracked to itself all the time: what the cycle adds is the difference.
model = dict(train_cfg=dict(cycle_start_epoch=10))
