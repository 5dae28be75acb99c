"""VOT's protocols on trackers with a known fate, and their result files."""

from __future__ import annotations

import numpy as np
import pytest
from pytest import approx

from tests.evaluation.vot_sequences import make_sequence
from usot_plugin.evaluation import ResultError, run_sequences
from usot_plugin.evaluation.protocols import VOTMultiStart, VOTReset
from usot_plugin.evaluation.protocols.vot_run import start_box
from usot_plugin.evaluation.results.vot_files import REGION, anchor_runs
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.regions import BoxRegion, FrameCode, MaskRegion, PolygonRegion
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking import StandStill
from usot_plugin.tracking.base import Tracker
from usot_plugin.tracking.known_answers.oracle import FailAt, NoisyOracle, Oracle

START, FAILED, SKIPPED = FrameCode.INITIALISATION, FrameCode.FAILURE, FrameCode.UNKNOWN


class MaskTracker(Tracker):
    """Reports the first box as a mask."""

    def init(self, frames, boxes_xyxy):
        left, top, right, bottom = np.round(boxes_xyxy[0]).astype(int)
        return MaskRegion(np.ones((bottom - top, right - left)), int(left), int(top))

    def update(self, frames, state):
        return Prediction(state.box_xyxy[None], np.ones(1), np.zeros(1, bool), [state]), state


class Nothing(Tracker):
    """Predicts a box without size."""

    def init(self, frames, boxes_xyxy):
        return boxes_xyxy

    def update(self, frames, state):
        return Prediction(state[:, [0, 1, 0, 1]], np.zeros(1), np.ones(1, bool)), state


def test_protocols_are_registered_under_their_names():
    assert isinstance(
        TASK_UTILS.build(dict(type='VOTReset', overlap='toolkit', start='bounds')), VOTReset
    )
    assert isinstance(TASK_UTILS.build(dict(type='VOTMultiStart')), VOTMultiStart)


def test_reset_of_a_tracker_that_never_fails():
    sequence = make_sequence(12)
    (run,) = VOTReset().run(Oracle(), sequence).values()
    assert run.codes.tolist() == [START] + 11 * [REGION]
    np.testing.assert_allclose(
        [entry.box_xyxy for entry in run.entries[1:]], sequence.boxes_xyxy[1:]
    )
    assert np.isfinite(run.seconds).all() and run.updates_and_seconds()[0] == 11


def test_reset_starts_again_five_frames_after_a_failure():
    (run,) = VOTReset().run(FailAt(4), make_sequence(12)).values()
    assert run.codes.tolist() == [
        START,
        REGION,
        REGION,
        REGION,
        FAILED,
        *4 * [SKIPPED],
        START,
        REGION,
        REGION,
    ]
    assert np.isnan(run.seconds[5:9]).all() and run.updates_and_seconds()[0] == 6


def test_failure_at_the_end_leaves_nothing_to_start():
    (run,) = VOTReset(skip_frames=3).run(FailAt(4), make_sequence(6)).values()
    assert run.codes.tolist() == [START, REGION, REGION, REGION, FAILED, SKIPPED]


def test_start_waits_for_the_target_and_absent_frames_are_no_failure():
    sequence = make_sequence(14, absent=(2, 9, 10))
    (run,) = VOTReset().run(FailAt(4), sequence).values()
    assert run.codes.tolist() == [
        START,
        REGION,
        REGION,
        REGION,
        FAILED,
        *6 * [SKIPPED],
        START,
        REGION,
        REGION,
    ]


def test_empty_prediction_is_a_failure():
    (run,) = VOTReset().run(Nothing(), make_sequence(3)).values()
    assert run.codes.tolist() == [START, FAILED, SKIPPED]


def test_failure_overlap_can_be_raised():
    sequence = make_sequence(40, seed=4)
    counts = [
        (VOTReset(failure_overlap=limit).run(StandStill(), sequence)[1].codes == FAILED).sum()
        for limit in (0.0, 0.7)
    ]
    assert counts[0] == 0 < counts[1]


def test_stochastic_trackers_run_fifteen_times_and_differ():
    runs = VOTReset().run(NoisyOracle(0.02), make_sequence(4))
    assert list(runs) == list(range(1, 16))
    assert not np.allclose(runs[1].entries[1].box_xyxy, runs[2].entries[1].box_xyxy)
    assert len(VOTReset(repetitions=2).run(NoisyOracle(0.02), make_sequence(4))) == 2


def test_mask_trackers_are_recorded_as_masks():
    (run,) = VOTReset().run(MaskTracker(), make_sequence(3)).values()
    assert all(isinstance(entry, MaskRegion) for entry in run.entries[1:])


