"""The lists that are data of the package say what the benchmarks' owners publish."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from usot_plugin.datasets.benchmarks import sequence_lists
from usot_plugin.datasets.benchmarks.sequence_lists import read_list

OTB = {row[0]: row for row in read_list('otb')}
OTB_ATTRIBUTES = {'IV', 'OPR', 'SV', 'OCC', 'DEF', 'MB', 'FM', 'IPR', 'OV', 'BC', 'LR'}
GOLDEN = Path(__file__).parents[2] / 'golden/otb/otb_toolkit_extract.npz'


@pytest.mark.parametrize(('subset', 'count'), [('otb100', 100), ('otb50', 50), ('otb2013', 51)])
def test_targets_of_otb(subset, count):
    assert sum(subset in row[4].split(',') for row in OTB.values()) == count


@pytest.mark.parametrize(
    ('name', 'first', 'last', 'skip'),
    [
        ('David', 300, 770, 0),
        ('BlurCar1', 247, 988, 0),
        ('BlurCar3', 3, 359, 0),
        ('BlurCar4', 18, 397, 0),
        ('Football1', 1, 74, 0),
        ('Freeman3', 1, 460, 0),
        ('Freeman4', 1, 283, 0),
        ('Diving', 1, 215, 0),
        ('Tiger1', 1, 354, 5),
        ('Human4.2', 1, 667, 0),
        ('Jogging.2', 1, 307, 0),
    ],
)
def test_ranges_of_otb(name, first, last, skip):
    assert tuple(int(value) for value in OTB[name][1:4]) == (first, last, skip)


def test_attributes_of_otb():
    assert {tag for row in OTB.values() for tag in row[5].split(',')} == OTB_ATTRIBUTES
    assert OTB['Matrix'][5].split(',') == ['IV', 'SV', 'OCC', 'FM', 'IPR', 'OPR', 'BC']
    assert OTB['Jogging.1'][5] == OTB['Jogging.2'][5]


def _assert_lengths_are_those_of(file: Path) -> None:
    with np.load(file) as golden:
        names = [key.removeprefix('gt/') for key in golden.files if key.startswith('gt/')]
        lengths = {name.replace('-', '.'): len(golden[f'gt/{name}']) for name in names}
    assert lengths
    for name, length in lengths.items():
        first, last, skip = (int(value) for value in OTB[name][1:4])
        assert last - first + 1 - skip == length, name


def test_lengths_of_otb_are_those_of_the_toolkits_annotation():
    _assert_lengths_are_those_of(GOLDEN)


@pytest.mark.shared_data
def test_all_lengths_of_otb_are_those_of_the_toolkits_annotation(shared_dir):
    _assert_lengths_are_those_of(shared_dir / 'golden/otb/otb100_toolkit.npz')


@pytest.mark.parametrize(('subset', 'frames'), [('otb100', 59040), ('otb2013', 29491)])
def test_published_size_of_otb(subset, frames):
    rows = [row for row in OTB.values() if subset in row[4].split(',')]
    assert sum(int(last) - int(first) + 1 for _, first, last, *_ in rows) == frames


@pytest.mark.parametrize(
    ('name', 'sequences', 'frames'), [('uav123', 123, 112578), ('uav20l', 20, 58670)]
)
def test_published_size_of_uav123(name, sequences, frames):
    rows = read_list(name)
    assert len(rows) == sequences
    assert sum(int(last) - int(first) + 1 for _, _, first, last in rows) == frames


def test_parts_of_uav123_lie_in_one_folder():
    rows = {row[0]: row[1:] for row in read_list('uav123')}
    assert rows['bird1_2'] == ('bird1', '775', '1477') and rows['car1_s'] == ('car1_s', '1', '1475')


def test_lasot():
    rows = read_list('lasot')
    assert len(rows) == 70 and all(len(row) == 5 for row in rows)
    assert all(1 <= int(number) <= 20 for row in rows for number in row[1:])
    assert len(read_list('lasot_extension')) == 15


@pytest.mark.parametrize(('name', 'count'), [('nfs', 100), ('tcolor128', 129)])
def test_names_alone(name, count):
    assert len({row[0] for row in read_list(name)}) == count


def test_every_list_belongs_to_the_package():
    folder = Path(sequence_lists.__file__).parent / 'lists'
    for path in folder.glob('*.txt'):
        names = [row[0] for row in read_list(path.stem)]
        assert len(names) == len(set(names)), path.name
