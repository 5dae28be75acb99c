"""The comparison video: a panel for each tracker, its overlap, and curves up to the present
frame."""

from __future__ import annotations

import av
import numpy as np
import pytest

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.visualization.comparison_video import (
    CURVES_PX,
    WIDTH_PX,
    comparison_frames,
    overlaps_of,
    write_comparison,
)
from usot_plugin.visualization.plots import tracker_bgr


@pytest.fixture
def sequence() -> AnnotatedSequence:
    frames, boxes = moving_square_frames(6, (160, 120), side_px=30)
    boxes[4] = np.nan
    return AnnotatedSequence('square', ArrayClip(frames), boxes)


def near(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - color).max(-1) < 12).sum())


def test_overlaps_are_unknown_without_annotation_and_zero_without_prediction(sequence):
    boxes = np.where(np.isnan(sequence.boxes_xyxy), 5.0, sequence.boxes_xyxy)
    boxes[2] = np.nan
    assert overlaps_of(sequence, boxes)[[0, 2, 4]] == pytest.approx([1, 0, np.nan], nan_ok=True)
    with pytest.raises(ValueError, match='square: 5 boxes for 6 frames'):
        overlaps_of(sequence, boxes[:5])


@pytest.mark.parametrize(('count', 'rows', 'columns'), [(1, 1, 1), (2, 1, 2), (4, 2, 3)])
def test_each_tracker_has_a_panel_in_its_colour(sequence, count, rows, columns):
    boxes = {f'T{index}': sequence.boxes_xyxy + 3.0 * index for index in range(count)}
    pictures = list(comparison_frames(sequence, boxes))
    width = WIDTH_PX // columns
    height = round(width * 120 / 160)
    assert len(pictures) == 6 and pictures[0].shape == (rows * height + CURVES_PX, WIDTH_PX, 3)
    for index in range(count):
        row, column = divmod(index, columns)
        panel = pictures[0][row * height :][:height, column * width :][:, :width]
        assert near(panel, tracker_bgr(index)) > 200
        others = [near(panel, tracker_bgr(other)) for other in range(count) if other != index]
        assert max(others, default=0) < 50


def test_curves_are_pale_behind_the_present_frame(sequence):
    boxes = {'A': sequence.boxes_xyxy, 'B': sequence.boxes_xyxy + 8.0}
    first, *_, last = (picture[-CURVES_PX:] for picture in comparison_frames(sequence, boxes))
    assert near(first, tracker_bgr(1)) < near(last, tracker_bgr(1)) / 2
    assert (first != last).any()


def test_the_video_is_written(sequence, tmp_path):
    write_comparison(tmp_path / 'video.mp4', sequence, {'A': sequence.boxes_xyxy})
    with av.open(str(tmp_path / 'video.mp4')) as video:
        assert sum(1 for _ in video.decode(video=0)) == 6
    with pytest.raises(ValueError, match='no tracker'):
        write_comparison(tmp_path / 'none.mp4', sequence, {})
    assert not (tmp_path / 'none.mp4').exists()
