_base_ = ['../usot_r50.py']
# Tracks with the published checkpoints (tools/convert_checkpoint.py): raw pixels, pooling axis,
# memory picks and box rounding as in the release.
model = dict(
    legacy=True,
    data_preprocessor=dict(_delete_=True, type='SOTDataPreprocessor'),  # BGR of 0..255
    backbone=dict(init_cfg=None),
)
