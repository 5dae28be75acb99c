"""The record of scores: its file, its tables, the table of measures, and the files of the release
before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.evaluation.reports.comparison import draw_plots, groups_of
from usot_plugin.evaluation.reports.measures import CURVES, MEASURES, legend
from usot_plugin.evaluation.reports.scores import ScoreCurve, Scores, read_scores
from usot_plugin.evaluation.results.result_files import ResultError

FORMER = Path(__file__).parent / 'former'
NAN = float('nan')
SCORES = Scores(
    'T',
    'toy',
    'vot_reset',
    ('frames', 'accuracy', 'failures_per_100', 'fps'),
    {'a': {'frames': 5, 'accuracy': 1 / 3, 'fps': NAN}, 'all': {'frames': 4, 'accuracy': NAN}},
    {'all': {'frames': 9, 'accuracy': 0.2, 'failures_per_100': 1.5, 'reliability': 0.7}},
    {'style': 'pysot'},
    {'blur': {'frames': 3, 'accuracy': 0.25}},
    {'blur': ('a',)},
    {'eao': ScoreCurve(np.array([1.0, 2]), np.array([NAN, 0.123456]))},
    {'config': 'c.py'},
)


def test_scores_come_back_as_they_were_written(tmp_path):
    paths = SCORES.write(tmp_path)
    assert [path.name for path in paths] == ['report.json', 'report.md']
    back = read_scores(paths[0])
    assert back.as_dict() | {'sequences': 0} == SCORES.as_dict() | {'sequences': 0}
    assert back.sequences == {'a': {'frames': 5, 'accuracy': 1 / 3}, 'all': {'frames': 4}}
    assert back.folder == tmp_path and back.main == 'accuracy' and back.total['reliability'] == 0.7
    assert np.array_equal(back.curves['eao'].y, [NAN, 0.123456], equal_nan=True)
    assert 'NaN' not in paths[0].read_text()


def test_tables():
    text = SCORES.as_text().splitlines()
    assert text[0].split() == ['sequence', 'frames', 'A', 'R', 'fps']
    assert text[2].split() == ['a', '5', '0.333', '-', '-']
    assert text[3].split()[:3] == ['all', '(sequence)', '4']  # not taken for the total
    assert text[5].split() == ['all', '9', '0.200', '1.500', '-']
    assert text[-1].split() == ['blur', '3', '0.250']
    page = SCORES.as_markdown()
    assert '- style: pysot' in page and '- config: c.py' in page and '| blur | 3 | 0.250 |' in page
    assert 'failures in 100 frames, lower is better' in page and 'without any attribute' in page


@pytest.mark.parametrize('name', ['one_pass', 'vot_reset', 'vot_multistart', 'got10k'])
def test_files_of_the_release_before_are_read(name, tmp_path):
    content = json.loads((FORMER / f'{name}.json').read_text())
    file = tmp_path / ('got10k.json' if name == 'got10k' else 'report.json')
    file.write_text(json.dumps(content))
    former = read_scores(file)
    assert former.kind == name and set(former.measures) <= MEASURES.keys()
    former.write(tmp_path / 'now')
    now = read_scores(tmp_path / 'now' / 'report.json')
    assert now.as_dict() == former.as_dict() and len(groups_of([former, now])) == 1
    assert set(draw_plots([now])) >= set(now.curves)
    if name == 'one_pass':
        assert now.total['auc'] == 100 * content['mean']['auc'] and now.total[
            'fps'
        ] == pytest.approx(10)
        assert now.members == {'OCC': ('a', 'b'), 'FM': ('a',)} and now.rules == {
            'convention': 'pysot'
        }
        assert now.curves['success'].y.tolist() == content['mean']['curves']['success']
    elif name == 'got10k':
        assert list(now.totals) == ['mean of sequences', 'all frames'] and list(now.sequences) == [
            'S1',
            'S2',
        ]
        assert now.total['ao'] == content['scores']['all frames']['AO']
    else:
        assert list(now.sequences) == ['a', 'b'] and now.rules['EAO window'] == '5..20'
        assert (
            now.total['eao'] == content['sequences']['all']['EAO'] and 'protocol' not in now.about
        )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'format': 2}, 'has format 2 of scores; this release reads 1'),
        ({'totals': {}}, 'no total or no measure'),
        ({'tracker': 3}, 'tracker is 3'),
        ({'sequences': {'a': {'auc': 'high'}}}, "auc of a is 'high'"),
        ({'sequences': {'a': [1]}}, 'is not a file of scores'),
        ({'curves': {'eao': {'x': [1, 2], 'y': [1]}}}, 'a curve of'),
        ({'rules': None}, 'is not a file of scores'),
    ],
)
def test_damaged_files_are_one_line_with_the_file(change, message, tmp_path):
    (tmp_path / 'report.json').write_text(json.dumps(SCORES.as_dict() | change))
    with pytest.raises(ResultError, match=message) as caught:
        read_scores(tmp_path / 'report.json')
    assert str(caught.value).startswith(f'{tmp_path / "report.json"}: ')


@pytest.mark.parametrize('text', ['', '[1]', '3', '{"a": 1}', '[' * 100_000, '\x00\xff'])
def test_foreign_files_are_refused(text, tmp_path):
    (tmp_path / 'report.json').write_text(text, encoding='latin-1')
    with pytest.raises(ResultError, match='report.json: is not a file of scores'):
        read_scores(tmp_path / 'report.json')


def test_every_curve_has_its_measure_and_every_measure_its_words():
    assert {axes.measure for axes in CURVES.values()} <= MEASURES.keys()
    for name, measure in MEASURES.items():
        assert measure.head and (measure.meaning or measure.better == 0), name
    assert legend(['ao', 'fps'], 'got10k').count('.') >= 3 and legend([]) == ''
