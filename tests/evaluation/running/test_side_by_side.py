"""Sequences tracked as one batch: the boxes of one after the other, whatever their lengths, and
honest refusals."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.apis.test_inference import MODEL
from tests.evaluation.tiny_benchmark import TemplateMatcher, write_benchmark
from usot_plugin.datasets.benchmarks import AnnotatedSequence, SequenceFolderDataset
from usot_plugin.evaluation import OPE, OnePassResults, run_sequences
from usot_plugin.evaluation.protocols.got10k import GOT10k
from usot_plugin.evaluation.running.side_by_side import track_side_by_side
from usot_plugin.registry import MODELS
from usot_plugin.structures.clip import ArrayClip, ClipError
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import StandStill, build_tracker
from usot_plugin.tracking.base import Tracker

LENGTHS = (9, 4, 1, 7, 5)


@pytest.fixture
def sequences() -> list[AnnotatedSequence]:
    found = []
    for seed, count in enumerate(LENGTHS):
        frames, boxes = moving_square_frames(
            count, size_wh=(128 + 16 * seed, 96), seed=seed, side_px=20 + 8 * seed
        )
        found.append(AnnotatedSequence(f's{seed}', ArrayClip(frames), boxes))
    return found


class Counting(TemplateMatcher):
    """Notes how many targets each update has."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def update(self, frames, state):
        self.sizes.append(len(state))
        return super().update(frames, state)


@pytest.mark.parametrize('batch', [1, 2, 3, 8])
def test_a_finished_sequence_makes_room_for_the_next(sequences, batch):
    tracker = Counting()
    tracked = {
        sequence.name: trajectory
        for sequence, trajectory in track_side_by_side(tracker, sequences, batch)
    }
    assert sorted(tracked) == [sequence.name for sequence in sequences]
    assert max(tracker.sizes) == min(batch, sum(length > 1 for length in LENGTHS))
    assert sum(tracker.sizes) == sum(length - 1 for length in LENGTHS)
    for sequence in sequences:
        alone = OPE().run(TemplateMatcher(), sequence)
        np.testing.assert_array_equal(tracked[sequence.name].boxes_xyxy, alone.boxes_xyxy)
        np.testing.assert_array_equal(tracked[sequence.name].scores, alone.scores)
        assert (tracked[sequence.name].seconds > 0).all()


def test_a_network_gives_the_boxes_of_one_by_one(sequences):
    torch.manual_seed(3)
    tracker = build_tracker(MODELS.build(dict(MODEL)), MODEL['test_cfg'])
    together = {
        sequence.name: trajectory
        for sequence, trajectory in track_side_by_side(tracker, sequences, 3)
    }
    for sequence in sequences:
        alone = OPE().run(tracker, sequence)
        np.testing.assert_allclose(together[sequence.name].boxes_xyxy, alone.boxes_xyxy, atol=1e-3)
        np.testing.assert_allclose(together[sequence.name].scores, alone.scores, atol=1e-5)


def test_time_of_a_step_is_shared_by_its_targets(sequences, monkeypatch):
    clock = SimpleNamespace(now=0.0)

    def perf_counter() -> float:
        clock.now += 3.0
        return clock.now

    monkeypatch.setattr(
        'usot_plugin.evaluation.running.side_by_side.time.perf_counter', perf_counter
    )
    same = [replace(sequences[0], name=name) for name in 'abc']
    for _, trajectory in track_side_by_side(StandStill(), same, 3):
        assert trajectory.seconds.tolist() == [3.0] + 8 * [1.0]


