"""Scores read back for a comparison: the numbers of the metrics, plots, and mixed folders named."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from pytest import approx

from tests.evaluation.test_sot_metric import evaluate, sample
from usot_plugin.evaluation import SOTMetric
from usot_plugin.evaluation.reports.comparison import (
    attribute_measure,
    attribute_sizes,
    draw_plots,
    read_results,
    uneven,
    write_plots,
)
from usot_plugin.evaluation.results.result_files import ResultError


def one_pass(folder: Path, *parts: tuple[str, int, int]) -> Path:
    """The scores of a tracker that is called like its folder."""
    samples = [
        {**sample(*part), 'tracker': folder.name, 'attributes': ('OCC',) if part[0] == 'a' else ()}
        for part in parts
    ]
    evaluate(SOTMetric(report_dir=folder, about={'hardware': 'abacus'}), *samples)
    return folder


def test_one_pass_scores_come_back(tmp_path):
    one_pass(tmp_path / 'X', ('a', 2, 0), ('b', 1, 1))
    (scores,) = read_results([tmp_path])
    assert (scores.tracker, scores.dataset, scores.kind) == ('X', 'toy', 'one_pass')
    assert scores.rules == {'convention': 'pysot'} and scores.title == 'toy (convention pysot)'
    assert scores.total['auc'] == approx(75 * 20 / 21) and scores.total['fps'] == approx(10)
    assert scores.sequences['b']['precision_20px'] == 50 and list(scores.sequences) == ['a', 'b']
    assert scores.attributes['OCC']['auc'] == approx(2000 / 21) and scores.members == {
        'OCC': ('a',)
    }
    assert attribute_sizes([scores]) == {'OCC': 1} and attribute_measure([scores]) == 'auc'
    assert scores.about == {'hardware': 'abacus'} and scores.folder == tmp_path / 'X'
    assert len(scores.curves['success'].x) == 21


def test_trackers_of_one_name_are_told_apart(tmp_path):
    for run in ('one', 'two'):
        one_pass(tmp_path / run / 'X', ('a', 2, 0))
    assert [entry.tracker for entry in read_results([tmp_path / 'one', tmp_path / 'two'])] == [
        'one/X',
        'two/X',
    ]
    assert [
        entry.tracker for entry in read_results([tmp_path / 'one', tmp_path / 'one' / 'X'])
    ] == ['X']


def test_totals_over_other_sequences_are_named(tmp_path):
    one_pass(tmp_path / 'X', ('a', 2, 0), ('b', 1, 1))
    one_pass(tmp_path / 'Y', ('a', 2, 0))
    scores = read_results([tmp_path])
    assert uneven(scores) == 'Y lacks b' and uneven(scores[:1]) is None


def test_what_is_no_result_is_named(tmp_path):
    with pytest.raises(ResultError, match='nowhere: no such folder of results'):
        read_results([tmp_path / 'nowhere'])
    with pytest.raises(ResultError, match='no scores in it or in its folders'):
        read_results([tmp_path])
    folder = one_pass(tmp_path / 'X', ('a', 2, 0))
    folder.rename(tmp_path / 'Y')
    with pytest.raises(ResultError, match=r"report.json: holds scores of 'X' in the folder of 'Y'"):
        read_results([tmp_path])
    (tmp_path / 'Y' / 'report.json').write_text('{"tracker": 3')
    with pytest.raises(ResultError, match='report.json: is not a file of scores'):
        read_results([tmp_path])
    (tmp_path / 'Y' / 'report.json').write_text(json.dumps({'tracker': 'Y', 'mean': {}}))
    with pytest.raises(ResultError, match='is not a file of scores .KeyError'):
        read_results([tmp_path])


@pytest.mark.process
def test_plots_beside_the_results_have_all_trackers_of_the_same_sequences(tmp_path):
    for name, parts in (('X', [('a', 2, 0)]), ('Y', [('a', 1, 1)]), ('Z', [('b', 1, 1)])):
        one_pass(tmp_path / name, *parts)
    (tmp_path / 'Broken').mkdir()
    (tmp_path / 'Broken' / 'report.json').write_text('{')
    alone = draw_plots(read_results([tmp_path / 'X']))
    paths = write_plots(tmp_path / 'X')
    assert [path.name for path in paths] == [
        'success.png',
        'precision.png',
        'norm_precision.png',
        'attributes.png',
    ]
    for path in paths[:3]:
        image = cv2.imread(str(path))
        assert image.shape == (576, 768, 3) and image.std() > 5
        assert path.read_bytes() != alone[path.stem]  # Y is in it, too
    assert (
        paths[0].read_bytes()
        == draw_plots(read_results([tmp_path / 'X', tmp_path / 'Y']))['success']
    )
