"""Fine-tuning of a label-free network on the first frames of a test video."""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
import torch

from usot_plugin.models.base_sot import BaseSOTModel

ModelT = TypeVar('ModelT', bound=BaseSOTModel)

#: Frames of one group: the forward-backward pipeline of UDT has three.
GROUP_FRAMES = 3


def adapted(
    model: ModelT,
    crops: np.ndarray,
    iterations: int = 100,
    lr: float = 1e-4,
    batch: int = 4,
    seed: int = 0,
) -> ModelT:
    """A copy of a model that has learned from crops around one target by the model's own label-free
    loss.

    Args:
        model: Any model whose loss needs ``frames`` alone; it stays as it is.
        crops: ``(N, S, S, 3)`` uint8, in order of time, N >= 3; the first shows the annotated
            target.
        iterations: Steps of SGD with momentum.
        lr: Learning rate.
        batch: Groups a step; each is the first crop and two later ones in order of time.
        seed: Of the choice of crops.

    Returns:
        The adapted copy in eval mode. A model whose loss is no longer finite is given back as it
        was.

    Raises:
        ValueError: Fewer than three crops.

    Reference:
        UDT, Sec. 4.2: five frames, 100 iterations.
    """
    if len(crops) < GROUP_FRAMES:
        raise ValueError(f'adaptation needs at least {GROUP_FRAMES} frames, got {len(crops)}')
    rng = np.random.default_rng(seed)
    device = next(model.parameters()).device
    with torch.inference_mode(False), torch.enable_grad():
        copied = copy.deepcopy(model).train()
        images = torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).to(device)
        frames = copied.data_preprocessor.normalise(images)
        optimizer = torch.optim.SGD(copied.parameters(), lr=lr, momentum=0.9)
        for _ in range(iterations):
            later = [
                np.sort(rng.choice(np.arange(1, len(crops)), GROUP_FRAMES - 1, replace=False))
                for _ in range(batch)
            ]
            groups = torch.stack([frames[[0, *chosen]] for chosen in later])
            loss = torch.stack(list(copied.loss({'frames': groups}, []).values())).sum()
            if not torch.isfinite(loss):
                return model
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return copied.eval()