def test_results_are_written_when_their_sequence_ends(tmp_path):
    root, folder = write_benchmark(tmp_path / 'data'), OnePassResults(tmp_path / 'out')
    there: dict[str, list[str]] = {}

    def on_done(name: str, fps: float | None) -> None:
        there[name] = sorted(path.stem for path in folder.path.glob('?.txt'))

    run_sequences(
        TemplateMatcher(),
        OPE(),
        SequenceFolderDataset(root),
        folder,
        on_done=on_done,
        batch_sequences=2,
    )
    assert list(there.values()) == [['a'], ['a', 'b'], ['a', 'b', 'c']]
    one = OnePassResults(tmp_path / 'one')
    run_sequences(TemplateMatcher(), OPE(), SequenceFolderDataset(root), one)
    for name in 'abc':
        assert folder.box_file(name).read_text() == one.box_file(name).read_text()


def test_got10k_files_are_those_of_one_by_one(tmp_path):
    root = write_benchmark(tmp_path / 'data')
    folders = [GOT10k().result_folder(tmp_path / name) for name in ('one', 'many')]
    for folder, batch in zip(folders, (1, 3), strict=True):
        run_sequences(
            TemplateMatcher(), GOT10k(), SequenceFolderDataset(root), folder, batch_sequences=batch
        )
    for name in 'abc':
        assert folders[0].box_file(name).read_text() == folders[1].box_file(name).read_text()
        assert folders[1].time_file(name).exists()


class OneState(Tracker):
    """Its state is a number."""

    def init(self, frames, boxes_xyxy):
        return 0

    def update(self, frames, state):
        return Prediction(np.zeros((1, 4)), np.ones(1), np.zeros(1, bool)), state + 1


def test_a_state_that_cannot_be_taken_apart_is_refused(sequences):
    with pytest.raises(
        ValueError,
        match='OneState: its states are int, so it has to override Tracker.select and concat',
    ):
        list(track_side_by_side(OneState(), sequences, 2))
    with pytest.raises(ValueError, match='its state is a int'):
        OneState().select(3, [0])


class Resetting(OPE):
    batchable = False


class Told(Counting):
    def for_run(self, annotation_xyxy, repetition=0):
        return self


@pytest.mark.parametrize(
    ('tracker', 'protocol', 'reason'),
    [
        (Counting(), Resetting(), 'Resetting is not one pass over a sequence'),
        (Told(), OPE(), 'Told is told the annotation'),
    ],
)
def test_what_cannot_be_batched_goes_one_by_one_and_says_so(
    tmp_path, monkeypatch, tracker, protocol, reason
):
    said: list[str] = []
    monkeypatch.setattr(
        'usot_plugin.evaluation.running.sequences.print_log',
        lambda message, **_: said.append(message),
    )
    root, folder = write_benchmark(tmp_path / 'data'), OnePassResults(tmp_path / 'out')
    run_sequences(tracker, protocol, SequenceFolderDataset(root), folder, batch_sequences=4)
    assert set(tracker.sizes) == {1} and folder.box_file('c').exists()
    assert len(said) == 1 and reason in said[0]


def test_workers_and_batches_do_not_go_together(tmp_path):
    root = write_benchmark(tmp_path / 'data')
    with pytest.raises(
        ValueError, match='2 worker processes and batches of 3 sequences do not go together'
    ):
        run_sequences(
            StandStill(),
            OPE(),
            SequenceFolderDataset(root),
            OnePassResults(tmp_path / 'out'),
            workers=2,
            batch_sequences=3,
        )


def test_errors_name_their_sequence(sequences):
    outside = replace(sequences[1], boxes_xyxy=sequences[1].boxes_xyxy + 1000)
    with pytest.raises(ValueError, match='s1: target box .* lies outside'):
        list(track_side_by_side(StandStill(), [sequences[0], outside], 2))


def test_a_clip_that_ends_early_is_named(sequences):
    class Short(ArrayClip):
        def iter_frames(self, *args, **kwargs):
            yield from list(super().iter_frames(*args, **kwargs))[:-2]

    clip = Short(np.stack([frame for _, frame in sequences[0].clip.iter_frames()]))
    with pytest.raises(ClipError, match='ends after 7 of 9 frames'):
        list(track_side_by_side(StandStill(), [replace(sequences[0], clip=clip), sequences[1]], 2))
