"""Strategies of MMEngine's ``FlexibleRunner``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmengine._strategy import FSDPStrategy
from mmengine.device import get_device
from torch.distributed.fsdp import FullyShardedDataParallel, OptimStateDictConfig, StateDictConfig

from usot_plugin.registry import STRATEGIES


@STRATEGIES.register_module()
class ResumableFSDPStrategy(FSDPStrategy):
    """Fully sharded training whose checkpoints are those of every other run, and from which it goes
    on.

    MMEngine's strategy hands the optimizer's state back in an order of arguments that PyTorch has
    given up, so that its runs cannot be resumed, and gathers the state into freed memory where the
    parameters are on the CPU already.

    Args:
        **kwargs: As for MMEngine's ``FSDPStrategy``, without ``state_dict_cfg``: the whole state is
            saved as one file, which every tool here reads.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(state_dict_cfg='full', **kwargs)
        if get_device() == 'cpu':
            # Moving a gathered tensor to where it is copies nothing; PyTorch then frees what is
            # about to be saved (seen in 2.13).
            self.state_dict_config: StateDictConfig = replace(
                self.state_dict_config, offload_to_cpu=False
            )
            self.optim_state_dict_config: OptimStateDictConfig = replace(
                self.optim_state_dict_config, offload_to_cpu=False
            )

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the optimizer's state, as :meth:`optim_state_dict` gave it."""
        optimizer = self.optim_wrapper.optimizer
        self.optim_wrapper.load_state_dict(
            FullyShardedDataParallel.optim_state_dict_to_load(self.model, optimizer, state_dict)
        )
