"""Annotated sequences and the folder of them: every way in which a file can be wrong has its own
line."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark, write_sequence
from usot_plugin.datasets.benchmarks import (
    AnnotatedSequence,
    AnnotationError,
    SequenceFolderDataset,
    parse_boxes_xywh,
    parse_labels,
)
from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import ArrayClip, ClipError
from usot_plugin.testing.media import moving_square_frames


@pytest.fixture
def root(tmp_path):
    return write_benchmark(tmp_path)


def test_reads_boxes_and_frames(root):
    dataset = DATASETS.build(dict(type='SequenceFolderDataset', data_root=str(root)))
    assert dataset.names == ['a', 'b', 'c'] and len(dataset) == 3
    sequence = dataset[0]
    images, boxes = moving_square_frames(6, seed=0)
    assert sequence.name == sequence.clip.name == 'a'
    np.testing.assert_allclose(sequence.boxes_xyxy, boxes, atol=1e-4)
    np.testing.assert_array_equal(sequence.clip.read(3), images[3])
    assert dataset[1].present.tolist() == [True, True, False, True, True, True, True]
    assert dataset.metainfo == {'convention': 'got10k', 'dataset_name': root.name}


@pytest.mark.parametrize('separator', [',', ' ', '\t', ', ', '; '])
def test_separators(tmp_path, separator):
    (tmp_path / 'g.txt').write_text(
        separator.join(['1', '2.5', '3', '4']) + '\n' + separator.join(['nan'] * 4) + '\n\n'
    )
    boxes = parse_boxes_xywh(tmp_path / 'g.txt')
    assert boxes[0].tolist() == [1, 2.5, 4, 6.5] and np.isnan(boxes[1]).all()


def test_origin_round_trip(tmp_path):
    images, boxes = moving_square_frames(4)
    write_sequence(tmp_path / 'matlab' / 's', images, boxes, origin=1)
    write_sequence(tmp_path / 'c' / 's', images, boxes, origin=0)
    matlab, c = (
        SequenceFolderDataset(tmp_path / 'matlab', origin=1),
        SequenceFolderDataset(tmp_path / 'c'),
    )
    np.testing.assert_allclose(matlab[0].boxes_xyxy, c[0].boxes_xyxy, atol=1e-9)
    with pytest.raises(ValueError, match='origin is 0 or 1'):
        SequenceFolderDataset(tmp_path / 'c', origin=2)[0]


def test_absence_file_and_empty_boxes(root):
    (root / 'a' / 'absence.label').write_text('0\n0\n1\n0\n0\n0\n')
    assert SequenceFolderDataset(root)[0].present.tolist() == [True, True, False, True, True, True]
    (root / 'a' / 'groundtruth.txt').write_text('1,1,9,9\n' + '0,0,0,0\n' * 5)
    assert SequenceFolderDataset(root)[0].present.tolist() == [True] + 5 * [False]


def test_labels_in_one_line(tmp_path):
    (tmp_path / 'x').write_text('0,1,1')
    assert parse_labels(tmp_path / 'x').tolist() == [False, True, True]
    (tmp_path / 'x').write_text('0,2')
    with pytest.raises(AnnotationError, match='a label is 0 or 1, got 2 as value 2'):
        parse_labels(tmp_path / 'x')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'groundtruth.txt: the file is empty'),
        ('1,2,3\n', 'line 1: a box is x, y, w, h, got 3 numbers'),
        ('1,2,3,4\n1,2,3,4,5,6,7,8\n', 'line 2: a box is x, y, w, h, got 8 numbers'),
        ('1,2,3,4\n\n1,2,3,4\n', 'line 2: a box is x, y, w, h, got 0 numbers'),
        ('1,2,3,4\n1,2,x,4\n', 'line 2: not a number'),
        ('1,2,3,4\n1,2,-3,4\n', 'line 2: negative or infinite width or height'),
        ('1,2,3,inf\n', 'line 1: negative or infinite'),
        ('1,2,nan,4\n', 'line 1: the box is partly nan'),
        ('nan,nan,nan,nan\n' + '1,2,3,4\n' * 5, 'line 1: the first frame has no box to start from'),
        ('1,2,3,4\n' * 5, '5 boxes for 6 frames in'),
    ],
)
def test_wrong_annotations_name_file_and_cause(root, text, message):
    (root / 'a' / 'groundtruth.txt').write_text(text)
    with pytest.raises(AnnotationError) as caught:
        SequenceFolderDataset(root)[0]
    assert str(caught.value).startswith(str(root / 'a' / 'groundtruth.txt')) and message in str(
        caught.value
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_not_text(root):
    (root / 'a' / 'groundtruth.txt').write_bytes(b'\x80\x00\x81')
    with pytest.raises(AnnotationError, match='not a text file'):
        SequenceFolderDataset(root)[0]


def test_missing_frame_is_named(root):
    (root / 'a' / 'img' / '00003.png').unlink()
    with pytest.raises(AnnotationError, match=r'6 boxes for 5 frames .*\(frame 00003 is missing\)'):
        SequenceFolderDataset(root).full_init()


def test_missing_files_are_named(root):
    (root / 'a' / 'absence.label').write_text('0\n')
    with pytest.raises(AnnotationError, match='absence.label: 1 labels for 6 boxes'):
        SequenceFolderDataset(root)[0]
    (root / 'b' / 'groundtruth.txt').unlink()
    with pytest.raises(AnnotationError, match='groundtruth.txt: cannot be read'):
        SequenceFolderDataset(root)[1]
    for file in (root / 'c' / 'img').iterdir():
        file.unlink()
    with pytest.raises(ClipError, match='no image in this folder'):
        SequenceFolderDataset(root)[2]


def test_wanted_sequences(root):
    assert SequenceFolderDataset(root, ['c', 'a']).names == ['c', 'a']
    with pytest.raises(ValueError, match="no sequence 'aa', did you mean 'a'"):
        SequenceFolderDataset(root, ['aa'])


def test_roots_without_sequences(tmp_path):
    with pytest.raises(ValueError, match='no sequence here'):
        SequenceFolderDataset(tmp_path)
    with pytest.raises(ValueError, match='cannot list the sequences'):
        SequenceFolderDataset(tmp_path / 'nowhere')


def test_images_beside_the_annotation(tmp_path):
    images, boxes = moving_square_frames(4)
    folder = write_sequence(tmp_path / 's', images, boxes)
    for file in (folder / 'img').iterdir():
        file.rename(folder / file.name)
    assert len(SequenceFolderDataset(tmp_path, frames='.')[0]) == 4


@pytest.mark.parametrize(
    ('boxes', 'message'),
    [
        (np.ones((3, 4)), '3 boxes for 4 frames'),
        (np.full((4, 4), np.nan), 'no box to start from'),
        (np.ones((4, 5)), r'\(T, 4\)'),
    ],
)
def test_a_sequence_checks_itself(boxes, message):
    with pytest.raises(ValueError, match=message):
        AnnotatedSequence('s', ArrayClip(moving_square_frames(4)[0]), boxes)
