"""The metric of MMEngine's evaluator, its report and its plots."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from pytest import approx

from usot_plugin.evaluation import SOTMetric

BOX = np.array([10.0, 10, 30, 30])


def sample(name: str, hits: int, misses: int, seconds: float = 0.1) -> dict:
    annotated = np.tile(BOX, (hits + misses, 1))
    predicted = annotated.copy()
    predicted[hits:] += 500
    return {
        'name': name,
        'tracker': 'T',
        'boxes_xyxy': predicted,
        'annotated_xyxy': annotated,
        'seconds': np.full(hits + misses, seconds),
    }


def evaluate(metric: SOTMetric, *samples: dict) -> dict:
    metric.dataset_meta = {'dataset_name': 'toy', 'convention': 'pysot'}
    metric.process([], samples)
    return metric.evaluate(len(samples))


def test_numbers_and_names():
    result = evaluate(SOTMetric(), sample('a', 2, 0), sample('b', 1, 1))
    assert set(result) == {
        'sot/success',
        'sot/precision',
        'sot/norm_precision',
        'sot/norm_precision_auc',
        'sot/fps',
    }
    assert result['sot/success'] == approx(75 * 20 / 21)
    assert (
        result['sot/precision']
        == result['sot/norm_precision']
        == result['sot/norm_precision_auc']
        == approx(75)
    )
    assert result['sot/fps'] == approx(10)


def test_speed_is_all_frames_over_all_seconds():
    # 2 updates of 0.1 s and 1 of 0.4 s.
    assert evaluate(SOTMetric(), sample('a', 3, 0), sample('b', 2, 0, 0.4))['sot/fps'] == approx(
        3 / 0.6
    )


def test_convention_comes_from_the_data_unless_asked_for():
    absent = sample('a', 1, 1)
    absent['annotated_xyxy'][1] = np.nan
    assert evaluate(SOTMetric(), absent)['sot/precision'] == approx(50)
    assert evaluate(SOTMetric(convention='got10k'), absent)['sot/precision'] == approx(100)


def test_evaluator_accepts_it():
    evaluator = Evaluator([SOTMetric()])
    evaluator.dataset_meta = {'dataset_name': 'toy'}
    evaluator.process(data_samples=[sample('a', 4, 0)], data_batch=[None])
    assert evaluator.evaluate(1)['sot/precision'] == approx(100)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(metrics='EAO'), "'EAO' is not known"),
        (dict(convention='pysott'), "did you mean 'pysot'"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SOTMetric(**options)


def test_sequence_without_frames_is_named():
    empty = sample('a', 1, 0)
    empty['annotated_xyxy'][:] = np.nan
    with pytest.raises(ValueError, match='a: no frame to score'):
        evaluate(SOTMetric(convention='got10k'), empty)


def test_report_files_and_plots(tmp_path):
    metric = SOTMetric(report_dir=tmp_path / 'T', about={'config': 'c.py'})
    evaluate(metric, sample('a', 2, 0), sample('b', 1, 1))
    report = json.loads((tmp_path / 'T' / 'report.json').read_text())
    assert report['totals']['mean']['auc'] == approx(75 * 20 / 21)
    assert report['sequences']['b']['precision_20px'] == 50
    curve = report['curves']['success']
    assert len(curve['x']) == len(curve['y']) == len(curve['sequences']['a']) == 21
    text = (tmp_path / 'T' / 'report.md').read_text()
    assert (
        '| a | 95.2 | 100.0 | 100.0 | 100.0 | 10.0 |' in text
        and '- config: c.py' in text
        and '- convention: pysot' in text
    )


def test_unmeasured_time_is_no_number(tmp_path):
    metric = SOTMetric(report_dir=tmp_path)
    evaluate(metric, sample('a', 2, 0, float('nan')))
    assert '| a | 95.2 | 100.0 | 100.0 | 100.0 | - |' in (tmp_path / 'report.md').read_text()
    assert json.loads((tmp_path / 'report.json').read_text())['sequences']['a']['seconds'] is None


def test_attributes_of_sequences_and_of_frames(tmp_path):
    first, second, third = sample('a', 4, 0), sample('b', 2, 2), sample('c', 0, 4)
    first['attributes'], second['attributes'] = ('OCC', 'FM'), ('OCC',)
    second['frame_attributes'] = {'blur': np.array([0, 1, 1, 1], bool)}
    third['frame_attributes'] = {'blur': np.array([0, 0, 0, 1], bool), 'cut': np.zeros(4, bool)}
    metric = SOTMetric(report_dir=tmp_path)
    evaluate(metric, first, second, third)
    report = json.loads((tmp_path / 'report.json').read_text())
    rows = report['attributes']
    assert list(rows) == ['OCC', 'FM', 'blur (frames)']  # no frame has a cut
    assert rows['OCC']['precision_20px'] == approx(75) and rows['OCC']['sequences'] == 2
    assert rows['FM']['precision_20px'] == 100 and rows['FM']['auc'] == approx(2000 / 21)
    assert rows['blur (frames)']['precision_20px'] == approx(100 * (1 / 3 + 0) / 2)
    assert rows['blur (frames)']['frames'] == 4 and rows['blur (frames)']['sequences'] == 2
    assert report['members'] == {'OCC': ['a', 'b'], 'FM': ['a'], 'blur (frames)': ['b', 'c']}
    assert '| OCC | 2 | - | 71.4 | 75.0 |' in (tmp_path / 'report.md').read_text()


def test_frames_of_an_attribute_without_target_do_not_count():
    absent = sample('a', 2, 2)
    absent['annotated_xyxy'][2:] = np.nan
    absent['frame_attributes'] = {'out': np.array([0, 1, 1, 1], bool)}
    metric = SOTMetric()
    evaluate(metric, absent)
    assert metric.report is not None
    assert (
        metric.report.attributes['out (frames)']['precision_20px'] == 100
    )  # the convention of the data counts them as misses


def test_results_of_another_protocol_are_refused():
    with pytest.raises(ValueError, match='a: no result of the protocol OPE'):
        evaluate(SOTMetric(), {'name': 'a', 'tracker': 'T'})