def test_start_box_of_a_rotated_annotation():
    square = PolygonRegion([[20, 10], [30, 20], [20, 30], [10, 20]])
    bounds = square.box_xyxy
    assert start_box(square, bounds, 'bounds').tolist() == [10, 10, 30, 30]
    # The square has half the area of its bounds; one pixel is added to the size.
    side = 20 / np.sqrt(2) + 1
    assert start_box(square, bounds, 'equal_area') == approx(
        [20 - side / 2, 20 - side / 2, 20 + side / 2, 20 + side / 2]
    )
    assert start_box(BoxRegion(bounds), bounds, 'equal_area').tolist() == bounds.tolist()


def test_multi_start_runs_from_each_anchor_to_its_end():
    sequence = make_sequence(10, anchors=np.array([1, 0, 0, 0, 1, 0, 0, 0, 0, -1]))
    runs = VOTMultiStart().run(Oracle(), sequence)
    assert {anchor: len(run) for anchor, run in runs.items()} == {0: 10, 4: 6, 9: 10}
    np.testing.assert_allclose(
        [entry.box_xyxy for entry in runs[4].entries[1:]], sequence.boxes_xyxy[5:]
    )
    np.testing.assert_allclose(
        [entry.box_xyxy for entry in runs[9].entries[1:]], sequence.boxes_xyxy[8::-1]
    )
    assert all(run.codes[0] == START and (run.codes[1:] == REGION).all() for run in runs.values())
    assert VOTMultiStart().updates_and_seconds(runs)[0] == 9 + 5 + 9


def test_multi_start_goes_on_after_a_failure_and_says_nothing_without_a_box():
    sequence = make_sequence(6, anchors=np.array([1, 0, 0, 0, 0, 0]))
    assert VOTMultiStart().run(FailAt(2), sequence)[0].codes.tolist() == [START, *5 * [REGION]]
    assert VOTMultiStart().run(Nothing(), sequence)[0].codes.tolist() == [START, *5 * [SKIPPED]]


def test_anchors_forward_first():
    assert anchor_runs('s', np.array([-1, 1, 0, 2])) == {
        1: range(1, 4),
        3: range(3, 4),
        0: range(0, -1, -1),
    }


