"""Small annotated sequences for the tests of VOT's protocols and measures; no image is ever looked
at."""

from __future__ import annotations

from typing import Any

import numpy as np

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.structures.clip import ArrayClip

SIZE_WH = (64, 48)


def make_sequence(
    frames: int = 30, name: str = 'walk', seed: int = 0, absent: tuple[int, ...] = (), **extras: Any
) -> AnnotatedSequence:
    """A box of 20 x 16 pixels that drifts slowly inside 64 x 48."""
    steps = np.random.default_rng(seed).uniform(-1, 1, (frames, 2))
    corner = np.clip(20 + np.cumsum(steps, axis=0), 4, 26)
    boxes = np.concatenate([corner, corner + [20, 16]], axis=1)
    boxes[list(absent)] = np.nan
    return AnnotatedSequence(
        name, ArrayClip(np.zeros((frames, SIZE_WH[1], SIZE_WH[0], 3), np.uint8)), boxes, **extras
    )
