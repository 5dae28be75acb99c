"""AlexPUL: SiamFC with AlexNet, trained PUL-style from discovered boxes: background discrimination,
mined pairs, noise-robust loss.

    python tools/train_pul.py configs/pul/alexpul.py
    python tools/test.py configs/pul/alexpul.py work_dirs/alexpul/epoch_50.pth --sequences SEQUENCES

All numbers that are not SiamFC's are ours: of the paper only abstract and introduction were at hand
(docs/pul.md).
"""

_base_ = [
    '../_base_/models/siamfc_net.py',
    '../_base_/datasets/siamfc_pipeline.py',
    '../_base_/datasets/loader.py',
    '../_base_/schedules/siamfc_50e.py',
    '../_base_/benchmarks/sequence_folder.py',
    '../_base_/default_runtime.py',
]

# loss_weight = 2 ridge: the loss has the size of a mean squared error. alpha_px2 is estimated from
# the mined pairs.
model = dict(
    type='NoiseRobustSiamFC',
    loss=dict(
        _delete_=True,
        type='NoiseRobustLoss',
        alpha_px2=None,
        beta_px2=64.0,
        ridge=0.01,
        loss_weight=0.02,
    ),
)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        type='PseudoBoxDataset',
        # The table of mined pairs: train_pul.py says where it is.
        box_source='discovered',
        table=None,
        # Clips that grow: an object looks much the same after ten frames, and not after thirty.
        frame_sampler=dict(type='MinedPairFrames', spans=[(0, 10), (15, 20), (30, 30)]),
        samples_per_epoch=53_200,
        pipeline={{_base_.pair_pipeline}},
    ),
)

# Stage 1, merged into this config: two views of one frame. Any box source serves: random, centre,
# entropy, saliency, discovered.
discrimination = dict(
    model=dict(
        type='BackgroundDiscriminator',
        loss=dict(_delete_=True, type='InstanceContrastLoss', temperature=0.1, hard_negatives=16),
        train_cfg=dict(background_from_px=32.0),
    ),
    train_dataloader=dict(
        dataset=dict(
            _delete_=True,
            type='PseudoBoxDataset',
            box_source='discovered',
            table='data/pseudo_boxes/imagenet_vid',
            frame_sampler={{_base_.single_sampler}},
            samples_per_epoch=53_200,
            pipeline={{_base_.single_pipeline}},
        )
    ),
    train_cfg=dict(max_epochs=20),
    param_scheduler=[dict(type='LogSpaceLR', end_factor=1e-3, begin=0, end=20)],
)
# Stages 1 and 2 lie here; None: in the work dir. Configs that differ in stage 3 alone name the same
# folder.
shared_dir = None
# Stage 2.
mining = dict(
    anchors=4,
    clip_frames=30,
    step_frames=1,
    min_similarity=0.5,
    max_return_px=16.0,
    window_influence=0.1,
    wanted_pairs=100_000,
)
