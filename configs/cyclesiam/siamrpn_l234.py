"""SiamRPN++ in its published form, for published weights: stages 2 to 4 of ResNet-50, scores and
boxes averaged by learned weights.

python tools/convert_checkpoint.py PUBLISHED siamrpn_l234.pth
python tools/test.py configs/cyclesiam/siamrpn_l234.py siamrpn_l234.pth --benchmark vot2018 \\
    --data-root VOT2018
"""

_base_ = [
    '../_base_/models/siamrpn_r50_net.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

# Numbers of siamrpn_r50_l234_dwxcorr in pysot's model zoo.
model = dict(
    data_preprocessor=dict(_delete_=True, type='SOTDataPreprocessor'),  # raw BGR pixels of 0..255
    backbone=dict(type='StagedSiameseResNet', last_stage_blocks=3, init_cfg=None),
    neck=[
        dict(type='AdjustNeck', in_channels=512, out_channels=256),
        dict(type='AdjustNeck', in_channels=1024, out_channels=256),
        dict(type='AdjustNeck', in_channels=2048, out_channels=256),
    ],
    rpn_head=dict(in_channels=(256, 256, 256)),
    test_cfg=dict(penalty_k=0.05, window_influence=0.42),
)
