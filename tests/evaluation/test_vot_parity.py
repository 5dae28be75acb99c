"""A, R and EAO equal the official toolkit's, which reads our result files and scores them with its
own analyses."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from tests.evaluation.official_vot import official_analysis, write_workspace
from tests.evaluation.vot_sequences import make_sequence
from usot_plugin.evaluation import run_sequences
from usot_plugin.evaluation.metrics import VOTMultiStartMetric, VOTResetMetric
from usot_plugin.evaluation.protocols import VOTMultiStart, VOTReset
from usot_plugin.structures.boxes import xyxy_to_cxcywh
from usot_plugin.structures.regions import MaskRegion, PolygonRegion
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking import StandStill
from usot_plugin.tracking.known_answers.oracle import FailAt, NoisyOracle

pytest.importorskip(
    'vot', reason='vot-toolkit is not installed (pip install vot-toolkit==0.9.0 attributee==0.1.9)'
)

TOLERANCE = 1e-6


class Wandering(NoisyOracle):
    """Leaves the target for good at a random frame of each run."""

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        told = state[0]
        random = np.random.default_rng([told.repetition, len(told.answers_xyxy)])
        boxes = prediction.boxes_xyxy + (70 if told.index >= random.integers(3, 60) else 0)
        return Prediction(boxes, prediction.scores, prediction.lost), state


class WanderingMask(Wandering):
    """The same, as masks with holes."""

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        left, top, right, bottom = np.round(prediction.boxes_xyxy[0]).astype(int)
        mask = (
            np.random.default_rng(state[0].index).random(
                (max(bottom - top, 2), max(right - left, 2))
            )
            < 0.8
        )
        mask[:, [0, -1]] = True
        return Prediction(
            prediction.boxes_xyxy,
            prediction.scores,
            prediction.lost,
            [MaskRegion(mask, int(left), int(top))],
        ), state


class Scattered(Wandering):
    """Some predictions hang over a border of the image, some have no size."""

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        offsets = {0: [-14, -12, -14, -12], 1: [13, 11, 13, 11], 2: [0, 0, -90, 0]}
        kind = np.random.default_rng([state[0].index, len(state[0].answers_xyxy)]).integers(0, 20)
        boxes = prediction.boxes_xyxy + offsets.get(int(kind), [0, 0, 0, 0])
        return Prediction(boxes, prediction.scores, prediction.lost), state


TRACKERS = [StandStill(), FailAt(25), Wandering(0.05), Scattered(0.1), WanderingMask(0.05)]


def _rotated(sequence, seed):
    """The annotation as rotated rectangles."""
    random, regions = np.random.default_rng(seed), []
    for cx, cy, w, h in xyxy_to_cxcywh(sequence.boxes_xyxy):
        angle = random.uniform(-0.6, 0.6)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        regions.append(PolygonRegion(np.round(corners @ turn.T + [cx, cy], 3)))
    return tuple(regions)


def _reset_sequences():
    plain = [
        make_sequence(frames, name, seed)
        for seed, (name, frames) in enumerate({'short': 45, 'long': 90}.items())
    ]
    turned = make_sequence(70, 'turned', 5)
    boxes = np.array([region.box_xyxy for region in _rotated(turned, 5)])
    return [
        *plain,
        make_sequence(70, 'turned', 5, regions=_rotated(turned, 5)),
        _with_boxes(turned, boxes),
    ]


def _with_boxes(sequence, boxes):
    return type(sequence)('boxed', sequence.clip, boxes)


@pytest.mark.process
@pytest.mark.parametrize('tracker', TRACKERS, ids=lambda tracker: type(tracker).__name__)
def test_reset_measures_equal_the_toolkits(tmp_path, tracker):
    from vot.analysis.supervised import AverageAccuracyRobustness, EAOScore

    sequences, name = _reset_sequences(), type(tracker).__name__
    experiment = {'type': 'supervised', 'repetitions': 3, 'skip_initialize': 5, 'early_stop': False}
    results = write_workspace(tmp_path, sequences, experiment)
    protocol = VOTReset(repetitions=3, overlap='toolkit', start='bounds')
    folder = protocol.result_folder(results / name)
    run_sequences(tracker, protocol, sequences, folder)
    metric = VOTResetMetric(10, 30, style='toolkit')
    metric.process([], [folder.finished_sample(sequence) for sequence in sequences])
    ours = metric.evaluate(len(sequences))

    accuracy, failures, (reliability, _), length = official_analysis(
        tmp_path, name, AverageAccuracyRobustness()
    )
    eao = official_analysis(tmp_path, name, EAOScore(low=10, high=30))[0]
    assert length == np.mean([len(sequence) for sequence in sequences])
    names = ('accuracy', 'failures_per_sequence', 'reliability', 'eao')
    assert [ours[f'vot/{key}'] for key in names] == approx(
        [accuracy, failures, reliability, eao], abs=TOLERANCE
    )
    assert 0 < eao < 1


def _anchored(frames, name, seed, **extras):
    anchors = np.zeros(frames, int)
    anchors[[0, frames // 3]], anchors[[frames // 2, frames - 1]] = 1, -1
    return make_sequence(frames, name, seed, anchors=anchors, **extras)


def _masks(sequence):
    regions = []
    for left, top, right, bottom in np.round(sequence.boxes_xyxy).astype(int):
        rows, columns = np.mgrid[: bottom - top, : right - left]
        ellipse = ((rows - (bottom - top) / 2) / (bottom - top)) ** 2 + (
            (columns - (right - left) / 2) / (right - left)
        ) ** 2 < 0.25
        regions.append(MaskRegion(ellipse, int(left), int(top)))
    return tuple(regions)


@pytest.mark.process
@pytest.mark.parametrize(
    'tracker',
    [StandStill(), FailAt(7), Wandering(0.05), Scattered(0.1), WanderingMask(0.05)],
    ids=lambda t: type(t).__name__,
)
def test_multi_start_measures_equal_the_toolkits(tmp_path, tracker):
    from vot.analysis.multistart import AverageAccuracyRobustness, EAOCurve, EAOScore

    plain = _anchored(60, 'masks', 2)
    absent = (11, 12, 13, 40)
    sequences = [
        _anchored(45, 'boxes', 1),
        _anchored(60, 'masks', 2, regions=_masks(plain)),
        _anchored(50, 'absent', 3, absent=absent),
    ]
    results = write_workspace(tmp_path, sequences, {'type': 'multistart'})
    folder, name = (
        VOTMultiStart().result_folder(results / type(tracker).__name__),
        type(tracker).__name__,
    )
    run_sequences(tracker, VOTMultiStart(), sequences, folder)
    metric = VOTMultiStartMetric(10, 40)
    metric.process([], [folder.finished_sample(sequence) for sequence in sequences])
    ours = metric.evaluate(len(sequences))

    accuracy, robustness, *_ = official_analysis(tmp_path, name, AverageAccuracyRobustness())
    curve = official_analysis(tmp_path, name, EAOCurve(high=40))[0]
    eao = official_analysis(tmp_path, name, EAOScore(low=10, high=40))[0]
    assert [ours[f'vot/{key}'] for key in ('accuracy', 'robustness', 'eao')] == approx(
        [accuracy, robustness, eao], abs=TOLERANCE
    )
    assert metric.report.curves['eao'].y == approx(np.array(curve), abs=TOLERANCE)


def test_toolkit_reads_our_files_as_we_do(tmp_path):
    from vot.region import Special
    from vot.tracker.results import Results, Trajectory
    from vot.workspace.storage import LocalStorage

    sequence = make_sequence(20, 'walk')
    folder = VOTReset().result_folder(tmp_path / 'T')
    folder.write('walk', VOTReset().run(FailAt(7), sequence))
    results = LocalStorage(str(tmp_path / 'T' / 'baseline' / 'walk'))
    trajectory = Trajectory.read(Results(results), 'walk_001')
    run = folder.read('walk')[1]
    assert [
        int(region.code) if isinstance(region, Special) else -1 for region in trajectory.regions()
    ] == run.codes.tolist()
    times = [trajectory.properties(frame).get('time') for frame in range(20)]
    assert [value is None for value in times] == np.isnan(run.seconds).tolist()


@pytest.mark.parametrize('binary', [True, False])
def test_results_of_the_toolkit_are_read_as_ours(tmp_path, monkeypatch, binary):
    # The toolkit writes binary files unless told otherwise, no confidences, and an empty line where
    # there is no time.
    import vot
    from vot.region import Mask, Polygon, Rectangle, Special
    from vot.tracker.results import Results, Trajectory
    from vot.workspace.storage import LocalStorage

    monkeypatch.setattr(vot.config, 'results_binary', binary)
    sequence = make_sequence(10, 'walk')
    folder = VOTReset(repetitions=1).result_folder(tmp_path / 'T')
    left, top, right, bottom = (int(value) for value in sequence.boxes_xyxy[7])
    trajectory = Trajectory(10)
    trajectory.set(0, Special(1), {'time': 0.1})
    trajectory.set(1, Special(2), {'time': 0.2})
    trajectory.set(6, Special(1), {'time': 0.1})
    trajectory.set(7, Rectangle(left, top, 20, 16), {'time': 0.2})
    trajectory.set(8, Polygon([(left, top), (right, top), (right, bottom)]), {'time': 0.2})
    trajectory.set(9, Mask(np.eye(12), (left, top)), {'time': 0.2})
    trajectory.write(Results(LocalStorage(str(tmp_path / 'T' / 'baseline' / 'walk'))), 'walk_001')

    assert sorted(file.suffix for file in (tmp_path / 'T' / 'baseline' / 'walk').iterdir()) == [
        '.bin' if binary else '.txt',
        '.value',
    ]
    assert folder.unfinished_reason(sequence) is None
    run = folder.read('walk')[1]
    assert run.updates_and_seconds() == (4, approx(0.8))
    assert run.entries[7].box_xyxy.tolist() == [left, top, left + 20, top + 16]
    assert run.entries[8].points_xy.tolist() == [[left, top], [right, top], [right, bottom]]
    assert (run.entries[9].mask == np.eye(12)).all() and (
        run.entries[9].left,
        run.entries[9].top,
    ) == (left, top)
    folder.discard('walk')
    assert folder.existing('walk') == []