def test_sequences_without_usable_anchors_are_refused():
    for anchors in (None, np.zeros(5)):
        with pytest.raises(ValueError, match='walk: no anchors'):
            VOTMultiStart().run(Oracle(), make_sequence(5, anchors=anchors))
    with pytest.raises(ValueError, match='walk: anchor at frame 3, where the target is absent'):
        regions = (*[BoxRegion([1, 1, 9, 9])] * 3, None)
        VOTMultiStart().run(
            Oracle(), make_sequence(4, anchors=np.array([0, 0, 0, -1]), regions=regions)
        )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(repetitions=0), 'repetitions is at least 1'),
        (dict(skip_frames=0), 'skip_frames is at least 1'),
        (dict(failure_overlap=1.0), 'failure_overlap lies in'),
        (dict(overlap='iou'), "unknown overlap 'iou'"),
        (dict(start='centre'), "unknown start 'centre'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VOTReset(**options)


def _reset_results(tmp_path, tracker=None, frames=12, **options):
    protocol, sequence = VOTReset(**options), make_sequence(frames)
    folder = protocol.result_folder(tmp_path / 'T')
    folder.write(sequence.name, protocol.run(tracker or FailAt(4), sequence))
    return folder, sequence


def test_reset_files_are_vots_own(tmp_path):
    folder, sequence = _reset_results(tmp_path)
    path = tmp_path / 'T' / 'baseline' / 'walk'
    assert sorted(file.name for file in path.iterdir()) == [
        'walk_001.txt',
        'walk_001_confidence.value',
        'walk_001_time.value',
    ]
    lines = (path / 'walk_001.txt').read_text().splitlines()
    assert [lines[index] for index in (0, 4, 5, 9)] == ['1', '2', '0', '1']
    x, y, w, h = sequence.boxes_xyxy[1] - [0, 0, *sequence.boxes_xyxy[1, :2]]
    assert np.array(lines[1].split(','), float) == approx([x, y, w, h], abs=1e-4)
    assert (path / 'walk_001_time.value').read_text().splitlines()[5] == ''
    assert folder.unfinished_reason(sequence) is None


def test_results_are_read_back_as_written(tmp_path):
    protocol, sequence = VOTReset(), make_sequence(12)
    result = protocol.run(FailAt(4), sequence)
    folder = protocol.result_folder(tmp_path / 'T')
    folder.write(sequence.name, result)
    run = folder.read(sequence.name)[1]
    assert run.codes.tolist() == result[1].codes.tolist()
    np.testing.assert_allclose(run.seconds, result[1].seconds, atol=1e-6)
    assert folder.sample(sequence)['protocol'] == 'vot_reset'


def test_finished_sequences_are_skipped_and_half_written_ones_are_not(tmp_path):
    protocol, sequence = VOTReset(), make_sequence(8)
    folder, done = protocol.result_folder(tmp_path / 'T'), []
    for _ in range(2):
        run_sequences(
            NoisyOracle(0.02),
            protocol,
            [sequence],
            folder,
            on_done=lambda name, fps: done.append(fps is None),
        )
    folder.run_file('walk', 1).unlink()  # the run with the smallest number is written last
    run_sequences(
        NoisyOracle(0.02),
        protocol,
        [sequence],
        folder,
        on_done=lambda name, fps: done.append(fps is None),
    )
    assert done == [False, True, False]


def test_fewer_repetitions_leave_no_old_ones_behind(tmp_path):
    folder, sequence = _reset_results(tmp_path, NoisyOracle(0.02))
    assert len(folder.existing('walk')) == 15
    folder.write('walk', VOTReset().run(Oracle(), sequence))
    assert folder.existing('walk') == [1] and folder.unfinished_reason(sequence) is None


def _edit(folder, line, text, number=1):
    file = folder.run_file('walk', number)
    lines = file.read_text().splitlines()
    lines[line - 1 : line] = [] if text is None else [text]
    file.write_text('\n'.join(lines) + '\n')
    if text is None:  # as other toolkits' files, which have no times
        for values in file.parent.glob(f'{file.stem}_*.value'):
            values.unlink()


@pytest.mark.parametrize(
    ('line', 'text', 'reason'),
    [
        (12, None, '11 lines for 12 frames'),
        (1, '20,20,20,16', 'line 1: expected the code 1'),
        (3, '1', 'line 3: a start (code 1) without a failure'),
        (3, '0', 'line 3: 0 or nan where there has to be a region'),
        (3, 'nan,nan,nan,nan', 'line 3: 0 or nan where there has to be a region'),
        (6, '20,20,20,16', 'line 6: expected the code 0'),
        (10, '0', 'line 10: expected the code 1'),
        (3, '20,20,-20,16', 'line 3: negative width or height'),
        (3, '20,20,20', 'line 3: a region has 4 numbers'),
        (3, 'abc', 'line 3: not a region'),
        (3, '1000,20,20,16', 'line 3: a region that does not touch the annotation'),
    ],
)
def test_reset_results_that_cannot_be_are_unfinished(tmp_path, line, text, reason):
    folder, sequence = _reset_results(tmp_path)
    _edit(folder, line, text)
    assert reason in folder.unfinished_reason(sequence)
    with pytest.raises(ResultError, match='walk: is not a finished result'):
        folder.finished_sample(sequence)


def test_missing_and_wrong_numbers_of_runs_are_unfinished(tmp_path):
    folder, sequence = _reset_results(tmp_path, Oracle(), repetitions=3)
    assert folder.unfinished_reason(sequence) is None
    assert '3 runs, wanted are 1 or 15' in VOTReset().result_folder(
        tmp_path / 'T'
    ).unfinished_reason(sequence)
    folder.run_file('walk', 2).unlink()
    assert 'no file walk_002.txt' in folder.unfinished_reason(sequence)
    folder.discard('walk')
    assert not list((tmp_path / 'T' / 'baseline' / 'walk').iterdir())
    with pytest.raises(ResultError, match='no result file of this sequence'):
        folder.read('walk')


def test_time_file_of_another_length_is_named(tmp_path):
    folder, sequence = _reset_results(tmp_path)
    folder.run_file('walk', 1).with_name('walk_001_time.value').write_text('0.1\n')
    assert folder.unfinished_reason(sequence) == 'walk_001_time.value: 1 lines beside 12 regions'


def test_multi_start_files(tmp_path):
    sequence = make_sequence(6, anchors=np.array([1, 0, 0, 0, 0, -1]))
    folder = VOTMultiStart().result_folder(tmp_path / 'T')
    folder.write('walk', VOTMultiStart().run(Oracle(), sequence))
    assert (
        folder.existing('walk') == [0, 5] and folder.run_file('walk', 5).name == 'walk_00000005.txt'
    )
    assert folder.unfinished_reason(sequence) is None
    _edit(folder, 3, '1', number=5)
    assert folder.unfinished_reason(sequence) == 'walk_00000005.txt: line 3: code 1 inside a run'
    _edit(folder, 3, None, number=5)
    assert '5 lines for 6 frames' in folder.unfinished_reason(sequence)
    folder.run_file('walk', 5).unlink()
    assert 'no file walk_00000005.txt' in folder.unfinished_reason(sequence)
    _edit(folder, 1, '2,2,2,2', number=0)
    folder.run_file('walk', 5).write_text('1\n')
    assert 'line 1 is not the code 1' in folder.unfinished_reason(sequence)
