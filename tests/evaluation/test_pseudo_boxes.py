"""Success rates of pseudo boxes on cases whose answer can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.boxes.box_sources import track_of_row
from usot_plugin.datasets.samplers.frame_samplers import QualityFrames
from usot_plugin.discovery.table.format import TableInfo, part_bytes, track_columns
from usot_plugin.discovery.table.reading import PseudoBoxTable, read_table
from usot_plugin.evaluation.pseudo_boxes import (
    FRAME_SETS,
    PAPER,
    format_scores,
    score_sequence,
    total_scores,
)
from usot_plugin.structures import PseudoTrack

INFO = TableInfo({'frames': {'eval_gap': 3}})


def make_row(
    boxes: np.ndarray,
    picked: list[int],
    status: str = 'kept',
    samplable: bool = True,
    first_frame: int = 0,
    object_id: int = 0,
):
    length = len(boxes)
    at = np.zeros(length, bool)
    at[picked] = True
    track = PseudoTrack(
        object_id,
        first_frame,
        boxes.astype(np.float32),
        np.ones(length, bool),
        at,
        np.ones(length, np.float32),
        np.zeros(length, np.float32),
        np.full(length, first_frame, np.int32),
        np.full(length, first_frame + length - 1, np.int32),
        0.8,
        0.1,
    )
    head = {
        'clip': 'seq',
        'path': '/seq',
        'fingerprint': 'f',
        'width': 200,
        'height': 200,
        'fps': 25.0,
        'frame_count': 10,
    }
    reason = '' if status == 'kept' else 'corner share'
    return {
        **head,
        'status': status,
        'reason': reason,
        'detail': reason,
        'samplable': samplable,
        **track_columns(track),
    }


def table_of(folder, *rows) -> PseudoBoxTable:
    (folder / 'part.parquet').write_bytes(part_bytes(rows, INFO))
    return read_table(folder / 'part.parquet')


def boxes_with_iou(*values: float) -> np.ndarray:
    """Boxes inside the 100 x 100 box at the origin whose IoU with it is their area share."""
    return np.array([[0, 0, 100 * value, 100] for value in values])


TRUTH = np.tile([0.0, 0, 100, 100], (10, 1))


def test_rates_over_all_and_picked_frames(tmp_path):
    boxes = boxes_with_iou(1, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6)
    score = score_sequence('seq', table_of(tmp_path, make_row(boxes, [0, 1, 9, 3])).rows, TRUTH)
    assert score.success['all@0.3'] == pytest.approx(4 / 10) and score.success[
        'all@0.5'
    ] == pytest.approx(2 / 10)
    assert score.success['picked@0.3'] == pytest.approx(3 / 4) and score.success[
        'picked@0.5'
    ] == pytest.approx(2 / 4)
    assert score.mean_iou['picked'] == pytest.approx((1 + 0.4 + 0.6 + 0.2) / 4, abs=1e-6)
    assert (score.status, score.samplable, score.quality) == ('kept', True, pytest.approx(0.8))


def test_of_several_objects_the_one_counts_that_overlaps_most(tmp_path):
    rows = table_of(
        tmp_path, make_row(boxes_with_iou(1, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6), [0, 1])
    ).rows
    second = np.full((10, 4), np.nan)
    second[3] = [0, 0, 20, 100]  # equal to the box of frame 3
    first = TRUTH.copy()
    first[9] = np.nan  # no object at all there
    score = score_sequence('seq', rows, np.stack([first, second]))
    assert score.success['all@0.5'] == pytest.approx(2 / 9) and score.frames['all'] == 9
    assert score_sequence('seq', rows, first[None]) == score_sequence('seq', rows, first)


def test_an_iou_of_exactly_the_threshold_does_not_count(tmp_path):
    score = score_sequence(
        'seq', table_of(tmp_path, make_row(boxes_with_iou(*[0.5] * 10), [0])).rows, TRUTH
    )
    assert score.success['all@0.5'] == 0 and score.success['all@0.3'] == 1


def test_template_and_memory_frames_are_those_of_training(tmp_path):
    score = score_sequence(
        'seq', table_of(tmp_path, make_row(boxes_with_iou(*[0.4] * 10), [0])).rows, TRUTH, draws=50
    )
    assert score.frames['template'] == 50 and score.frames['memory'] == 50 * 4
    assert score.success['template@0.3'] == 1 and score.success['memory@0.5'] == 0


def test_the_interval_is_that_of_the_passage_not_of_the_drawn_frames(tmp_path):
    # Two passages, [0, 3] and [4, 11]: T_u - T_l is 3 or 7 whichever frames a group draws in them.
    row = make_row(boxes_with_iou(*[1] * 12), list(range(12)))
    row['frame_count'] = 12
    row['fragment_first'], row['fragment_last'] = [0] * 4 + [4] * 8, [3] * 4 + [11] * 8
    rows, truth = table_of(tmp_path, row).rows, np.tile(TRUTH[:1], (12, 1))
    sampler = QualityFrames(memory=1, extra_memory=0)
    random = np.random.default_rng([0, *b'seq'])
    track = track_of_row(rows[0])
    templates = [sampler.draw(track, random, 'cycle')['template'][0] for _ in range(200)]
    assert {frame < 4 for frame in templates} == {True, False}
    score = score_sequence('seq', rows, truth, sampler=sampler)
    assert score.interval == np.mean([3 if frame < 4 else 7 for frame in templates])


def test_frames_without_a_target_are_left_out(tmp_path):
    truth = TRUTH.copy()
    truth[5:] = np.nan
    boxes = boxes_with_iou(*[1] * 5, *[0.1] * 5)
    score = score_sequence('seq', table_of(tmp_path, make_row(boxes, list(range(10)))).rows, truth)
    assert score.frames['all'] == 5 and score.success['all@0.5'] == 1


def test_a_track_that_begins_later_is_compared_at_its_own_frames(tmp_path):
    truth = np.full((10, 4), np.nan)
    truth[6:] = TRUTH[6:]
    score = score_sequence(
        'seq',
        table_of(tmp_path, make_row(boxes_with_iou(0.1, 0.1, 1, 1), [3], first_frame=4)).rows,
        truth,
    )
    assert (
        score.frames['all'] == 2 and score.success['all@0.5'] == 1 and score.frames['picked'] == 1
    )


def test_dropped_and_unsamplable_tracks(tmp_path):
    dropped = score_sequence(
        'seq',
        table_of(tmp_path, make_row(boxes_with_iou(*[1] * 10), [0], 'dropped', False)).rows,
        TRUTH,
    )
    assert (
        dropped.status == 'dropped'
        and dropped.reason == 'corner share'
        and dropped.frames == dict.fromkeys(FRAME_SETS, 0)
    )
    assert np.isnan(dropped.success['all@0.3']) and np.isnan(dropped.interval)
    kept = score_sequence(
        'seq',
        table_of(tmp_path, make_row(boxes_with_iou(*[1] * 10), [0], 'kept', False)).rows,
        TRUTH,
    )
    assert (
        kept.success['all@0.3'] == 1
        and np.isnan(kept.success['template@0.3'])
        and not kept.samplable
    )


def test_draws_do_not_depend_on_the_other_sequences(tmp_path):
    rows = table_of(tmp_path, make_row(boxes_with_iou(*np.linspace(0.1, 1, 10)), [0])).rows
    first, second = (
        score_sequence('seq', rows, TRUTH, draws=20),
        score_sequence('seq', rows, TRUTH, draws=20),
    )
    assert first == second


def test_totals_count_each_sequence_alike(tmp_path):
    good = score_sequence(
        'good', table_of(tmp_path, make_row(boxes_with_iou(*[1] * 10), [0])).rows, TRUTH
    )
    bad = score_sequence(
        'bad',
        table_of(tmp_path, make_row(boxes_with_iou(*[0.1] * 10), [0], samplable=False)).rows,
        TRUTH,
    )
    gone = score_sequence(
        'gone',
        table_of(tmp_path, make_row(boxes_with_iou(*[1] * 10), [0], 'dropped', False)).rows,
        TRUTH,
    )
    total = total_scores([good, bad, gone])
    assert total['kept'] == pytest.approx(2 / 3) and total['samplable'] == pytest.approx(1 / 3)
    assert total['all@0.3'] == pytest.approx(1 / 2) and total['template@0.3'] == 1
    text = format_scores([good, bad, gone], total)
    assert (
        '63.2 / 64.4' in text
        and '45.5 / 42.1' in text
        and '50.8 / 56.3' in text
        and '41.1 / 64.6' in text
    )
    assert 'corner share' in text and 'nan' not in text


def test_paper_numbers_have_a_row():
    assert PAPER['template', 0.3] == (63.2, 64.4) and PAPER['samplable', None] == (50.8, 56.3)
