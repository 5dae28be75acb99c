"""Optimizer wrappers and how parameters are grouped for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn

from usot_plugin.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16, which needs no loss scaling and so runs on the CPU as well.

    MMEngine's ``AmpOptimWrapper`` (float16 with loss scaling) stays the choice on a GPU; it refuses
    to be built without one.

    Args:
        **kwargs: As for :class:`mmengine.optim.OptimWrapper`.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass in bfloat16, inside the context of gradient accumulation."""
        with (
            super().optim_context(model),
            torch.autocast(device_type=get_device(), dtype=torch.bfloat16),
        ):
            yield


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class PartwiseOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """One parameter group for each part (top-level submodule) of the model, instead of the host's
    one for each parameter.

    In a config: ``constructor='PartwiseOptimWrapperConstructor',
    paramwise_cfg=dict(parts={'backbone': dict(lr_mult=0.1)})``. ``parts`` holds ``lr_mult`` and
    ``decay_mult`` of the named parts; the others, and parameters of the model itself, get the
    optimizer's own settings. Parameters that need no gradient now are left out.

    Raises:
        ValueError: The model has no such part, or a setting other than the two.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """The wrapper of the optimizer of ``model``."""
        wrapper = super().__call__(model)
        # ``compile = ...`` in a config compiles the whole training step. Tracing through the
        # optimizer fails (its state is filled in the first step) and gains nothing: only forward
        # pass and losses are left to the compiler.
        wrapper.update_params = torch.compiler.disable(wrapper.update_params)
        return wrapper

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Append the groups of ``module`` to ``params``, in the order of its parts."""
        parts = self.paramwise_cfg.get('parts', {})
        children = dict(module.named_children())
        for name, settings in parts.items():
            if name not in children:
                raise ValueError(
                    f'paramwise_cfg.parts: {type(module).__name__} has no part {name!r}; it has '
                    f'{sorted(children)}'
                )
            if not set(settings) <= {'lr_mult', 'decay_mult'}:
                raise ValueError(
                    f'paramwise_cfg.parts.{name} knows lr_mult and decay_mult, got '
                    f'{sorted(settings)}'
                )
        owned = {name: list(child.parameters()) for name, child in children.items()}
        owned[''] = list(module.parameters(recurse=False))
        for name, parameters in owned.items():
            learnt = [parameter for parameter in parameters if parameter.requires_grad]
            if not learnt:
                continue
            group: dict = {'params': learnt, 'name': name}
            settings = parts.get(name, {})
            if 'lr_mult' in settings:
                group['lr'] = self.base_lr * settings['lr_mult']
            if 'decay_mult' in settings:
                group['weight_decay'] = self.base_wd * settings['decay_mult']
            params.append(group)
