"""What all single-object trackers of this plugin share as models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from usot_plugin.structures.sot_sample import StackedSamples
from usot_plugin.utils.config import ConfigError


class BaseSOTModel(BaseModel):
    """A network that learns to track from groups of crops.

    The model only maps crops to maps and losses. Following a target through a video is the job of a
    tracker (:mod:`usot_plugin.tracking`), which is built from the model and its ``test_cfg``;
    running benchmarks is the job of protocols.

    Args:
        data_preprocessor: Config; ``SOTDataPreprocessor`` by default.
        train_cfg: Loss weights and stages, read by the subclass.
        test_cfg: Config of the tracker, ``type`` included.
        init_cfg: MMEngine weight initialisation.
    """

    def __init__(
        self,
        data_preprocessor: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor or dict(type='SOTDataPreprocessor'), init_cfg)
        self.train_cfg = dict(train_cfg or {})
        self.test_cfg = dict(test_cfg or {})
        self.epoch: int | None = None

    def set_epoch(self, epoch: int) -> None:
        """Tell the model the current epoch, counted from 0; schedules of loss weights follow it."""
        self.epoch = epoch

    def epoch_unknown(self) -> ConfigError:
        """What to raise where the loss depends on an epoch that nobody has told: anything else
        would be trained silently."""
        return ConfigError(
            f'{type(self).__name__}: nobody told the epoch, so the stage of training is not '
            'known: call set_epoch(epoch) before '
            "each epoch; under MMEngine's Runner leave default_hooks.runtime_info as it is, or "
            'name TrainingStageHook'
        )

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """MMEngine's step.

        Raises:
            ConfigError: The run does not tell epochs. Data sets draw their samples by them, so all
                epochs would be the same.
        """
        if self.epoch is None:
            raise self.epoch_unknown()
        return super().train_step(data, optim_wrapper)

    def check_views(self, view_counts: Mapping[str, int]) -> None:
        """Refuse training data that the loss could not use, before the first batch.

        Args:
            view_counts: Number of frames of each view that a group brings, see
                :class:`FrameSampler`.

        Raises:
            ConfigError: A view that the loss needs is missing or has too few frames; the message
                names the keys.
        """

    def idle_parameters(self, epoch: int) -> list[nn.Parameter] | None:
        """Parameters that take no part in the loss of an epoch, counted from 0; None where that is
        not known."""
        return None

    def forward(
        self, inputs: dict[str, Tensor], data_samples: list | None = None, mode: str = 'tensor'
    ) -> Any:
        """MMEngine's entry.

        Args:
            inputs: ``template (B, 3, 127, 127)``, ``search (B, 3, 255, 255)`` and, where sampled,
                ``memory (B, N, 3, 255, 255)``.
            data_samples: ``B`` samples with the pseudo boxes in crop pixels.
            mode: ``'loss'`` for a dict of losses, ``'tensor'`` for the raw maps.

        Raises:
            ValueError: Another mode: predictions need a whole video, see
                :mod:`usot_plugin.tracking`.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples or [])
        if mode == 'tensor':
            return self.raw_maps(inputs, data_samples or [])
        raise ValueError(
            f"mode {mode!r}: a SOT model knows 'loss' and 'tensor'; build a tracker to predict "
            'over a video'
        )

    @abstractmethod
    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Losses of a batch; keys that begin with ``loss`` are summed."""

    @abstractmethod
    def raw_maps(self, inputs: dict[str, Tensor], data_samples: list) -> Any:
        """Response maps of a batch, for export, FLOP counts and tests."""

    @staticmethod
    def stack_boxes(data_samples: list, key: str, like: Tensor) -> Tensor:
        """Field ``key`` of all samples as one tensor ``(B, ..., 4)`` of the dtype and device of
        ``like``."""
        if isinstance(data_samples, StackedSamples):
            return data_samples.fields[key].to(like)
        return torch.stack([getattr(sample, key) for sample in data_samples]).to(like)
