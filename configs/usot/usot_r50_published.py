_base_ = ['../usot_r50.py']
# Tracks with the published checkpoints (tools/convert_checkpoint.py): pooling axis, memory picks and box rounding as in the release.
model = dict(legacy=True, backbone=dict(init_cfg=None))
