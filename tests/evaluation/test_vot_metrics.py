"""The metrics of VOT's protocols in MMEngine's evaluator, from tracking to the report."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from pytest import approx

from tests.evaluation.vot_sequences import make_sequence
from usot_plugin.evaluation import ResultError, run_sequences
from usot_plugin.evaluation.metrics import VOTMultiStartMetric, VOTResetMetric
from usot_plugin.evaluation.protocols import OPE, VOTMultiStart, VOTReset
from usot_plugin.evaluation.running.run_config import prepare_metrics
from usot_plugin.registry import METRICS
from usot_plugin.tracking import StandStill
from usot_plugin.tracking.known_answers.oracle import FailAt, NoisyOracle, Oracle


def evaluate(metric, protocol, tracker, sequences, path):
    """Track into files, score the files."""
    folder = protocol.result_folder(path / type(tracker).__name__)
    run_sequences(tracker, protocol, sequences, folder)
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = {'dataset_name': 'toy'}
    evaluator.process(
        data_samples=[folder.finished_sample(sequence) for sequence in sequences], data_batch=[]
    )
    return evaluator.evaluate(len(sequences))


def anchored(frames, name, seed=0):
    anchors = np.zeros(frames, int)
    anchors[[0, frames // 2]], anchors[-1] = 1, -1
    return make_sequence(frames, name, seed, anchors=anchors)


def test_metrics_are_registered_under_their_names():
    assert METRICS.build(dict(type='VOTResetMetric', eao_low=100, eao_high=356)).style == 'pysot'
    assert METRICS.build(dict(type='VOTMultiStartMetric')).overlap == 'toolkit'


@pytest.mark.parametrize('style', ['pysot', 'toolkit'])
@pytest.mark.parametrize('overlap', ['pysot', 'toolkit', 'exact'])
def test_oracle_is_perfect_under_resets(tmp_path, style, overlap):
    sequences = [make_sequence(30, 'a'), make_sequence(25, 'b', seed=1)]
    result = evaluate(
        VOTResetMetric(5, 20, style, overlap), VOTReset(), Oracle(), sequences, tmp_path
    )
    assert [result[f'vot/{name}'] for name in ('eao', 'accuracy', 'reliability')] == approx(
        [1, 1, 1], abs=1e-4
    )
    assert (
        result['vot/robustness']
        == result['vot/failures']
        == result['vot/failures_per_sequence']
        == 0
    )
    assert result['vot/fps'] > 0


def test_tracker_that_fails_at_a_known_frame(tmp_path):
    # Starts at 0, 14 and 28; eight updates are right, the ninth fails.
    result = evaluate(
        VOTResetMetric(5, 20), VOTReset(), FailAt(9), [make_sequence(40, 'a')], tmp_path
    )
    assert result['vot/failures'] == 3
    assert result['vot/robustness'] == approx(100 * 3 / 40)
    assert np.isnan(
        result['vot/accuracy']
    )  # every run ends within the ten frames that do not count
    assert result['vot/eao'] == approx(np.mean([min(8 / n, 1) for n in range(4, 20)]), abs=1e-4)


@pytest.mark.parametrize(
    'options',
    [dict(type='VOTResetMetric', eao_low=1, eao_high=2), dict(type='VOTMultiStartMetric')],
)
def test_test_tool_hands_over_the_folder_of_the_report(tmp_path, options):
    cfg = Config(dict(test_evaluator=options))
    prepare_metrics(cfg, tmp_path, {'config': 'c.py'})
    metric = METRICS.build(cfg.test_evaluator[0])
    assert (metric.report_dir, metric.about) == (tmp_path, {'config': 'c.py'})


def test_default_overlap_is_the_styles_own():
    assert [VOTResetMetric(1, 2, style).overlap for style in ('pysot', 'toolkit')] == [
        'pysot',
        'toolkit',
    ]
    assert VOTResetMetric(1, 2, 'pysot', 'exact').overlap == 'exact'


def test_pysot_bounds_the_eao_one_pixel_tighter(tmp_path):
    # The box hangs over the right border: 44..64 of 64 pixels, predicted 4 px to the left.
    sequence = make_sequence(30, 'a')
    sequence.boxes_xyxy[:] = [44, 10, 64, 26]
    folder = VOTReset().result_folder(tmp_path / 'T')
    run_sequences(StandStill(), VOTReset(), [sequence], folder)
    text = folder.run_file('a', 1).read_text().splitlines()
    folder.run_file('a', 1).write_text('\n'.join(['1', *29 * ['40,10,20,16']]) + '\n')
    assert len(text) == 30
    metric = VOTResetMetric(5, 20)
    run = metric.scored(folder.finished_sample(sequence))['runs'][0]
    # Pixels of both: columns 44..60 of 40..64 with the outer bounds, of 40..63 with the inner ones.
    assert run.overlaps[1] == approx(17 / 25)
    assert run.eao_overlaps[1] == approx(17 / 24)


def test_attribute_table(tmp_path):
    flags = {'occlusion': np.arange(30) < 15, 'camera_motion': np.zeros(30, bool)}
    metric = VOTResetMetric(5, 20, report_dir=tmp_path / 'report')
    sequences = [make_sequence(30, 'a', frame_attributes=flags), make_sequence(30, 'b')]
    evaluate(metric, VOTReset(), Oracle(), sequences, tmp_path)
    rows = json.loads((tmp_path / 'report' / 'report.json').read_text())['attributes']
    assert rows['occlusion'] == {
        'sequences': 1,
        'frames': 15,
        'accuracy': approx(1),
        'failures': 0,
        'eao': approx(1, abs=1e-4),
    }
    assert rows['camera_motion'] == {
        'sequences': 0,
        'frames': 0,
        'accuracy': None,
        'failures': 0,
        'eao': None,
    }
    assert rows['none']['frames'] == 45


def test_reset_report(tmp_path):
    metric = VOTResetMetric(5, 20, report_dir=tmp_path / 'report', about={'config': 'c.py'})
    result = evaluate(
        metric,
        VOTReset(),
        NoisyOracle(0.05),
        [make_sequence(30, 'a'), make_sequence(25, 'b')],
        tmp_path,
    )
    report = json.loads((tmp_path / 'report' / 'report.json').read_text())
    assert report['totals']['all']['eao'] == approx(result['vot/eao'])
    assert report['rules'] == {'style': 'pysot', 'overlap': 'pysot', 'EAO window': '5..20'}
    assert report['about'] == {'config': 'c.py'}
    curve = report['curves']['eao']['y']
    assert len(curve) == 30 and np.mean(curve[4:20]) == approx(result['vot/eao'], abs=1e-5)
    assert report['sequences']['a']['runs'] == 15 and list(report['sequences']) == ['a', 'b']
    text = (tmp_path / 'report' / 'report.md').read_text()
    assert (
        '# NoisyOracle on toy' in text
        and '- EAO window: 5..20' in text
        and '| all | 55 | 30 |' in text
    )


def test_oracle_is_perfect_from_anchors(tmp_path):
    sequences = [anchored(40, 'a'), anchored(30, 'b', seed=1)]
    metric = VOTMultiStartMetric(5, 20, report_dir=tmp_path / 'report')
    result = evaluate(metric, VOTMultiStart(), Oracle(), sequences, tmp_path)
    assert result['vot/robustness'] == 1
    # The start of each of the six runs counts as a frame with overlap 0, as the official toolkit
    # has it.
    lengths = [40, 20, 40, 30, 15, 30]
    assert result['vot/accuracy'] == approx((sum(lengths) - 6) / sum(lengths), abs=1e-4)
    assert result['vot/eao'] == approx(1, abs=1e-4)
    report = json.loads((tmp_path / 'report' / 'report.json').read_text())
    assert report['sequences']['a']['runs'] == 3 and len(report['curves']['eao']['y']) == 20


def test_failure_from_anchors(tmp_path):
    result = evaluate(
        VOTMultiStartMetric(5, 20), VOTMultiStart(), FailAt(12), [anchored(40, 'a')], tmp_path
    )
    # Runs of 40, 20 and 40 frames, the second with eight misses only, which are no failure.
    assert result['vot/robustness'] == approx((12 + 20 + 12) / 100)
    assert result['vot/accuracy'] == approx(3 * 11 / 44, abs=1e-4)


def test_reset_results_of_stand_still_have_overlaps_below_one(tmp_path):
    result = evaluate(
        VOTResetMetric(5, 20), VOTReset(), StandStill(), [make_sequence(30, 'a')], tmp_path
    )
    assert 0.2 < result['vot/accuracy'] < 0.95 and 0.2 < result['vot/eao'] < 0.95


def test_results_of_another_protocol_or_tracker_are_refused(tmp_path):
    sequence = anchored(20, 'a')
    samples = {}
    for protocol in (OPE(), VOTReset(), VOTMultiStart()):
        folder = protocol.result_folder(tmp_path / protocol.name)
        run_sequences(StandStill(), protocol, [sequence], folder)
        samples[protocol.name] = folder.finished_sample(sequence)
    with pytest.raises(
        ValueError, match='a: VOTResetMetric scores results of vot_reset, got others'
    ):
        VOTResetMetric(1, 2).process([], [samples['ope']])
    with pytest.raises(
        ValueError, match='a: VOTMultiStartMetric scores results of vot_multistart, got vot_reset'
    ):
        VOTMultiStartMetric().process([], [samples['vot_reset']])
    metric = VOTResetMetric(1, 2)
    metric.process([], [samples['vot_reset'], {**samples['vot_reset'], 'tracker': 'Other'}])
    with pytest.raises(
        ValueError, match='results of 2 trackers in one evaluation: Other, vot_reset'
    ):
        metric.evaluate(2)


def test_result_that_does_not_fit_its_sequence_is_named(tmp_path):
    sequence = anchored(20, 'a')
    folder = VOTReset().result_folder(tmp_path / 'T')
    run_sequences(StandStill(), VOTReset(), [sequence], folder)
    with pytest.raises(ValueError, match='a: 20 predicted regions for 19 annotated'):
        VOTResetMetric(1, 2).process(
            [],
            [{**folder.sample(sequence), 'annotated': folder.sample(sequence)['annotated'][:-1]}],
        )
    with pytest.raises(ValueError, match='a: no run from the anchor at frame 10'):
        sample = {**folder.sample(sequence), 'protocol': 'vot_multistart'}
        VOTMultiStartMetric().process([], [{**sample, 'runs': {0: sample['runs'][1]}}])
    with pytest.raises(ResultError, match='walk: is not a finished result'):
        folder.finished_sample(make_sequence(20))


def test_nothing_to_score():
    with pytest.raises(ValueError, match='VOTResetMetric has no sequence to score'):
        VOTResetMetric(1, 2).compute_metrics([])


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: VOTResetMetric(5, 2), 'needs 1 <= low <= high'),
        (lambda: VOTResetMetric(1, 2, style='pysott'), "did you mean 'pysot'"),
        (lambda: VOTResetMetric(1, 2, overlap='raster'), "unknown overlap 'raster'; known are"),
        (lambda: VOTMultiStartMetric(9, 9), 'needs 1 <= eao_low < eao_high'),
    ],
)
def test_impossible_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
