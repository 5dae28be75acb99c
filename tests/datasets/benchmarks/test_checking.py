"""Looking for what is broken finds everything in a sequence, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from usot_plugin.datasets.benchmarks import (
    DAVISDataset,
    LaSOTDataset,
    OTB100Dataset,
    SequenceFolderDataset,
    VOTDataset,
)
from usot_plugin.datasets.benchmarks.checking import check_sequence, count_problem
from usot_plugin.testing.benchmarks import write_davis, write_lasot, write_otb, write_vot


@pytest.fixture
def lasot(tmp_path):
    return LaSOTDataset(tmp_path, sequences=list(write_lasot(tmp_path)))


def test_a_whole_sequence(lasot):
    found = check_sequence(lasot, 'airplane-1', decode=True)
    assert (found.frames, found.problems, found.notes) == (8, [], [])


def test_all_problems_of_a_sequence_are_found(lasot):
    folder = lasot.data_root / 'airplane/airplane-1'
    for number in (2, 5):
        (folder / f'img/{number:08d}.jpg').unlink()
    (folder / 'groundtruth.txt').write_text('1,1,-9,9\n' * 8)
    (folder / 'out_of_view.txt').unlink()
    (folder / 'full_occlusion.txt').write_text('0,0,2')
    (lasot.data_root / 'att/airplane-1.txt').unlink()
    problems = check_sequence(lasot, 'airplane-1').problems
    words = [
        'img: 2 of the frames 1 to 8 are missing: 2, 5',
        'groundtruth.txt, line 1: negative',
        'airplane-1.txt: cannot be read',
    ]
    words += ['full_occlusion.txt: a label is 0 or 1', 'out_of_view.txt: cannot be read']
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True)), problems
    assert not check_sequence(lasot, 'bear-2').problems


def test_a_missing_sequence_is_one_problem(tmp_path):
    write_otb(tmp_path, ['Deer'])
    found = check_sequence(OTB100Dataset(tmp_path), 'Basketball')
    assert len(found.problems) == 1 and found.problems[0].endswith(
        'Basketball/img: the sequence is missing'
    )


def test_every_broken_image_is_named(lasot):
    images = lasot.data_root / 'airplane/airplane-1/img'
    (images / '00000003.jpg').write_bytes(b'x')
    (images / '00000006.jpg').write_bytes(b'')
    assert not check_sequence(lasot, 'airplane-1').problems
    problems = check_sequence(lasot, 'airplane-1', decode=True).problems
    assert [problem.split(':')[0].rpartition('/')[2] for problem in problems] == [
        '00000003.jpg, frame 2',
        '00000006.jpg, frame 5',
    ]


def test_boxes_outside_the_image(tmp_path):
    written = write_vot(tmp_path, ['bag'], frames=4)
    (tmp_path / 'bag/groundtruth.txt').write_text('5,5,9,9\n-3,5,9,9\n64,5,9,9\n5,-20,9,9\n')
    found = check_sequence(VOTDataset(tmp_path, sequences=list(written)), 'bag')
    assert found.problems == ['2 boxes lie outside the image of 64x48: index 2, 3']
    assert found.notes == ['1 boxes lie partly outside the image of 64x48: index 1']


def test_masks(tmp_path):
    dataset = DAVISDataset(tmp_path, sequences=list(write_davis(tmp_path)))
    masks = tmp_path / 'Annotations/480p/blackswan'
    (masks / '00001.png').unlink()
    (masks / '00004.png').write_bytes(b'x')
    problems = check_sequence(dataset, 'blackswan').problems
    assert (
        '1 of 6 masks are missing: 1' in problems[0]
        and '00004.png: not an image' in problems[1]
        and len(problems) == 2
    )


def test_other_data_sets_are_loaded(tmp_path):
    dataset = SequenceFolderDataset(write_benchmark(tmp_path))
    assert not check_sequence(dataset, 'a', decode=True).problems
    (tmp_path / 'a/groundtruth.txt').write_text('1,2,3\n')
    assert '3 numbers' in check_sequence(dataset, 'a').problems[0]


def test_number_of_sequences(tmp_path, lasot):
    write_vot(tmp_path)
    assert count_problem(VOTDataset(tmp_path)) == '2 sequences, 60 are published'
    assert count_problem(lasot) is None


def test_absent_boxes_are_not_outside(lasot):
    file = lasot.data_root / 'bear/bear-2/groundtruth.txt'
    np.savetxt(file, [[5, 5, 9, 9], *[[0, 0, 0, 0]] * 7], fmt='%d', delimiter=',')
    assert not check_sequence(lasot, 'bear-2').problems


@pytest.mark.parametrize(
    ('line', 'problem'),
    [
        (
            '0.15,0.2,0.3,0.25',
            'no tracker starts from the box of index 0: 0.15,0.2,0.3,0.25 is less than 1 px wide '
            'or high',
        ),
        (
            '0,0,6400,4800',
            'no tracker starts from the box of index 0: 0,0,6400,4800 is more than 2 times the',
        ),
        ('1000,1000,20,15', '6 boxes lie outside the image'),
    ],
)
def test_a_first_box_that_no_tracker_accepts(tmp_path, line, problem):
    write_benchmark(tmp_path, ('a',))
    (tmp_path / 'a/groundtruth.txt').write_text(f'{line}\n' * 6)
    (found,) = check_sequence(SequenceFolderDataset(tmp_path), 'a').problems
    assert found.startswith(problem)
