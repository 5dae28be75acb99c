"""Re-labelling of whole tables by a tracker that knows where things are, and errs where it is told
to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from usot_plugin.apis import init_tracker
from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.frames.store_building import build_crop_store
from usot_plugin.datasets.pseudo_box_dataset import PseudoBoxDataset
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.table.format import TableError
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.self_training.passes import Start, frames_backward, there_and_back
from usot_plugin.self_training.relabel import relabel_table, track_passes
from usot_plugin.self_training.relabelling import RelabelConfig
from usot_plugin.structures import ArrayClip, open_clip
from usot_plugin.structures.boxes import iou
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.tracking import Tracker
from usot_plugin.utils.worker_pool import LostJob

REPO = Path(__file__).parents[2]
COUNT = 36
CONFIG = RelabelConfig(
    step_frames=2, anchor_gap_frames=20, horizon_frames=24, min_fragment_frames=4, old_weight=0.0
)
DISCOVERY = DiscoveryConfig().to_dict()


class Knowing(Tracker):
    """Finds the white-framed square of :func:`moving_square_frames`; off by ``slip_px`` after a
    frame whose number ``slips`` accepts.

    Its state holds the offset of each target, so what it says depends on the way it came.
    """

    def __init__(
        self, slip_at: int | None = None, slip_px: float = 0.0, loses_at: int | None = None
    ) -> None:
        self.slip_at, self.slip_px, self.loses_at = slip_at, slip_px, loses_at
        self.batches: list[int] = []

    def init(self, frames, boxes_xyxy):
        return [0.0 for _ in np.atleast_2d(boxes_xyxy)]

    def update(self, frames, state):
        number, box = int(frames[0, 0, 0]), square_in(frames)
        self.batches.append(len(state))
        state = [offset + self.slip_px if number == self.slip_at else offset for offset in state]
        lost = np.full(len(state), number == self.loses_at)
        return Prediction(
            np.stack([box + offset for offset in state]), np.full(len(state), 0.8), lost
        ), state


def square_in(frame: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero((frame[2:] == 255).all(-1))
    return np.array([columns.min(), rows.min() + 2, columns.max() + 1, rows.max() + 3], float)


def numbered_frames(seed: int = 0, count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    """Frames that carry their number in the first pixel, in which only the square's border is
    white."""
    frames, boxes = moving_square_frames(count, (160, 120), side_px=30, step_px=2, seed=seed)
    for number, (frame, box) in enumerate(zip(frames, boxes.astype(int), strict=True)):
        inner = frame[box[1] + 1 : box[3] - 1, box[0] + 1 : box[2] - 1]
        inner[:] = np.minimum(inner, 250)
        frame[0, 0] = number
    return frames, boxes


def rough_track(boxes: np.ndarray, **columns):
    """What discovery might have found: the right place, the wrong size."""
    return pseudo_track(
        boxes + [-4, -2, 6, 6], frame_quality=np.full(len(boxes), 0.7, np.float32), **columns
    )


@pytest.fixture
def place(tmp_path):
    """A table of two kept clips, one that was dropped and one that was skipped."""
    for index, name in enumerate(['a', 'b']):
        frames, boxes = numbered_frames(index)
        write_frames(tmp_path / 'clips' / name, frames)
        write_table_part(
            tmp_path / 'table',
            name,
            tmp_path / 'clips' / name,
            rough_track(boxes),
            config=DISCOVERY,
        )
    write_table_part(
        tmp_path / 'table',
        'c',
        'gone',
        rough_track(boxes),
        samplable=False,
        status='dropped',
        config=DISCOVERY,
    )
    write_table_part(tmp_path / 'table', 'd', 'gone', None, config=DISCOVERY)
    return tmp_path


def relabel(place, tracker=None, out='new', **options):
    return relabel_table(
        place / 'table',
        place / out,
        tracker or Knowing(),
        {'model': 'knowing'},
        CONFIG,
        quiet=True,
        **options,
    )


def test_frames_come_in_reverse_whatever_fits_in_memory(monkeypatch):
    monkeypatch.setattr('usot_plugin.self_training.passes.REVERSED_AT_ONCE', 7)
    clip = ArrayClip(numbered_frames()[0])
    seen = [(index, int(frame[0, 0, 0])) for index, frame in frames_backward(clip, 3, 33, 4)]
    assert seen == [(index, index) for index in range(32, 3, -4)]


def test_there_and_back_of_many_starts_is_that_of_each_alone():
    frames, boxes = numbered_frames()
    clip, tracker = ArrayClip(frames), Knowing(slip_at=20, slip_px=9)
    starts = [
        Start(0, boxes[0], 30),
        Start(10, boxes[10], 30),
        Start(30, boxes[30], 8),
        Start(16, boxes[16], 0),
    ]
    together = there_and_back(tracker, clip, starts, 2)
    assert max(tracker.batches) >= 3
    for start, one in zip(starts, together, strict=True):
        (alone,) = there_and_back(tracker, clip, [start], 2)
        assert one.start == start.frame and one.frames[-1] == start.until
        for name in ('frames', 'boxes_xyxy', 'scores', 'agreement'):
            assert np.array_equal(getattr(one, name), getattr(alone, name))


def test_agreement_is_the_overlap_of_the_two_ways():
    frames, boxes = numbered_frames()
    (one,) = there_and_back(
        Knowing(slip_at=20, slip_px=6), ArrayClip(frames), [Start(10, boxes[10], 30)], 2
    )
    # Slipped at 20 on the way there and once more on the way back, which begins where the way there
    # ended.
    assert one.boxes_xyxy[0] == pytest.approx(boxes[10] + 6)  # what the way back says
    assert one.boxes_xyxy[(one.frames > 10) & (one.frames < 20)] == pytest.approx(boxes[12:20:2])
    assert one.boxes_xyxy[one.frames >= 20] == pytest.approx(boxes[20:31:2] + 6)
    back = np.where(np.arange(10, 31, 2)[:, None] <= 20, boxes[10:31:2] + 6, boxes[10:31:2])
    there = np.concatenate([boxes[10][None], one.boxes_xyxy[1:]])
    expected = iou(there, back)
    expected[-1] = expected[-2]
    assert one.agreement == pytest.approx(expected)


def test_a_way_that_ends_early_has_no_agreement_beyond():
    frames, boxes = numbered_frames()
    (one,) = there_and_back(Knowing(loses_at=20), ArrayClip(frames), [Start(10, boxes[10], 30)], 2)
    assert one.frames.tolist() == list(range(10, 31, 2))
    assert (one.agreement > 0.99).tolist() == [True] * 5 + [False] * 6
    assert np.isnan(one.boxes_xyxy[5:]).all()
    (nothing,) = there_and_back(
        Knowing(loses_at=12), ArrayClip(frames), [Start(10, boxes[10], 30)], 2
    )
    assert not nothing.agreement.any()


def test_a_table_gets_the_boxes_of_the_tracker(place):
    tally = relabel(place)
    assert (tally.done, tally.tracks, tally.failed) == (4, 2, 0)
    old, new = read_table(place / 'table'), read_table(place / 'new')
    assert [row.clip for row in new.rows] == ['a', 'b', 'c', 'd']
    for index in (0, 1):
        truth = numbered_frames(index)[1]
        assert new[index].status == 'kept' and new[index].samplable
        before, after = (
            iou(table[index].track.boxes_xyxy.astype(float), truth) for table in (old, new)
        )
        assert np.nanmean(after) > 0.95 > 0.7 > before.mean()
        assert np.isfinite(after).mean() > 0.9
    for index in (2, 3):
        assert (new[index].status, new[index].reason, new[index].path) == (
            old[index].status,
            old[index].reason,
            'gone',
        )
    assert np.array_equal(new[2].track.boxes_xyxy, old[2].track.boxes_xyxy)
    assert read_table(place / 'new.parquet').kept()[0].track.boxes_xyxy.shape == (COUNT, 4)


def test_the_table_says_who_labelled_it(place):
    relabel(place)
    info = read_table(place / 'new').info
    assert info.config == DISCOVERY
    assert [one['round'] for one in info.rounds] == [1]
    assert info.rounds[0]['model'] == 'knowing' and info.rounds[0]['relabel']['step_frames'] == 2
    relabel_table(place / 'new', place / 'newer', Knowing(), {'model': 'next'}, CONFIG, quiet=True)
    assert [(one['round'], one['model']) for one in read_table(place / 'newer').info.rounds] == [
        (1, 'knowing'),
        (2, 'next'),
    ]


def test_a_second_run_does_nothing_and_a_stopped_one_goes_on(place):
    relabel(place)
    states = {file: file.stat().st_mtime_ns for file in place.glob('new*/*.parquet')}
    tracker = Knowing()
    assert relabel(place, tracker).earlier == 4 and not tracker.batches
    whole = read_table(place / 'new.parquet')
    lost = next(file for file in (place / 'new').glob('a-*.parquet'))
    lost.unlink()
    assert relabel(place).earlier == 3
    assert {file for file, state in states.items() if file.stat().st_mtime_ns != state} == {lost}
    again = read_table(place / 'new.parquet')
    assert np.array_equal(again[0].track.boxes_xyxy, whole[0].track.boxes_xyxy, equal_nan=True)


@pytest.mark.process
def test_workers_give_the_same_table(place):
    relabel(place)
    relabel(place, out='by_workers', workers=1)
    files = [sorted((place / name).glob('*.parquet')) for name in ('new', 'by_workers')]
    assert [file.name for file in files[0]] == [file.name for file in files[1]]
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_other_tables_are_not_overwritten(place):
    with pytest.raises(TableError, match='not re-labelled != re-labelled by knowing'):
        relabel(place, out='table')
    relabel(place)
    with pytest.raises(TableError, match='re-labelled by knowing .* != re-labelled by other'):
        relabel_table(place / 'table', place / 'new', Knowing(), {'model': 'other'}, CONFIG)
    relabel_table(
        place / 'table',
        place / 'new',
        Knowing(),
        {'model': 'other'},
        CONFIG,
        overwrite=True,
        quiet=True,
    )
    assert read_table(place / 'new').info.rounds[0]['model'] == 'other'


def test_a_clip_without_agreement_is_dropped_with_its_reason(place):
    tally = relabel(place, Knowing(loses_at=2))  # beyond the first grid frames everything is fine
    assert tally.tracks == 2
    hopeless = type(
        'Hopeless', (Knowing,), {'update': lambda self, frames, state: (_lost(len(state)), state)}
    )()
    relabel(place, hopeless, out='none')
    row = read_table(place / 'none')[0]
    assert (row.status, row.reason, row.samplable) == ('dropped', 'no agreement', False)
    assert 'knowing' in row.detail
    assert np.array_equal(
        row.track.boxes_xyxy, read_table(place / 'table')[0].track.boxes_xyxy
    )  # to be looked at


def _lost(count: int) -> Prediction:
    return Prediction(np.tile([0.0, 0, 10, 10], (count, 1)), np.zeros(count), np.ones(count, bool))


def test_a_clip_that_is_gone_costs_only_itself_and_is_tried_again(place):
    (place / 'clips/a').rename(place / 'clips/away')
    tally = relabel(place)
    assert (tally.failed, tally.tracks) == (1, 1)
    row = read_table(place / 'new')[0]
    assert (row.status, row.reason) == ('dropped', 'unreadable') and 'clips/a' in row.detail
    (place / 'clips/away').rename(place / 'clips/a')
    assert relabel(place).tracks == 2
    assert [row.status for row in read_table(place / 'new').rows][:2] == ['kept', 'kept']


def test_a_clip_whose_worker_is_lost_is_dropped_and_tried_again(place, monkeypatch):
    def lose_a(function, jobs, workers, prepare, prepare_args, timeout_s):
        prepare(*prepare_args)
        for name, arguments in jobs:
            yield name, LostJob('died with SIGKILL') if name == 'a' else function(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr('usot_plugin.self_training.relabel.run_jobs', lose_a)
        tally = relabel(place, workers=1)
    assert (tally.failed, tally.tracks) == (1, 1)
    row = read_table(place / 'new')[0]
    assert (row.status, row.reason) == ('dropped', 'decoder crashed')
    assert row.detail.endswith('clips/a: the worker process that read it died with SIGKILL')
    assert relabel(place).failed == 0


@pytest.mark.process
def test_training_reads_the_new_table(place):
    relabel(place)
    new = place / 'new'
    report = build_crop_store(DiscoveredBoxes(new), place / 'crops', workers=0)
    valid = [
        np.isfinite(row.track.boxes_xyxy[:, 0]).sum() for row in read_table(new).samplable().rows
    ]
    assert (report.clips, report.images) == (2, sum(valid))
    dataset = PseudoBoxDataset(
        table=new, crop_store=place / 'crops', samples_per_epoch=4, stage='cycle'
    )
    for index in range(4):
        group = dataset[index]
        assert set(group['views']) == {'template', 'search', 'memory'}
    assert PseudoBoxDataset(table=new)[0]['clip'] in ('a', 'b')  # from the videos


FAMILIES = ['usot_quick', 'udt_quick', 's2siamfc_quick', 'cyclesiam_quick', 'pul_quick']


@pytest.mark.process
@pytest.mark.parametrize('family', FAMILIES)
def test_trackers_of_every_family_make_passes(family):
    frames, boxes = numbered_frames(count=9)
    tracker = init_tracker(REPO / f'configs/quick/{family}.py', 'none', 'cpu')
    config = RelabelConfig(step_frames=2, anchor_gap_frames=5, horizon_frames=4)
    (passes,) = track_passes(tracker, ArrayClip(frames), [rough_track(boxes)], config)
    assert len(passes) >= 2
    for one in passes:
        assert len(one.frames) == len(one.boxes_xyxy) == len(one.scores) == len(one.agreement) > 1
        assert ((one.agreement >= 0) & (one.agreement <= 1)).all()


def test_frames_of_a_clip_are_those_of_its_file(tmp_path):
    frames, _ = numbered_frames()
    clip = open_clip(write_frames(tmp_path / 'clip', frames))
    assert [index for index, _ in frames_backward(clip, 0, COUNT - 1, 3)] == list(range(33, -1, -3))
