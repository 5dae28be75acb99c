"""Five training steps of each loss of this family on made-up pairs, in double precision: in float32
five steps of SGD turn rounding into per cents, and differ from processor to processor.

``python -m tests.models.s2siamfc_curves > tests/golden/s2siamfc/loss_curves.json`` writes the
golden file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import torch

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.registry import MODELS
from usot_plugin.structures.sot_sample import SOTSample

BACKBONE = dict(type='SiamFCAlexNet', width=1 / 8)
#: Each loss alone and the whole method.
CURVES = {
    'siamfc': dict(type='SiamFC'),
    'anti_clutter': dict(type='SiamFC', loss=dict(type='AntiClutterLoss')),
    'masked_once': dict(type='S2SiamFC', train_cfg=dict(masks=1)),
    'full': dict(type='S2SiamFC', loss=dict(type='AntiClutterLoss'), train_cfg=dict(masks=2)),
}
STEPS = 5


def formula_weights(model: torch.nn.Module) -> None:
    """Weights in closed form: no generator of any version is asked."""
    for number, (name, parameter) in enumerate(model.named_parameters()):
        if parameter.ndim == 4:
            wave = torch.sin(
                torch.arange(parameter.numel(), dtype=torch.float64) * (0.7 + 0.013 * number)
            )
            fan_in = parameter[0].numel()
            parameter.data = (
                (wave * math.sqrt(2 / fan_in) * 1.4).reshape(parameter.shape).to(parameter.dtype)
            )
        else:
            parameter.data.fill_(float(name.endswith('weight')))


def picture(side: int, shift_px: float, number: int) -> torch.Tensor:
    """A blob on waves, ``(3, side, side)``; the blob sits ``shift_px`` right of the middle."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    blob = np.exp(-((x - shift_px) ** 2 + y**2) / (2 * 14.0**2))
    waves = [np.sin(x / (5 + c + number)) * np.cos(y / (7 - c)) for c in range(3)]
    return torch.tensor(
        np.stack([128 + 40 * wave + (80 - 60 * c) * blob for c, wave in enumerate(waves)]),
        dtype=torch.float32,
    )


def five_steps(model_cfg: dict, shifts: Sequence[float]) -> list[float]:
    """Total loss of each step on a pair for each shift; nan for a pair without target."""
    model = MODELS.build(model_cfg).double()
    formula_weights(model)
    model.train()
    torch.manual_seed(0)  # of the masks
    inputs = {
        'template': torch.stack([picture(127, 0.0, n) for n in range(len(shifts))]),
        'search': torch.stack(
            [
                picture(239, 400.0 if math.isnan(shift) else shift, n)
                for n, shift in enumerate(shifts)
            ]
        ),
    }
    inputs = {key: (crops.double() - 128) / 60 for key, crops in inputs.items()}
    samples = [SOTSample() for _ in shifts]
    for sample, shift in zip(samples, shifts, strict=True):
        sample.set_boxes('search_box_xyxy', [119.5 + shift - 20, 99.5, 119.5 + shift + 20, 139.5])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    values = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        total = torch.stack(list(model.loss(inputs, samples).values())).sum()
        total.backward()
        optimizer.step()
        values.append(total.item())
    return values


def curve(name: str) -> list[float]:
    """Total loss of each step: four pairs, the last without target."""
    return five_steps({**CURVES[name], 'backbone': BACKBONE}, (0.0, 16.0, -24.0, math.nan))


if __name__ == '__main__':
    print(json.dumps({name: curve(name) for name in CURVES}, indent=1))
