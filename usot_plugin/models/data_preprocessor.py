"""Stacks training groups and moves them to the model's device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor

from usot_plugin.registry import MODELS


@MODELS.register_module()
class SOTDataPreprocessor(BaseDataPreprocessor):
    """Casts uint8 crops to float, normalises them and stacks a list of groups into a batch.

    Args:
        mean: Three means in BGR order, in 0..255; None leaves the pixels raw, as the USOT,
            SiamRPN++ and SiamMask releases do. Backbones with ImageNet or MoCo weights need the
            statistics that these were trained on.
        std: Three standard deviations, in 0..255.
        bgr_to_rgb: Turn the channels round, after the mean was taken off; weights that were trained
            on RGB want it (torchvision's).

    Raises:
        ValueError: Only one of ``mean`` and ``std`` is given.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        non_blocking: bool = False,
        bgr_to_rgb: bool = False,
    ) -> None:
        super().__init__(non_blocking)
        if (mean is None) != (std is None):
            raise ValueError('give both mean and std, or neither')
        self.normalises = mean is not None
        self.bgr_to_rgb = bgr_to_rgb
        if mean is not None and std is not None:
            self.register_buffer(
                'mean', torch.tensor(mean, dtype=torch.float32).view(3, 1, 1), persistent=False
            )
            self.register_buffer(
                'std', torch.tensor(std, dtype=torch.float32).view(3, 1, 1), persistent=False
            )

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """``(..., 3, H, W)`` BGR of any dtype to float32, normalised, BGR or RGB."""
        images = images.float()
        if self.normalises:
            images = (images - self.mean) / self.std
        return images.flip(-3) if self.bgr_to_rgb else images

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """A batch as MMEngine's collate gives it.

        Args:
            data: ``inputs`` is a list of dicts of crops ``(3, S, S)`` / ``(N, 3, S, S)``, or a dict
                of lists; ``data_samples`` a list.
            training: Unused; both modes do the same.

        Returns:
            ``inputs``: dict of float tensors ``(B, ...)``; ``data_samples``: the list, on the
            device.
        """
        data = self.cast_data(data)
        inputs = data['inputs']
        if isinstance(inputs, (list, tuple)):
            keys = set.intersection(*(set(group) for group in inputs))
            inputs = {key: [group[key] for group in inputs] for key in inputs[0] if key in keys}
        batch = {
            key: self.normalise(
                crops if isinstance(crops, torch.Tensor) else torch.stack(list(crops))
            )
            for key, crops in inputs.items()
        }
        return {'inputs': batch, 'data_samples': data.get('data_samples')}
