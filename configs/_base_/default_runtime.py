"""What every run needs; registers this plugin in any host."""

custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # At least two are kept: the older one is deleted before the newer one is written. -1 keeps all.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3),
    safe_checkpoint=dict(type='SafeCheckpointHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    stage=dict(type='TrainingStageHook'),
    non_finite_loss=dict(type='NonFiniteLossHook'),
    run_record=dict(type='RunRecordHook'),
    used_parameters=dict(type='UsedParametersHook'),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
# The memory branch has no gradient in the naive stage, a frozen backbone none at all.
# UsedParametersHook tells DDP so where it knows the model; others need the search.
find_unused_parameters = True
randomness = dict(seed=0, diff_rank_seed=False, deterministic=False)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_processor = dict(by_epoch=True, window_size=50)
log_level = 'INFO'
load_from = None
resume = False
