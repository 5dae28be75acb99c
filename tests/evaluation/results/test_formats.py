"""Result files of every community: what they look like, round trips, and what no format can
hold."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.evaluation.results.formats import (
    FORMATS,
    OnePassBoxes,
    convert,
    find_names,
    format_of,
    read_result,
    write_result,
)
from usot_plugin.evaluation.results.result_files import OnePassResults, ResultError
from usot_plugin.structures.trajectory import Trajectory

BOXES = np.array([[10.25, 20.5, 40.25, 60.5], [11.1234, 21, 41.5, 61.0625], [12, 22, 42, 62]])
SECONDS = np.array([0.5, 0.25, 0.125])
READABLE = [name for name, form in FORMATS.items() if not form.starts_with_code]


@pytest.fixture
def results(tmp_path):
    folder = OnePassResults(tmp_path / 'Tracker')
    for name in ('a', 'b_time'):  # a sequence may be called so
        folder.write(name, Trajectory(BOXES, np.ones(3), np.zeros(3, bool), SECONDS))
    folder.claim({'tracker': 'T'})
    return folder.path


def plugin():
    return format_of('plugin')


@pytest.mark.parametrize(
    ('name', 'origin', 'file', 'second_line'),
    [
        ('plugin', None, 'a.txt', '11.1234,21.0000,30.3766,40.0625'),
        ('otb', None, 'a.txt', '12.123,22.000,30.377,40.062'),
        ('got10k', None, 'a/a_001.txt', '11.123,21.000,30.377,40.062'),
        ('lasot', None, 'a.txt', '12.1234,22.0000,30.3766,40.0625'),
        ('trackingnet', None, 'a.txt', '11.123,21.000,30.377,40.062'),
        ('pysot', 1, 'a.txt', '12.1234,22.0000,30.3766,40.0625'),
        ('vot', None, 'unsupervised/a/a_001.txt', '11.1234,21.0000,30.3766,40.0625'),
    ],
)
def test_each_form(results, tmp_path, name, origin, file, second_line):
    assert convert(results, plugin(), tmp_path / 'out', format_of(name, origin)) == ['a', 'b_time']
    lines = (tmp_path / 'out' / file).read_text().splitlines()
    assert len(lines) == 3 and lines[1] == second_line
    assert (lines[0] == '1') == (name == 'vot')
    form = FORMATS[name]
    if form.time_file is not None:
        times = np.loadtxt(tmp_path / 'out' / form.time_file.format(name='a'))
        np.testing.assert_allclose(times, SECONDS)


def test_every_format_is_tried():
    assert set(FORMATS) == {'plugin', 'otb', 'got10k', 'lasot', 'trackingnet', 'pysot', 'vot'}


@pytest.mark.parametrize('name', READABLE)
@pytest.mark.parametrize('origin', [0, 1])
def test_round_trip(results, tmp_path, name, origin):
    form = format_of(name, origin)
    convert(results, plugin(), tmp_path / 'there', form)
    assert convert(tmp_path / 'there', form, tmp_path / 'back', plugin()) == ['a', 'b_time']
    back = OnePassResults(tmp_path / 'back').read('b_time')
    np.testing.assert_allclose(back.boxes_xyxy, BOXES, atol=1.1 * 10**-form.decimals)
    if form.time_file is not None:
        np.testing.assert_allclose(back.seconds, SECONDS)
    else:
        assert np.isnan(back.seconds).all()


def test_missing_boxes_are_refused_or_repeated(tmp_path):
    boxes = BOXES.copy()
    boxes[1] = np.nan
    source = tmp_path / 'source'
    write_result(source, 'a', OnePassBoxes(boxes), plugin())
    with pytest.raises(
        ResultError,
        match=r'a.txt: 1 boxes are missing, the first in line 2, which TrackingNet server does '
        r'not know',
    ):
        convert(source, plugin(), tmp_path / 'out', format_of('trackingnet'))
    assert not (tmp_path / 'out').exists()
    convert(source, plugin(), tmp_path / 'out', format_of('trackingnet'), repeat=True)
    back = read_result(tmp_path / 'out', 'a', format_of('trackingnet')).boxes_xyxy
    np.testing.assert_allclose(back, BOXES[[0, 0, 2]])
    convert(source, plugin(), tmp_path / 'same', plugin())
    assert np.isnan(read_result(tmp_path / 'same', 'a', plugin()).boxes_xyxy[1]).all()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('1,2,3,4\n1,2,3\n', 'a.txt: not a result file with 4 numbers'),
        ('1,2,3,4\n1,2,-3,4\n', 'a.txt: negative width or height in line 2'),
        ('1,2,3,4\n1,inf,3,4\n', 'a.txt: infinite number in line 2'),
        ('1,2,3,4\n1,nan,3,4\n', 'a.txt: box that is partly nan in line 2'),
    ],
)
def test_bad_results_are_named_and_nothing_is_written(results, tmp_path, text, message):
    (results / 'a.txt').write_text(text)
    (results / 'a_time.txt').unlink()
    with pytest.raises(ResultError, match=message):
        convert(results, plugin(), tmp_path / 'out', format_of('got10k'))
    assert not (tmp_path / 'out').exists()


def test_what_cannot_be_converted(results, tmp_path):
    out = tmp_path / 'out'
    with pytest.raises(
        ValueError, match="format 'pysot' counts pixels as the data set's annotation does"
    ):
        format_of('pysot')
    with pytest.raises(ValueError, match="unknown format 'got10', did you mean 'got10k'"):
        format_of('got10')
    convert(results, plugin(), out, format_of('vot'))
    with pytest.raises(ResultError, match='holds no box for the first frame'):
        convert(out, format_of('vot'), tmp_path / 'back', plugin())
    with pytest.raises(ResultError, match='out: is not an empty folder'):
        convert(results, plugin(), out, format_of('otb'))
    with pytest.raises(ResultError, match='holds no result in the format of GOT-10k server'):
        find_names(tmp_path / 'back', format_of('got10k'))


def test_repetitions_are_not_dropped_silently(results, tmp_path):
    convert(results, plugin(), tmp_path / 'out', format_of('got10k'))
    (tmp_path / 'out' / 'a' / 'a_002.txt').write_text(
        (tmp_path / 'out' / 'a' / 'a_001.txt').read_text()
    )
    with pytest.raises(ResultError, match=r'2 repetitions \(a_001.txt, a_002.txt\); one is wanted'):
        convert(tmp_path / 'out', format_of('got10k'), tmp_path / 'back', plugin())


@pytest.mark.parametrize(
    'data',
    [
        b'1 2 3 4\n5 6 7 8\n',
        b'\xef\xbb\xbf1,2,3,4\n5,6,7,8\n',
        '1,2,3,4\n5,6,7,8\n'.encode('utf-16'),
        b'1,2,3,4,\r\n5,6,7,8,\r\n',
        b'1;2;3;4\n5;6;7;8\n\n \n',
        b'1\t2\t3\t4\n5 ,6 ,7 ,8',
        b'1e0 , 2.0e+00, 3, .4E1\n+5, 6., 7, 8\n',
    ],
)
def test_files_of_other_programs_are_read_as_annotations_are(tmp_path, data):
    (tmp_path / 's.txt').write_bytes(data)
    found = read_result(tmp_path, 's', format_of('pysot', 0))
    np.testing.assert_allclose(found.boxes_xyxy, [[1, 2, 4, 6], [5, 6, 12, 14]])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            '1,2,3,4\n5,x,7,8\n',
            'not a result file with 4 numbers a line: not a number .* in line 2',
        ),
        ('1,2,3,4\n\n5,6,7,8\n', 'not a result file with 4 numbers a line: 0 in line 2'),
        ('1_0,2,3,4\n', 'not a result file with 4 numbers a line: not a number .* in line 1'),
    ],
)
def test_the_line_and_the_cause_are_named(tmp_path, text, message):
    (tmp_path / 's.txt').write_text(text)
    with pytest.raises(ResultError, match=f's.txt: {message}'):
        read_result(tmp_path, 's', format_of('pysot', 0))


def test_a_sequence_called_like_a_side_file_is_found_by_its_boxes(tmp_path):
    for name in ('car', 'car_time'):
        (tmp_path / f'{name}.txt').write_text('1,2,3,4\n5,6,7,8\n')
    (tmp_path / 'car_score.txt').write_text('1,0\n1,0\n')
    assert find_names(tmp_path, plugin()) == ['car', 'car_time']
    assert read_result(tmp_path, 'car', plugin()).seconds is None
    assert np.isnan(OnePassResults(tmp_path).read('car').seconds).all()


def test_names_that_patterns_would_read_otherwise(tmp_path):
    write_result(tmp_path, '[ab]', OnePassBoxes(BOXES, SECONDS), format_of('got10k'))
    write_result(tmp_path, 'a', OnePassBoxes(BOXES, SECONDS), format_of('got10k'))
    assert find_names(tmp_path, format_of('got10k')) == ['[ab]', 'a']
    np.testing.assert_allclose(read_result(tmp_path, '[ab]', format_of('got10k')).seconds, SECONDS)
