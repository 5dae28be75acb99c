"""What the parity tests share: the network with closed-form weights, and the golden files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from usot_plugin.models import USOT
from usot_plugin.utils.published_weights import convert_usot

GOLDEN = Path(__file__).parents[1] / 'golden' / 'usot'
SHARED_GOLDEN = (
    Path(os.environ.get('USOT_SHARED_DIR', Path(__file__).parents[3] / 'shared'))
    / 'golden'
    / 'usot'
)

sys.path.insert(0, str(GOLDEN))
from formula import formula_state  # noqa: E402


def golden(name: str):
    """A golden file of the repository, or of the shared folder for the large ones; None where it is
    absent."""
    for folder in (GOLDEN, SHARED_GOLDEN):
        if (folder / name).exists():
            return np.load(folder / name)
    return None


def usot_config(kind: str, **changes) -> dict:
    """Constructor arguments of the published network (``r50``) or of its eighth-width copy
    (``small``)."""
    base, channels = {'r50': (64, 256), 'small': (8, 16)}[kind]
    config = dict(
        backbone=dict(type='SiameseResNet', base_channels=base),
        neck=dict(type='AdjustNeck', in_channels=16 * base, out_channels=channels),
        head=dict(type='USOTHead', channels=channels, memory=dict(type='CycleMemoryNeck')),
        legacy=True,
    )
    return {**config, **changes}


def formula_usot(kind: str, **changes) -> USOT:
    """The published network with closed-form weights, converted from the published key names."""
    model = USOT(**usot_config(kind, **changes))
    model.load_state_dict(
        convert_usot(formula_state(GOLDEN / f'state_keys_{kind}.json')), strict=True
    )
    return model.eval()


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def images(array: np.ndarray) -> torch.Tensor:
    """uint8 ``(..., H, W, 3)`` as float ``(..., 3, H, W)``."""
    return tensor(array).movedim(-1, -3).float()


def training_batch(data) -> tuple[dict, list]:
    """Inputs and samples of the golden training step."""
    samples = [
        SimpleNamespace(
            template_box_xyxy=tensor(template).float(), search_box_xyxy=tensor(search).float()
        )
        for template, search in zip(
            data['template_boxes_img'], data['search_boxes_img'], strict=True
        )
    ]
    inputs = {
        'template': images(data['template_u8']),
        'search': images(data['search_u8']),
        'memory': images(data['memory_u8']),
    }
    return inputs, samples
