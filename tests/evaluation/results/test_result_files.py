"""Result files: round trip, whole or not at all, recognised as finished or not, and never mixed
between runs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from usot_plugin.datasets.benchmarks import AnnotatedSequence, VOTDataset
from usot_plugin.evaluation.protocols.got10k import GOT10kResults
from usot_plugin.evaluation.protocols.vos import VOSResults
from usot_plugin.evaluation.results.result_files import OnePassResults, ResultError
from usot_plugin.evaluation.results.vot_files import MultiStartResults, ResetResults
from usot_plugin.structures.trajectory import Trajectory


def sequence_of(trajectory):
    return AnnotatedSequence('seq', SimpleNamespace(frame_count=3), trajectory.boxes_xyxy)


@pytest.fixture
def trajectory() -> Trajectory:
    boxes = np.array([[1.0, 2, 11, 22], [1.12346, 2.5, 11.5, 22.25], [np.nan] * 4])
    return Trajectory(
        boxes,
        np.array([1.0, 0.75, 0.25]),
        np.array([False, False, True]),
        np.array([0.5, 0.25, 0.125]),
    )


def test_round_trip(tmp_path, trajectory):
    folder = OnePassResults(tmp_path / 'A' / 'Tracker')
    folder.write('seq', trajectory)
    back = folder.read('seq')
    np.testing.assert_allclose(back.boxes_xyxy, trajectory.boxes_xyxy, atol=1e-4)
    np.testing.assert_allclose(back.scores, trajectory.scores)
    np.testing.assert_array_equal(back.lost, trajectory.lost)
    np.testing.assert_allclose(back.seconds, trajectory.seconds)


def test_text_format(tmp_path, trajectory):
    OnePassResults(tmp_path).write('seq', trajectory)
    assert (tmp_path / 'seq.txt').read_text().splitlines() == [
        '1.0000,2.0000,10.0000,20.0000',
        '1.1235,2.5000,10.3765,19.7500',
        'nan,nan,nan,nan',
    ]
    assert (tmp_path / 'seq_score.txt').read_text().splitlines()[2] == '0.250000,1'
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'seq.txt',
        'seq_score.txt',
        'seq_time.txt',
    ]


def test_a_box_file_of_another_toolkit_is_enough(tmp_path):
    (tmp_path / 'seq.txt').write_text('1\t2\t3\t4\n2\t2\t3\t4\n')
    trajectory = OnePassResults(tmp_path).read('seq')
    assert trajectory.boxes_xyxy.tolist() == [[1, 2, 4, 6], [2, 2, 5, 6]]
    assert np.isnan(trajectory.seconds).all()


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        (None, 'no such'),
        ('', 'numbers a line'),
        ('1,2,10,20\n', '1 lines for 3 frames'),
        ('1,2,10,20\n1,2,3\n', 'numbers a line'),
        ('1,2,10,20\n1,2,3,x\n', 'numbers a line'),
        ('9,9,9,9\n1,2,3,4\n1,2,3,4\n', 'another box'),
        ('1,2,10,20\n1,2,-3,4\n1,2,3,4\n', 'negative width or height in line 2'),
        ('1,2,10,20\n1,2,3,4\n1,2,inf,4\n', 'infinite number in line 3'),
        ('1,2,10,20\n1,2,3,4\n1,nan,3,4\n', 'partly nan in line 3'),
        ('1,2,10,20\nnan,nan,nan,nan\nnan,nan,nan,nan\n', 'every other line is nan'),
    ],
)
def test_unfinished(tmp_path, trajectory, text, reason):
    if text is not None:
        (tmp_path / 'seq.txt').write_text(text)
    assert reason in OnePassResults(tmp_path).unfinished_reason(sequence_of(trajectory))


def test_finished(tmp_path, trajectory):
    folder = OnePassResults(tmp_path)
    folder.write('seq', trajectory)
    assert folder.unfinished_reason(sequence_of(trajectory)) is None


def test_a_crash_before_the_last_file_does_not_count_as_finished(tmp_path, trajectory, monkeypatch):
    real = np.savetxt

    def failing(file, *args, **kwargs):
        real(file, *args, **kwargs)
        if 'time' in str(file):
            raise OSError(28, 'No space left on device')

    monkeypatch.setattr(np, 'savetxt', failing)
    with pytest.raises(ResultError, match=r'seq_time.txt: cannot be written \(no space left'):
        OnePassResults(tmp_path).write('seq', trajectory)
    assert [path.name for path in tmp_path.iterdir()] == ['seq_score.txt']
    assert OnePassResults(tmp_path).unfinished_reason(sequence_of(trajectory))


def test_side_files_must_fit(tmp_path, trajectory):
    folder = OnePassResults(tmp_path)
    folder.write('seq', trajectory)
    (tmp_path / 'seq_time.txt').write_text('0.1\n')
    with pytest.raises(ResultError, match='1 lines beside 3 boxes'):
        folder.read('seq')


def test_claim_refuses_another_run(tmp_path):
    folder = OnePassResults(tmp_path / 'Tracker')
    folder.claim({'tracker': {'type': 'A', 'lr': 0.5}, 'weights': 'abc'})
    folder.claim({'weights': 'abc', 'tracker': {'lr': 0.5, 'type': 'A'}})
    with pytest.raises(ResultError, match='weights: there "abc", now "def"'):
        folder.claim({'tracker': {'type': 'A', 'lr': 0.5}, 'weights': 'def'})
    folder.claim({'tracker': {'type': 'B'}, 'weights': None}, overwrite=True)
    folder.claim({'tracker': {'type': 'B'}, 'weights': None})


def test_nothing_can_be_written_below_a_file(tmp_path, trajectory):
    (tmp_path / 'file').write_text('x')
    with pytest.raises(ResultError, match='cannot be written'):
        OnePassResults(tmp_path / 'file').write('seq', trajectory)


def test_two_sequences_never_share_a_file(tmp_path):
    folder = OnePassResults(tmp_path / 'T')
    folder.check_names(['car', 'lap_time', 'lap2'])
    with pytest.raises(
        ResultError,
        match=r"car_time.txt: would hold the boxes of sequence 'car_time' and the times of 'car'",
    ):
        folder.check_names(['car', 'car_time'])


@pytest.mark.parametrize(
    'folder', [OnePassResults, GOT10kResults, VOSResults, ResetResults, MultiStartResults]
)
@pytest.mark.parametrize('name', ['../a', '/a', '../..'])
def test_results_are_never_written_or_removed_elsewhere(tmp_path, folder, name):
    for action in (folder(tmp_path / 'T').discard, lambda name: folder(tmp_path / 'T').read(name)):
        with pytest.raises(ValueError, match='no plain name'):
            action(name)


def test_a_list_that_names_sequences_elsewhere_is_refused(tmp_path):
    (tmp_path / 'list.txt').write_text('../outside\n')
    with pytest.raises(ValueError, match='no plain name of a file below'):
        VOTDataset(tmp_path)


@pytest.mark.parametrize('text', ['[]', '5', 'null', '[' * 100_000, '{"a": '])
def test_a_claim_of_another_shape_is_named(tmp_path, text):
    (tmp_path / 'run.json').write_text(text)
    with pytest.raises(ResultError, match='run.json: cannot be read'):
        OnePassResults(tmp_path).claim({'a': 1})
