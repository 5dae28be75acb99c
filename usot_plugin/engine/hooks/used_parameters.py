"""Lets the processes of a distributed training wait for those gradients alone that come."""

from __future__ import annotations

import gc
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from torch import nn

from usot_plugin.registry import HOOKS

#: Who wrote a module whose parameters all get a gradient, unless ``idle_parameters`` names them.
_KNOWN_MODULES = ('usot_plugin', 'torch', 'mmengine')


@HOOKS.register_module()
class UsedParametersHook(Hook):
    """Before an epoch in which other parameters learn, wraps the model for DDP anew, with these
    parameters.

    DDP settles when it is built which gradients it waits for. Some come later (a backbone that is
    frozen first, the memory branch), so a run begins with ``find_unused_parameters = True``: then
    DDP searches the graph of every step, and warns where it finds nothing. Here it is told what to
    expect instead: parameters with ``requires_grad`` but for ``model.idle_parameters(epoch)``. A
    model that answers None, one with modules of another package, a compiled training step, every
    other wrapper and the strategies of ``FlexibleRunner`` stay as they are, and so does a run that
    says ``find_unused_parameters = False``.

    It has to come after hooks that freeze parameters.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self._resting: list[nn.Parameter] = []

    def before_train_epoch(self, runner: Runner) -> None:
        """Wrap the model anew where something else learns from now on."""
        wrapper = runner.model
        if (
            not isinstance(runner, Runner)
            or type(wrapper) is not MMDistributedDataParallel
            or runner.cfg.get('compile')
        ):
            return
        if not (wrapper.find_unused_parameters or self._resting or hasattr(wrapper, 'waits_for')):
            return
        model: Any = wrapper.module
        idle = model.idle_parameters(runner.epoch) if hasattr(model, 'idle_parameters') else None
        if idle is None or any(
            type(m).__module__.split('.')[0] not in _KNOWN_MODULES for m in model.modules()
        ):
            return
        for parameter in self._resting:
            parameter.requires_grad_(True)
        self._resting = [parameter for parameter in idle if parameter.requires_grad]
        for parameter in self._resting:
            parameter.requires_grad_(False)
        learn = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not learn or [id(p) for p in learn] == getattr(wrapper, 'waits_for', None):
            return
        options = dict(
            runner.cfg.get('model_wrapper_cfg')
            or dict(broadcast_buffers=False, device_ids=wrapper.device_ids)
        )
        # The old wrapper's hooks would wait for the old set of gradients.
        wrapper._remove_autograd_hooks()
        runner.model = model
        del wrapper
        gc.collect()
        runner.model = runner.wrap_model({**options, 'find_unused_parameters': False}, model)
        runner.model.waits_for = [id(parameter) for parameter in learn]
        runner.model.train()
        print_log(
            f'epoch {runner.epoch + 1}: the processes share the gradients of {len(learn)} '
            'parameters',
            logger='current',
        )

    def after_train(self, runner: Runner) -> None:
        """Leave the parameters as they were."""
        for parameter in self._resting:
            parameter.requires_grad_(True)
        self._resting = []
