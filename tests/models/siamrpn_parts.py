"""Small SiamRPN, SiamMask and CycleSiam models and made-up batches for the tests of this family."""

from __future__ import annotations

import torch

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.models import SiamRPN
from usot_plugin.registry import MODELS
from usot_plugin.structures.sot_sample import SOTSample

NARROW = dict(type='StagedSiameseResNet', blocks='basic', stage_blocks=(1, 1, 1), base_channels=8)
RPN = dict(
    type='SiamRPN',
    backbone=NARROW,
    neck=dict(type='AdjustNeck', in_channels=32, out_channels=16),
    rpn_head=dict(type='SiamRPNHead', in_channels=16),
)
MASKS = dict(mask_head=dict(type='SiamMaskHead', in_channels=16))
REFINED = dict(
    MASKS, refine_head=dict(type='SiamMaskRefiner', stage_channels=(8, 8, 16), in_channels=16)
)


def build(**changes) -> SiamRPN:
    """A narrow model with fixed random weights; ``changes`` replace keys of its config."""
    torch.manual_seed(0)
    return MODELS.build({**RPN, **changes})


def batch(count: int = 2, hops: int = 2) -> dict[str, torch.Tensor]:
    """Normalised noise."""
    rng = torch.Generator().manual_seed(1)
    sizes = {'template': (3, 127, 127), 'search': (3, 255, 255), 'hops': (hops, 3, 255, 255)}
    return {name: torch.randn(count, *size, generator=rng) for name, size in sizes.items()}


def samples(
    count: int = 2, box=(100.0, 90.0, 170.0, 150.0), masks: bool = False
) -> list[SOTSample]:
    """Samples that all have one box and, where asked for, its filled rectangle as mask."""
    made = [SOTSample() for _ in range(count)]
    for sample in made:
        sample.set_boxes('template_box_xyxy', [31.5, 31.5, 95.5, 95.5])
        sample.set_boxes('search_box_xyxy', box)
        if masks:
            mask = torch.zeros(255, 255, dtype=torch.bool)
            mask[round(box[1]) : round(box[3]), round(box[0]) : round(box[2])] = True
            sample.set_data({'search_mask': mask})
    return made
