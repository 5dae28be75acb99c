"""S2SiamFC on two CPU cores: minutes instead of days, the whole method at an eighth of the width.

    python tools/build_crop_store.py work_dirs/quick/table --frames --all-tracks --quality 90 \\
        --out work_dirs/quick/frames
    python tools/train.py configs/quick/s2siamfc_quick.py
    python tools/test.py configs/quick/s2siamfc_quick.py work_dirs/s2siamfc_quick/epoch_10.pth \\
        --sequences SEQUENCES

The table is that of configs/quick/usot_quick.py and only lists the clips: no box of it is used.
Every pair is a single frame; any folder of images does as well
(``train_dataloader.dataset.images=FOLDER train_dataloader.dataset.clips=None``).
"""

_base_ = ['./s2siamfc_quick_baseline.py']

model = dict(
    loss=dict(type='AntiClutterLoss', threshold=0.5, power=2.0),
    train_cfg=dict(masks=2, raw_weight=0.7),
)
# About five of the clips in a cluster; the paper has 40.
custom_hooks = [dict(type='HardNegativeMiningHook', start_epoch=5, clusters=12)]
