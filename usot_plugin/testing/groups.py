"""Training groups that need no data: of rendered clips with exact boxes, or of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..datasets import PseudoBoxDataset
from ..datasets.synthetic.clips import render_clip, write_clip
from ..structures.sot_sample import SOTSample
from .tables import pseudo_track, write_table_part


def rendered_table(
    folder: str | Path, clips: int = 4, frames: int = 60, size_wh: tuple[int, int] = (640, 360)
) -> Path:
    """Render clips below ``folder`` and write the table of their exact boxes; what is there already
    stays.

    Returns:
        The table, ``folder / 'table'``.
    """
    table = Path(folder, 'table')
    for number in range(clips):
        path = Path(folder, 'clips', f'clip_{number}.mp4')
        if not path.exists():
            video, boxes = render_clip(number, frames, size_wh, occluders=0)
            write_clip(path, video)
            write_table_part(
                table, path.name, path, pseudo_track(boxes[0], number), size_wh=size_wh
            )
    return table


def rendered_groups(
    table: str | Path,
    pipeline: Sequence[Mapping],
    sampler: Mapping | None = None,
    stage: str = 'naive',
) -> PseudoBoxDataset:
    """Crops and augmentation of a config on rendered clips.

    Args:
        table: See :func:`rendered_table`.
        pipeline: ``train_pipeline`` of the config.
        sampler: ``frame_sampler`` of the config; ``QualityFrames`` by default.
        stage: ``'naive'`` or ``'cycle'``.
    """
    options: dict[str, Any] = dict(sampler or dict(type='QualityFrames'))
    steps = [dict(step) for step in pipeline]
    return PseudoBoxDataset(
        table=table, frame_sampler=options, samples_per_epoch=1 << 20, stage=stage, pipeline=steps
    )


def random_group(seed: int, memory: int) -> dict:
    """A training group of noise with its boxes in the middle, and so many memory frames."""
    generator = torch.Generator().manual_seed(seed)
    views = {
        'template': (3, 127, 127),
        'search': (3, 255, 255),
        **({'memory': (memory, 3, 255, 255)} if memory else {}),
    }
    inputs = {
        name: torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        for name, shape in views.items()
    }
    sample = SOTSample()
    sample.set_boxes('template_box_xyxy', [40, 40, 88, 88])
    sample.set_boxes('search_box_xyxy', [96, 96, 160, 160])
    if memory:
        sample.set_boxes('memory_boxes_xyxy', [[96, 96, 160, 160]] * memory)
    return {'inputs': inputs, 'data_samples': sample}
