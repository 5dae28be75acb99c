"""Another anchor-free tracker (plain depth-wise correlation, as SiamFC++ and SiamCAR) with USOT's
cycle memory and on-line memory.

Contract for a head of your own: usot_plugin/models/heads/anchor_free.py. Without memory it is
``model.head.memory = None``, ``model.train_cfg.cycle_start_epoch = None``. In the network for a CPU
it is one key: configs/quick/usot_quick.py with ``model.head.type=DepthwiseHead``.
"""

_base_ = ['../usot_r50.py']
model = dict(head=dict(type='DepthwiseHead'))
