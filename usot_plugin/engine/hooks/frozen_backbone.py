"""Keeps the backbone as it was pre-trained for the first epochs."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from usot_plugin.registry import HOOKS

from .training_stage import bare_model


@HOOKS.register_module()
class FrozenBackboneHook(Hook):
    """Freezes a backbone, its batch-norm statistics included, and lets some of its stages train
    from an epoch on.

    Freezing happens after the optimizer was built, so that it owns every parameter (with its own
    ``lr_mult``) from the start; a parameter without gradient is not changed by it, weight decay
    included. On several processes this needs ``find_unused_parameters=True``.

    Args:
        train_from_epoch: First epoch, counted from 0, in which ``trained`` stages learn; None:
            never.
        trained: Names of the submodules of the backbone that learn then, dotted where they lie
            deeper; the others stay frozen.
        backbone: Attribute of the model; dotted for a part of it, ``'backbone.body'`` where a
            backbone of the host is wrapped.
        legacy: Do the release's two quirks: batch norm of the frozen parts keeps updating its
            statistics (``model.train()`` undoes the release's freezing), and at
            ``train_from_epoch`` the optimizer forgets its momentum (it is rebuilt there).
        norm_eval: Batch norm keeps its pre-trained statistics in the stages that learn, too; its
            scale and shift learn. Template and search area pass the backbone one after the other
            and would else be normalised differently in training.

    Raises:
        ValueError: The backbone has no such submodule.

    Reference:
        USOT release, training schedule.
    """

    priority = 'HIGH'

    def __init__(
        self,
        train_from_epoch: int | None = 9,
        trained: Sequence[str] = ('layer1', 'layer2', 'layer3'),
        backbone: str = 'backbone',
        legacy: bool = False,
        norm_eval: bool = False,
    ) -> None:
        self.train_from_epoch = train_from_epoch
        self.trained = tuple(trained)
        self.backbone = backbone
        self.legacy = legacy
        self.norm_eval = norm_eval
        self._frozen_norms: list[nn.Module] = []

    def before_train_epoch(self, runner: Runner) -> None:
        """Freeze or free the parameters for this epoch."""
        backbone = bare_model(runner).get_submodule(self.backbone)
        children = dict(backbone.named_modules())
        unknown = [name for name in self.trained if name not in children]
        if unknown:
            parts = [name for name, _ in backbone.named_children()]
            raise ValueError(
                f'{type(backbone).__name__} has no submodule {unknown[0]!r}; it has {sorted(parts)}'
            )
        learns = self.train_from_epoch is not None and runner.epoch >= self.train_from_epoch
        backbone.requires_grad_(False)
        free = [children[name] for name in self.trained] if learns else []
        for module in free:
            module.requires_grad_(True)
        norms = (
            set() if self.norm_eval else {id(module) for part in free for module in part.modules()}
        )
        self._frozen_norms = [
            module
            for module in backbone.modules()
            if isinstance(module, _BatchNorm) and id(module) not in norms
        ]
        if runner.epoch == self.train_from_epoch:
            print_log(
                f'epoch {runner.epoch + 1}: {", ".join(self.trained)} of the backbone begin to '
                'learn',
                logger='current',
            )
            if self.legacy:
                runner.optim_wrapper.optimizer.state.clear()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Keep frozen batch norm in evaluation mode: ``model.train()`` runs between the epoch's
        hooks and its first iteration."""
        if not self.legacy:
            for module in self._frozen_norms:
                module.eval()
