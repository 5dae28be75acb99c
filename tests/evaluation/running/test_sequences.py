"""The one-pass protocol, and running many sequences into result files."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import TemplateMatcher, write_benchmark
from usot_plugin.datasets.benchmarks import AnnotatedSequence, SequenceFolderDataset
from usot_plugin.evaluation import OPE, OnePassResults, run_sequences
from usot_plugin.structures.clip import ArrayClip, ClipError
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import StandStill
from usot_plugin.tracking.base import Tracker
from usot_plugin.utils.worker_pool import WorkerLostError


@pytest.fixture
def sequence() -> AnnotatedSequence:
    frames, boxes = moving_square_frames(8)
    return AnnotatedSequence('square', ArrayClip(frames), boxes)


def test_ope_starts_from_the_annotation_and_visits_every_frame(sequence):
    tracker = TemplateMatcher()
    trajectory = OPE().run(tracker, sequence)
    assert len(trajectory) == 8 and tracker.updates == 7
    np.testing.assert_array_equal(trajectory.boxes_xyxy[0], sequence.boxes_xyxy[0])
    np.testing.assert_allclose(trajectory.boxes_xyxy, sequence.boxes_xyxy, atol=1.5)
    assert (
        trajectory.scores[0] == 1 and (trajectory.scores > 0.5).all() and not trajectory.lost.any()
    )
    assert (trajectory.seconds > 0).all()


def test_ope_runs_on_through_absent_frames(sequence):
    boxes = sequence.boxes_xyxy.copy()
    boxes[3:6] = np.nan
    trajectory = OPE().run(TemplateMatcher(), AnnotatedSequence('square', sequence.clip, boxes))
    assert np.isfinite(trajectory.boxes_xyxy).all()


def test_ope_keeps_the_trackers_own_lost_flag(sequence):
    assert OPE().run(TemplateMatcher(lost_below=1.1), sequence).lost.tolist() == [False] + 7 * [
        True
    ]


class Exploding(Tracker):
    """Its boxes become infinite."""

    def init(self, frames, boxes_xyxy):
        return 0

    def update(self, frames, state):
        box = np.array([[0, 0, 10, np.inf if state else 10]])
        return Prediction(box, np.ones(1), np.zeros(1, bool)), state + 1


def test_boxes_that_are_not_finite_become_nan(sequence):
    boxes = OPE().run(Exploding(), sequence).boxes_xyxy
    assert np.isfinite(boxes[1]).all() and np.isnan(boxes[2:]).all()


def outcomes(tracker, root, folder, **options) -> dict[str, float | None]:
    seen: dict[str, float | None] = {}
    run_sequences(
        tracker, OPE(), SequenceFolderDataset(root), folder, on_done=seen.__setitem__, **options
    )
    return seen


def test_second_run_skips_and_repairs(tmp_path):
    root, folder = write_benchmark(tmp_path / 'data'), OnePassResults(tmp_path / 'out')
    assert all(fps for fps in outcomes(StandStill(), root, folder).values())
    assert outcomes(StandStill(), root, folder) == {'a': None, 'b': None, 'c': None}
    lines = folder.box_file('b').read_text().splitlines()
    folder.box_file('b').write_text('\n'.join(lines[:-1]) + '\n')
    again = outcomes(StandStill(), root, folder)
    assert again['a'] is None and again['b'] and again['c'] is None
    assert folder.box_file('b').read_text().splitlines() == lines


@pytest.mark.process
def test_processes_side_by_side_give_the_same_files(tmp_path):
    root = write_benchmark(tmp_path / 'data')
    one, many = OnePassResults(tmp_path / 'one'), OnePassResults(tmp_path / 'many')
    outcomes(StandStill(), root, one)
    assert set(outcomes(StandStill(), root, many, workers=2)) == {'a', 'b', 'c'}
    for name in 'abc':
        assert one.box_file(name).read_text() == many.box_file(name).read_text()


@pytest.mark.process
@pytest.mark.parametrize('workers', [0, 1])
def test_a_broken_frame_ends_the_run_and_keeps_what_is_done(tmp_path, workers):
    root, folder = write_benchmark(tmp_path / 'data'), OnePassResults(tmp_path / 'out')
    sequences = list(SequenceFolderDataset(root))
    (root / 'b' / 'img' / '00003.png').write_bytes(b'no image')
    with pytest.raises(ClipError, match='00003.png'):
        run_sequences(StandStill(), OPE(), sequences, folder, workers=workers)
    assert folder.box_file('a').exists() and not folder.box_file('b').exists()


@pytest.mark.process
def test_a_sequence_that_hangs_ends_the_run_with_its_name(tmp_path):
    root, folder = write_benchmark(tmp_path / 'data'), OnePassResults(tmp_path / 'out')
    with pytest.raises(
        WorkerLostError,
        match='b: the worker process that ran it gave no sign of life for 3 seconds',
    ):
        run_sequences(
            HangsInTheSecond(), OPE(), SequenceFolderDataset(root), folder, workers=1, timeout_s=3.0
        )
    assert folder.box_file('a').exists() and not folder.box_file('b').exists()


class HangsInTheSecond(StandStill):
    """Never comes back from the second sequence that it is given."""

    runs = 0

    def for_run(self, annotation_xyxy, repetition=0):
        self.runs += 1
        if self.runs == 2:
            time.sleep(3600)
        return self
