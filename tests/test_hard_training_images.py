"""Training of the small families from images that show nothing, or are smaller than any crop: a
sample, a finite loss, finite gradients."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.registry import DATASETS, MODELS

QUICK = Path(__file__).parents[1] / 'configs' / 'quick'
NARROW = {'udt': {'model.backbone.channels': 4}, 's2s': {'model.backbone.width': 1 / 16}}


def folder_of(folder: Path, kind: str) -> Path:
    """A clip of four frames of 24x18 px."""
    rng = np.random.default_rng(0)
    (folder / 'clip').mkdir(parents=True)
    for index in range(4):
        frame = (
            rng.integers(0, 256, (18, 24, 3), dtype=np.uint8)
            if kind == 'small'
            else np.zeros((18, 24, 3), np.uint8)
        )
        cv2.imwrite(str(folder / 'clip' / f'{index}.png'), frame)
    return folder


@pytest.mark.process
@pytest.mark.parametrize('kind', ['small', 'black'])
@pytest.mark.parametrize(
    'name',
    ['udt_quick_random-boxes', 'udt_quick', 's2siamfc_quick_baseline', 's2siamfc_quick'],
)
def test_one_step(tmp_path, name, kind):
    cfg = Config.fromfile(QUICK / f'{name}.py')
    cfg.merge_from_dict(NARROW[name[:3]])

    dataset = cfg.train_dataloader.dataset
    if dataset.box_source == 'discovered':  # needs a table
        dataset.box_source = 'centre'
    dataset.update(clips=str(folder_of(tmp_path / 'clips', kind)), samples_per_epoch=2)
    dataset.pop('table', None)
    samples = DATASETS.build(dataset)
    model = MODELS.build(cfg.model).train()
    torch.manual_seed(0)
    data = model.data_preprocessor(pseudo_collate([samples[0], samples[1]]), training=True)
    losses = model(**data, mode='loss')
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert all(
        torch.isfinite(parameter.grad).all()
        for parameter in model.parameters()
        if parameter.grad is not None
    )
