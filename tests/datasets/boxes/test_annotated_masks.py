"""Real masks as box sources, and first frames that have one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from usot_plugin.datasets import (
    AnnotatedBoxes,
    AnnotatedFirstMasks,
    AnnotatedMasks,
    NoFrameError,
    Track,
    WindowFrames,
)
from usot_plugin.datasets.benchmarks import BenchmarkDataset
from usot_plugin.datasets.benchmarks.annotations import AnnotationError
from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.structures import ArrayClip
from usot_plugin.structures.box_masks import grid_to_runs
from usot_plugin.structures.regions import MaskRegion


def labels(index: int) -> np.ndarray:
    """Object 2 moves right; object 5 and void stay."""
    image = np.zeros((60, 80), np.uint8)
    image[:5, :5], image[50:, 70:] = 5, 255
    image[20:40, 10 + index : 30 + index] = 2
    image[20:30, 10 + index : 20 + index] = 0
    return image


class Sequences(BenchmarkDataset):
    def __init__(self, load_labels=labels) -> None:
        self.load_labels, self.names = load_labels, ['a']

    def __len__(self) -> int:
        return 1

    def find_names(self):
        return self.names

    def load(self, name):
        raise NotImplementedError

    def __getitem__(self, index: int) -> AnnotatedSequence:
        clip = ArrayClip(np.zeros((30, 60, 80, 3), np.uint8))
        clip.path = Path('a')
        boxes = np.stack([MaskRegion(labels(i) == 2).box_xyxy for i in range(30)])
        return AnnotatedSequence('a', clip, boxes, load_labels=self.load_labels)


def test_every_frame_has_its_mask():
    track = AnnotatedMasks(Sequences()).track(0)
    np.testing.assert_array_equal(track.masked_frames(), np.arange(30))
    grid = track.box_mask(7)
    inner = grid[1:-1, 1:-1]  # bilinear sampling rounds the corners of the grid
    assert not inner[:30, :30].any() and inner[32:].all() and inner[:, 32:].all()


def test_only_sources_that_read_masks_may_be_asked_for_them():
    assert (
        AnnotatedMasks(Sequences()).why_no_masks
        == AnnotatedFirstMasks(Sequences()).why_no_masks
        == ''
    )
    assert "'annotated_masks'" in AnnotatedBoxes(Sequences()).why_no_masks


def test_first_masks_use_nothing_but_the_first_frame():
    asked = []
    track = AnnotatedFirstMasks(
        Sequences(lambda index: asked.append(index) or labels(index)), reach_frames=12
    ).track(0)
    assert set(asked) == {0}
    assert track.length == 13
    np.testing.assert_array_equal(track.boxes_xyxy, np.repeat([[10, 20, 30, 40]], 13, 0))
    np.testing.assert_array_equal(track.masked_frames(), [0])


@pytest.mark.parametrize(
    'empty',
    [lambda index: None, lambda index: np.zeros((60, 80), np.uint8)],
    ids=['no mask', 'no object'],
)
@pytest.mark.parametrize('source', [AnnotatedMasks, AnnotatedFirstMasks])
def test_a_first_frame_without_object_is_named(source, empty):
    with pytest.raises(AnnotationError, match='first frame'):
        source(Sequences(empty)).track(0)


def test_groups_begin_with_a_frame_whose_mask_is_known():
    runs = [
        grid_to_runs(np.ones((8, 8), bool)) if index in (4, 17) else np.zeros(0, np.int32)
        for index in range(20)
    ]
    track = Track(
        'c', 'c', length=20, boxes_xyxy=np.tile([1.0, 2, 30, 40], (20, 1)), mask_runs=runs
    )
    sampler = WindowFrames(3, 6, dict(template=[0], search=[0], hops=[1, 2]), first_with_mask=True)
    for seed in range(20):
        drawn = sampler.draw(track, np.random.default_rng(seed), 'naive')
        assert drawn['template'] == drawn['search']
        assert drawn['template'][0] in (4, 17)
        assert (
            drawn['template'] < drawn['hops'] == sorted(drawn['hops'])
            and drawn['hops'][-1] < drawn['template'][0] + 6
        )
    with pytest.raises(NoFrameError, match='the first with a mask'):
        sampler.draw(
            Track('c', 'c', length=20, boxes_xyxy=track.boxes_xyxy),
            np.random.default_rng(0),
            'naive',
        )
