"""GOT-10k: measures against the toolkit's own numbers, result files, resume, and the metric."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from pytest import approx

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.evaluation import run_sequences
from usot_plugin.evaluation.functional.average_overlap import (
    OverlapScore,
    bounded_overlaps,
    score_overlaps,
)
from usot_plugin.evaluation.functional.one_pass import score_one_pass
from usot_plugin.evaluation.metrics import GOT10kMetric
from usot_plugin.evaluation.protocols import GOT10k
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.structures.boxes import xywh_to_xyxy
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import FailAt, NoisyOracle, Oracle

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / 'tests' / 'golden' / 'got10k' / 'toolkit.npz'
SIZE_WH = (320, 240)


@pytest.fixture(scope='module')
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as archive:
        return dict(archive)


def names(golden) -> list[str]:
    return [key.removeprefix('gt/') for key in golden if key.startswith('gt/')]


def ours(golden, name, origin) -> OverlapScore:
    shift = [origin, origin, 0, 0]
    gt = xywh_to_xyxy(golden[f'gt/{name}'] - shift)
    gt[golden[f'cover/{name}'] == 0] = np.nan
    return score_overlaps(
        [xywh_to_xyxy(boxes - shift) for boxes in golden[f'results/{name}']], gt, SIZE_WH, origin
    )


@pytest.mark.parametrize('origin', [0, 1])
def test_scores_of_the_toolkit(golden, origin):
    scores = {name: ours(golden, name, origin) for name in names(golden)}
    assert len(scores) == 10 and any(name.startswith('Staple') for name in scores)
    for name, score in scores.items():
        assert [score.average_overlap, score.success_rate(0.5)] == approx(
            golden[f'got10k/{name}'], abs=1e-6
        )
    pooled = OverlapScore(np.concatenate([score.overlaps for score in scores.values()]))
    values = [pooled.average_overlap, pooled.success_rate(0.5), pooled.success_rate(0.75)]
    assert values == approx(golden['got10k/overall'], abs=1e-6)


def test_one_pass_curves_of_the_toolkit(golden):
    for name in names(golden):
        score = score_one_pass(
            *(
                xywh_to_xyxy(boxes)
                for boxes in (golden[f'results/{name}'][0], golden[f'gt/{name}'])
            ),
            'got10k',
        )
        np.testing.assert_allclose(score.success, golden[f'success/{name}'], atol=1e-6)
        np.testing.assert_allclose(score.precision, golden[f'precision/{name}'], atol=1e-6)


def test_the_toolkit_still_gives_these_numbers(golden):
    pytest.importorskip('got10k')
    spec = importlib.util.spec_from_file_location(
        'toolkit_scores', ROOT / 'tools' / 'analysis' / 'got10k_toolkit_scores.py'
    )
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    sequences = {
        name: {kind: golden[f'{kind}/{name}'] for kind in ('gt', 'results', 'cover')}
        for name in names(golden)
    }
    for key, values in tool.toolkit_scores(sequences).items():
        np.testing.assert_allclose(values, golden[key], atol=1e-9)


def test_boxes_are_bounded_by_the_image():
    boxes = np.array([[-10.0, 20, 30, 60], [90, 90, 200, 200], [10, 10, 30, 30]])
    inside = np.array(
        [[0.0, 20, 40, 60], [90, 90, 100, 100], [10, 10, 30, 30]]
    )  # the first is moved in, as the toolkit does
    np.testing.assert_allclose(bounded_overlaps(boxes, inside, (100, 100)), 1)
    nowhere = np.array([[np.nan] * 4, [-50, -50, -10, -10], [30, 30, 10, 10]])
    np.testing.assert_allclose(bounded_overlaps(nowhere, inside, (100, 100)), 0)


def test_the_first_frame_and_absent_frames_do_not_count():
    annotated = np.tile([10.0, 10, 30, 30], (4, 1))
    predicted = annotated.copy()
    predicted[[0, 2]] = [50, 50, 60, 60]
    annotated[2] = np.nan
    assert score_overlaps([predicted], annotated, (100, 100)).overlaps.tolist() == [1, 1]
    predicted[3] = np.nan
    assert score_overlaps([predicted], annotated, (100, 100)).overlaps.tolist() == [1, 0]


@pytest.mark.parametrize(
    ('predicted', 'annotated', 'message'),
    [
        ([np.ones((3, 4))], np.ones((4, 4)), 'the same T'),
        ([], np.ones((4, 4)), 'no repetition'),
        ([np.ones((2, 4))], np.array([[0, 0, 1, 1], [np.nan] * 4]), 'only it can score'),
    ],
)
def test_bad_input_is_refused(predicted, annotated, message):
    with pytest.raises(ValueError, match=message):
        score_overlaps(predicted, annotated, (100, 100))


@pytest.fixture
def sequence() -> AnnotatedSequence:
    frames, boxes = moving_square_frames(9)
    boxes[4] = np.nan
    return AnnotatedSequence('GOT_1', ArrayClip(frames), boxes)


def test_files_are_the_communitys(tmp_path, sequence):
    protocol = GOT10k()
    folder = protocol.result_folder(tmp_path / 'Oracle')
    run_sequences(Oracle(), protocol, [sequence], folder)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*.txt')) == [
        'Oracle/GOT_1/GOT_1_001.txt',
        'Oracle/GOT_1/GOT_1_time.txt',
    ]
    left, top, right, bottom = sequence.boxes_xyxy[0]
    first = (tmp_path / 'Oracle/GOT_1/GOT_1_001.txt').read_text().splitlines()[0]
    assert first == f'{left:.3f},{top:.3f},{right - left:.3f},{bottom - top:.3f}'
    assert len((tmp_path / 'Oracle/GOT_1/GOT_1_time.txt').read_text().splitlines()) == 9
    (back,) = folder.read('GOT_1')
    np.testing.assert_allclose(
        back.boxes_xyxy[sequence.present], sequence.boxes_xyxy[sequence.present], atol=1.1e-3
    )
    assert folder.unfinished_reason(sequence) is None


def test_a_stochastic_tracker_runs_three_times_and_each_repetition_counts(tmp_path, sequence):
    protocol = GOT10k()
    folder = protocol.result_folder(tmp_path)
    run_sequences(NoisyOracle(0.1), protocol, [sequence], folder)
    assert len(list((tmp_path / 'GOT_1').glob('GOT_1_00?.txt'))) == 3
    one, two, three = folder.read('GOT_1')
    assert not np.allclose(one.boxes_xyxy[1:], two.boxes_xyxy[1:]) and not np.allclose(
        two.boxes_xyxy[1:], three.boxes_xyxy[1:]
    )
    assert (
        len(
            score_overlaps(
                [one.boxes_xyxy, two.boxes_xyxy, three.boxes_xyxy], sequence.boxes_xyxy, (96, 72)
            ).overlaps
        )
        == 3 * 7
    )
    run_sequences(Oracle(), protocol, [sequence], folder)
    assert len(list((tmp_path / 'GOT_1').glob('GOT_1_00?.txt'))) == 3, 'it was finished'
    folder.discard('GOT_1')
    run_sequences(Oracle(), protocol, [sequence], folder)
    assert len(list((tmp_path / 'GOT_1').iterdir())) == 2


def damage_missing(folder):
    (folder / 'GOT_1_002.txt').unlink()


def damage_short(folder):
    file = folder / 'GOT_1_001.txt'
    file.write_text(''.join(file.read_text().splitlines(keepends=True)[:-1]))


def damage_half_a_line(folder):
    file = folder / 'GOT_1_003.txt'
    file.write_text(file.read_text()[:-9])


def damage_times(folder):
    (folder / 'GOT_1_time.txt').write_text('0.1,0.1,0.1\n')


def damage_start(folder):
    file = folder / 'GOT_1_002.txt'
    file.write_text(
        '1.000,1.000,5.000,5.000\n' + ''.join(file.read_text().splitlines(keepends=True)[1:])
    )


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [
        (damage_missing, 'GOT_1_002.txt: no such'),
        (damage_short, 'GOT_1_time.txt: 9 lines beside 8'),
        (damage_half_a_line, 'GOT_1_003.txt: not a result file'),
        (damage_times, 'GOT_1_time.txt: 1 lines beside 9'),
        (damage_start, 'GOT_1_002.txt: it starts from another box'),
    ],
)
def test_half_written_results_are_not_finished_and_are_made_again(
    tmp_path, sequence, damage, reason
):
    protocol = GOT10k()
    folder = protocol.result_folder(tmp_path)
    run_sequences(NoisyOracle(0.1), protocol, [sequence], folder)
    damage(tmp_path / 'GOT_1')
    assert reason in folder.unfinished_reason(sequence)
    with pytest.raises(ResultError, match='is not a finished result'):
        folder.finished_sample(sequence)
    seen = {}
    run_sequences(NoisyOracle(0.1), protocol, [sequence], folder, on_done=seen.__setitem__)
    assert seen['GOT_1'] and folder.unfinished_reason(sequence) is None


def test_results_of_another_toolkit_need_no_times(tmp_path, sequence):
    folder = GOT10k().result_folder(tmp_path)
    run_sequences(Oracle(), GOT10k(), [sequence], folder)
    (tmp_path / 'GOT_1' / 'GOT_1_time.txt').unlink()
    assert folder.unfinished_reason(sequence) is None
    assert np.isnan(folder.sample(sequence)['seconds']).all()


def test_one_based_files(tmp_path, sequence):
    folder = GOT10k(origin=1).result_folder(tmp_path)
    run_sequences(Oracle(), GOT10k(origin=1), [sequence], folder)
    x, y, *_ = (
        float(value)
        for value in (tmp_path / 'GOT_1' / 'GOT_1_001.txt').read_text().splitlines()[0].split(',')
    )
    np.testing.assert_allclose([x, y], sequence.boxes_xyxy[0, :2] + 1)
    assert folder.unfinished_reason(sequence) is None


def test_nothing_is_there(tmp_path, sequence):
    assert 'no such result file' in GOT10k().result_folder(tmp_path).unfinished_reason(sequence)


def evaluated(tmp_path, trackers, sequences) -> tuple[GOT10kMetric, dict[str, float]]:
    metric = GOT10kMetric(report_dir=tmp_path / 'report')
    metric.dataset_meta = {'dataset_name': 'tiny'}
    for tracker, sequence in zip(trackers, sequences, strict=True):
        folder = GOT10k().result_folder(tmp_path / 'T')
        run_sequences(tracker, GOT10k(), [sequence], folder)
        metric.process(None, [folder.finished_sample(sequence)])
    return metric, metric.evaluate(len(sequences))


def test_metric_pools_frames_and_averages_sequences(tmp_path):
    clips = [moving_square_frames(count) for count in (11, 21)]
    sequences = [
        AnnotatedSequence(f'S{i}', ArrayClip(frames), boxes)
        for i, (frames, boxes) in enumerate(clips)
    ]
    metric, scores = evaluated(tmp_path, [Oracle(), FailAt(6)], sequences)
    # 10 of 10 frames, and 5 of 20
    assert scores['got10k/ao'] == approx(50)
    assert scores['got10k/sr_50'] == approx(50) and scores['got10k/ao_sequences'] == scores[
        'got10k/sr_75_sequences'
    ] == approx(62.5)
    assert scores['got10k/fps'] > 0
    assert 'all frames' in metric.report.as_text() and 'S1' in metric.report.as_markdown()
    assert {file.name for file in (tmp_path / 'report').iterdir()} == {'got10k.json', 'got10k.md'}


def test_metric_names_what_it_cannot_score(sequence):
    metric = GOT10kMetric()
    with pytest.raises(ValueError, match='GOT_1: no result of the protocol GOT10k'):
        metric.process(None, [{'name': 'GOT_1', 'boxes_xyxy': sequence.boxes_xyxy}])
    hidden = np.full((9, 4), np.nan)
    sample = {
        'name': 'GOT_1',
        'tracker': 'T',
        'repetitions_xyxy': [hidden],
        'annotated_xyxy': hidden,
        'size_wh': (96, 72),
        'origin': 1,
    }
    with pytest.raises(ValueError, match='GOT_1: no frame after the first is annotated'):
        metric.process(None, [sample])
    with pytest.raises(ValueError, match='no sequence to score'):
        metric.compute_metrics([])


@pytest.mark.parametrize('options', [{'repetitions': 0}, {'origin': 2}])
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        GOT10k(**options)
