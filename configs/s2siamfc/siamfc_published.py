_base_ = ['./siamfc_supervised.py']
# Tracks with published SiamFC-AlexNet weights (tools/convert_checkpoint.py): raw RGB pixels, a
# fixed factor in place of batch norm.
model = dict(
    response_scale=1e-3,
    data_preprocessor=dict(_delete_=True, type='SOTDataPreprocessor', bgr_to_rgb=True),
)
