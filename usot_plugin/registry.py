"""The MMEngine registries this plugin adds to, in one place.

Everything registers in MMEngine's **root** registries. The registries of mmdet and of every other
host are children of the root, so a config finds ``type='USOT'`` whatever its ``default_scope`` is,
as soon as ``usot_plugin`` is imported. No registry is our own: flow estimators, protocols and
trackers are task utilities.
"""

from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    EVALUATOR,
    FUNCTIONS,
    HOOKS,
    INFERENCERS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    PARAM_SCHEDULERS,
    STRATEGIES,
    TASK_UTILS,
    TRANSFORMS,
    VISUALIZERS,
)

__all__ = [
    'DATASETS',
    'DATA_SAMPLERS',
    'EVALUATOR',
    'FUNCTIONS',
    'HOOKS',
    'INFERENCERS',
    'LOOPS',
    'METRICS',
    'MODELS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'OPTIM_WRAPPERS',
    'PARAM_SCHEDULERS',
    'STRATEGIES',
    'TASK_UTILS',
    'TRANSFORMS',
    'VISUALIZERS',
]
