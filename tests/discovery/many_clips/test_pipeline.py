"""Runs over many clips: nothing is lost, nothing is done twice, and one bad clip costs exactly
itself."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import re
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest

from usot_plugin.discovery.config import DiscoveryConfig, FramesConfig, QualityConfig
from usot_plugin.discovery.many_clips import one_clip
from usot_plugin.discovery.many_clips.local_engine import WorkerStartError, run_local
from usot_plugin.discovery.many_clips.one_clip import (
    ClipResult,
    ClipTask,
    discover_clip,
    guarded,
    lost,
)
from usot_plugin.discovery.many_clips.pipeline import (
    RunOptions,
    TableWriteError,
    clips_of_shard,
    discover_clips,
    parse_shard,
)
from usot_plugin.discovery.many_clips.progress import Progress
from usot_plugin.discovery.table.format import TableError
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.utils.worker_pool import LostJob, how_it_died

CONFIG = DiscoveryConfig(flow=dict(type='FarnebackFlow', levels=2))


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp('clips')
    found = {}
    for index in range(4):
        frames, _ = moving_square_frames(24, (80, 64), side_px=18, seed=index)
        found[f'clip_{index}'] = write_frames(root / f'clip_{index}', frames, '{:03d}.jpg')
    found['still'] = write_frames(root / 'still', np.repeat(frames[:1], 12, 0), '{:03d}.jpg')
    found['short'] = write_frames(root / 'short', frames[:2], '{:03d}.jpg')
    found['broken'] = root / 'broken.mp4'
    found['broken'].write_text('no video')
    return found


@pytest.fixture
def poisoned(monkeypatch, tmp_path):
    """A module on the path whose flow estimator kills its process, or raises, on frames of a
    certain size."""
    (tmp_path / 'poison_flow.py').write_text(
        'import os, signal, time\n'
        'from usot_plugin.discovery.flow import FarnebackFlow\n'
        'from usot_plugin.registry import TASK_UTILS\n'
        '@TASK_UTILS.register_module(force=True)\n'
        'class PoisonFlow(FarnebackFlow):\n'
        '    def __init__(self, deed):\n'
        '        super().__init__(levels=2)\n'
        '        self.deed = deed\n'
        '    def flow(self, frame0, frame1, before=None):\n'
        '        if frame0.shape == (48, 112):\n'
        "            deeds = {'abort': os.abort, 'hang': lambda: time.sleep(3600), 'stop': "
        'lambda: os.kill(os.getpid(), signal.SIGSTOP)}\n'
        "            deeds[self.deed]() if self.deed in deeds else {}['a bug']\n"
        '        return super().flow(frame0, frame1)\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(
        'PYTHONPATH', os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    )
    __import__('poison_flow')
    frames, _ = moving_square_frames(24, (112, 48), side_px=18)
    return write_frames(tmp_path / 'poison', frames, '{:03d}.jpg')


def rows_of(path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def test_one_clip_is_a_pure_function(clips, tmp_path):
    task = ClipTask('clip_0', clips['clip_0'])
    first, second = discover_clip(task, CONFIG), discover_clip(task, CONFIG)
    assert first.part == second.part and first.frames == 24
    assert first.status in ('kept', 'dropped')


@pytest.mark.parametrize(
    'name, reason, detail',
    [
        ('still', 'no moving object', 'nothing moves'),
        ('short', 'too short', '2 frames'),
        ('broken', 'unreadable', 'broken.mp4: not a readable video'),
    ],
)
def test_a_clip_without_trajectory_has_a_row_with_its_reason(clips, name, reason, detail):
    result = discover_clip(ClipTask(name, clips[name]), CONFIG)
    (row,) = rows_of(io.BytesIO(result.part))
    assert (result.status, row['status'], row['reason']) == ('skipped', 'skipped', reason)
    assert (
        detail in row['detail'] and str(clips[name]) in row['detail'] and '\n' not in row['detail']
    )
    assert row['boxes_xyxy'] == [] and row['object_id'] == -1 and row['sequence_quality'] is None


def test_a_dropped_track_keeps_its_boxes_and_says_why(clips):
    picky = DiscoveryConfig(
        flow=CONFIG.flow,
        quality=QualityConfig(max_corner_share=0.0, edge_weight=1.0, corner_tolerance_px=1000),
    )
    (row,) = rows_of(io.BytesIO(discover_clip(ClipTask('clip_0', clips['clip_0']), picky).part))
    assert row['status'] == 'dropped' and not row['samplable'] and len(row['boxes_xyxy']) == 24
    assert (row['reason'], row['detail']) == ('corner share', 'corner share 1.00 is above 0.00')


def test_a_finished_clip_is_left_alone_while_its_bytes_are_the_same(clips):
    first = discover_clip(ClipTask('clip_0', clips['clip_0']), CONFIG)
    (row,) = rows_of(io.BytesIO(first.part))
    assert (
        discover_clip(ClipTask('clip_0', clips['clip_0'], row['fingerprint']), CONFIG).status
        == 'finished'
    )
    assert (
        discover_clip(ClipTask('clip_0', clips['clip_0'], 'of other bytes'), CONFIG).part
        == first.part
    )


def test_a_bug_becomes_a_result_with_its_traceback(clips, monkeypatch):
    monkeypatch.setattr(one_clip, 'discover', lambda *_: 1 / 0)
    result = guarded(ClipTask('clip_0', clips['clip_0']), CONFIG)
    assert (
        result.reason == 'internal error'
        and 'ZeroDivisionError' in result.detail
        and 'Traceback' in result.traceback
    )


@pytest.mark.process
def test_whole_run_then_second_run(clips, tmp_path, capfd):
    tally = discover_clips(clips, CONFIG, tmp_path / 't', RunOptions(workers=2))
    assert tally.done == 7 and tally.failed == 1 and tally.earlier == 0
    assert tally.frames == 4 * 24 + 12 + 2
    assert '[unreadable]' in capfd.readouterr().err
    before = (tmp_path / 't.parquet').read_bytes(), (tmp_path / 't.parquet').stat().st_mtime_ns
    again = discover_clips(clips, CONFIG, tmp_path / 't', RunOptions(workers=2))
    assert (
        again.earlier == 6
        and again.failed == 1
        and again.status == tally.status
        and again.tracks == tally.tracks
    )
    assert before == (
        (tmp_path / 't.parquet').read_bytes(),
        (tmp_path / 't.parquet').stat().st_mtime_ns,
    )
    assert [row.clip for row in read_table(tmp_path / 't').rows] == sorted(clips)


def test_number_of_workers_and_shards_do_not_change_a_row(clips, tmp_path):
    discover_clips(clips, CONFIG, tmp_path / 'one', RunOptions(workers=0, quiet=True))
    for index in range(3):
        assert not (tmp_path / 'three.parquet').exists()  # merged by whoever finishes last
        discover_clips(
            clips, CONFIG, tmp_path / 'three', RunOptions(workers=1, shard=(index, 3), quiet=True)
        )
    assert rows_of(tmp_path / 'three.parquet') == rows_of(tmp_path / 'one.parquet')


def test_no_merge_leaves_the_parts_only(clips, tmp_path):
    discover_clips(
        {'still': clips['still']}, CONFIG, tmp_path / 't', RunOptions(workers=0, merge=False)
    )
    assert not (tmp_path / 't.parquet').exists() and len(read_table(tmp_path / 't')) == 1


def test_a_changed_clip_is_done_again(clips, tmp_path):
    frames, _ = moving_square_frames(24, (80, 64))
    mine = {'x': write_frames(tmp_path / 'x', frames[:12], '{:03d}.jpg'), 'still': clips['still']}
    discover_clips(mine, CONFIG, tmp_path / 't', RunOptions(workers=0))
    write_frames(tmp_path / 'x', frames, '{:03d}.jpg')
    tally = discover_clips(mine, CONFIG, tmp_path / 't', RunOptions(workers=0))
    assert (
        tally.earlier == 1
        and {row.clip: row.frame_count for row in read_table(tmp_path / 't.parquet').rows}['x']
        == 24
    )


def test_another_config_is_refused(clips, tmp_path):
    mine = {'still': clips['still']}
    discover_clips(mine, CONFIG, tmp_path / 't', RunOptions(workers=0))
    other = DiscoveryConfig(flow=CONFIG.flow, frames=FramesConfig(eval_gap=2))
    with pytest.raises(TableError, match='frames.eval_gap: 3 != 2'):
        discover_clips(mine, other, tmp_path / 't', RunOptions(workers=0))
    discover_clips(mine, other, tmp_path / 't', RunOptions(workers=0, overwrite=True))
    assert read_table(tmp_path / 't').info.config['frames']['eval_gap'] == 2


def test_a_flow_that_cannot_be_built_stops_before_the_first_clip(clips, tmp_path):
    with pytest.raises(ValueError, match="DISFlow: preset must be one of .*'quick'"):
        discover_clips(
            clips, DiscoveryConfig(flow=dict(type='DISFlow', preset='quick')), tmp_path / 't'
        )
    assert not (tmp_path / 't').exists()


# --- workers that die ---


@pytest.mark.parametrize('workers', [1, 2])
def test_a_worker_that_aborts_loses_only_its_clip(clips, tmp_path, poisoned, workers):
    mine = {
        'a_poison': poisoned,
        **{name: clips[name] for name in ('clip_0', 'clip_1', 'clip_2', 'still')},
        'z_poison': poisoned,
    }
    config = DiscoveryConfig(flow=dict(type='PoisonFlow', deed='abort'))
    tally = discover_clips(
        mine, config, tmp_path / 't', RunOptions(workers=workers, imports=['poison_flow'])
    )
    assert (
        tally.done == 6 and tally.reasons['skipped', 'decoder crashed'] == 2 and tally.failed == 2
    )
    rows = {row.clip: row for row in read_table(tmp_path / 't.parquet').rows}
    assert {name for name, row in rows.items() if row.reason == 'decoder crashed'} == {
        'a_poison',
        'z_poison',
    }
    assert 'died with SIGABRT' in rows['a_poison'].detail
    assert all(rows[name].track is not None for name in ('clip_0', 'clip_1', 'clip_2'))


@pytest.mark.process
@pytest.mark.skipif(not hasattr(signal, 'SIGSTOP'), reason='POSIX')
@pytest.mark.parametrize('deed', ['hang', 'stop'])
@pytest.mark.parametrize('workers', [1, 2])
def test_a_worker_that_hangs_or_is_stopped_loses_only_its_clip(
    clips, tmp_path, poisoned, workers, deed, capfd
):
    mine = {'a_poison': poisoned, 'clip_0': clips['clip_0'], 'clip_1': clips['clip_1']}
    config = DiscoveryConfig(flow=dict(type='PoisonFlow', deed=deed))
    options = RunOptions(workers=workers, imports=['poison_flow'], clip_timeout_s=3.0)
    tally = discover_clips(mine, config, tmp_path / 't', options)
    assert tally.done == 3 and tally.reasons['skipped', 'timed out'] == 1 and tally.failed == 1
    rows = {row.clip: row for row in read_table(tmp_path / 't.parquet').rows}
    assert (
        'gave no sign of life for 3 seconds' in rows['a_poison'].detail
        and rows['clip_0'].track is not None
    )
    assert re.search(
        r'a_poison: no frame for [12] seconds; given up after 3', capfd.readouterr().err
    )


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='POSIX')
@pytest.mark.parametrize('workers', [0, 1])
def test_a_pipe_is_no_clip(clips, tmp_path, workers):
    os.mkfifo(tmp_path / 'pipe.mp4')
    tally = discover_clips(
        {'pipe': tmp_path / 'pipe.mp4', 'still': clips['still']},
        CONFIG,
        tmp_path / 't',
        RunOptions(workers=workers),
    )
    assert tally.reasons['skipped', 'unreadable'] == 1 and tally.done == 2
    details = [row.detail for row in read_table(tmp_path / 't.parquet').rows]
    assert any('pipe.mp4: neither file nor folder' in detail for detail in details)


def test_a_bug_in_one_clip_is_shown_and_tried_again(clips, tmp_path, poisoned, capfd):
    mine = {'poison': poisoned, 'clip_0': clips['clip_0']}
    config = DiscoveryConfig(flow=dict(type='PoisonFlow', deed='raise'))
    tally = discover_clips(
        mine, config, tmp_path / 't', RunOptions(workers=1, imports=['poison_flow'])
    )
    assert tally.reasons['skipped', 'internal error'] == 1 and tally.failed == 1
    assert "KeyError: 'a bug'" in capfd.readouterr().err
    again = discover_clips(
        mine, config, tmp_path / 't', RunOptions(workers=1, imports=['poison_flow'])
    )
    assert (again.earlier, again.failed) == (1, 1)


def test_workers_that_cannot_start_stop_the_run(clips):
    with pytest.raises(WorkerStartError, match='before its first job'):
        list(
            run_local(
                [ClipTask('still', clips['still'])], CONFIG, 1, imports=['no_such_module_anywhere']
            )
        )


def test_closing_the_results_early_ends_the_workers(clips):
    results = run_local([ClipTask(name, path) for name, path in clips.items()], CONFIG, 2)
    next(results)
    processes = multiprocessing.active_children()
    results.close()
    assert processes and all(not process.is_alive() for process in processes)


@pytest.mark.parametrize(
    'code, text',
    [(-6, 'SIGABRT'), (-9, 'SIGKILL (out of memory?)'), (3, 'exit code 3'), (None, 'died')],
)
def test_the_way_a_worker_died_is_told(code, text, tmp_path):
    result = lost(ClipTask('x.mp4', tmp_path / 'x.mp4'), CONFIG, LostJob(how_it_died(code)))
    assert text in result.detail and 'x.mp4' in result.detail


# --- disk full ---


def test_full_disk_stops_the_run_with_one_line_and_nothing_half_written(
    clips, tmp_path, monkeypatch
):
    real, calls = os.fsync, []

    def full_after_two(handle):
        calls.append(handle)
        if len(calls) > 4:  # a file and its folder each
            raise OSError(errno.ENOSPC, 'No space left on device')
        real(handle)

    monkeypatch.setattr(os, 'fsync', full_after_two)
    with pytest.raises(
        TableWriteError,
        match=r'cannot be written \(no space left on .*\); the finished clips are safe',
    ) as caught:
        discover_clips(clips, CONFIG, tmp_path / 't', RunOptions(workers=0))
    assert '\n' not in str(caught.value)
    assert len(list((tmp_path / 't').iterdir())) == 2
    monkeypatch.setattr(os, 'fsync', real)
    assert (
        discover_clips(clips, CONFIG, tmp_path / 't', RunOptions(workers=0)).earlier == 1
    )  # and the one that failed is tried again


def test_folder_that_cannot_be_made_is_one_line(clips, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(TableWriteError, match='cannot be written'):
        discover_clips(clips, CONFIG, tmp_path / 'file/t', RunOptions(workers=0))
    with pytest.raises(TableError, match='this is a file'):
        discover_clips(clips, CONFIG, tmp_path / 'file', RunOptions(workers=0))


# --- shards, progress ---


def test_shards_are_disjoint_complete_and_do_not_depend_on_order(clips):
    shards = [clips_of_shard(clips, (index, 3)) for index in range(3)]
    assert sorted(name for shard in shards for name in shard) == sorted(clips)
    assert clips_of_shard(dict(reversed(clips.items())), (1, 3)) == shards[1]


@pytest.mark.parametrize('text', ['', '1', '2/2', '-1/2', '1/0', 'a/b', '0/2/3'])
def test_shard_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match='0 <= i < n'):
        parse_shard(text)


def test_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="did you mean 'local'"):
        RunOptions(engine='locl')


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_plain_lines_elsewhere(monkeypatch):
    results = [
        ClipResult('a', 'kept', kept=1, samplable=1, frames=10),
        ClipResult('b', 'skipped', 'unreadable', 'b: broken'),
    ]
    terminal, log = _Terminal(), io.StringIO()
    for stream in (terminal, log):
        progress = Progress(2, stream)
        for result in results:
            progress.add(result)
        progress.close()
    assert (
        '2/2' in terminal.getvalue()
        and 'frames/s' in terminal.getvalue()
        and '\r' in terminal.getvalue()
    )
    assert log.getvalue() == 'skipped b: broken [unreadable]\n'
    slow = io.StringIO()
    progress = Progress(2, slow)
    monkeypatch.setattr(progress, '_every_s', -1)
    progress.add(results[0])
    assert slow.getvalue().startswith('1/2 clips, ') and slow.getvalue().endswith(' left\n')


def test_summary_counts_every_reason():
    progress = Progress(4, io.StringIO(), quiet=True)
    progress.add(ClipResult('a', 'kept', kept=2, samplable=1, frames=10))
    progress.add(ClipResult('b', 'skipped', 'unreadable', 'b: broken'))
    progress.add(ClipResult('c', 'skipped', 'no moving object', 'c: still', frames=5))
    progress.add(ClipResult('d', 'dropped', 'corner share', 'x', frames=5))
    text = ' '.join(progress.tally.summary().split())
    for part in (
        '4 of 4 clips',
        '20 frames',
        'kept 1 (25.0%), 2 objects',
        'samplable 1 (25.0%)',
        'dropped 1',
        'corner share 1',
        'unreadable 1',
    ):
        assert part in text


def test_a_name_that_is_not_utf8_is_one_row_and_the_others_are_done(clips, tmp_path, capfd):
    odd = os.fsdecode(b'\xca\xd3')
    two = {'clip_0': clips['clip_0'], odd: clips['clip_1'].parent / odd}
    for _ in range(2):
        tally = discover_clips(two, CONFIG, tmp_path / 'table', RunOptions(workers=0))
        assert tally.failed == 1
    rows = {row.clip: row for row in read_table(tmp_path / 'table')}
    assert set(rows) == {'clip_0', r'\xca\xd3'}
    assert rows[r'\xca\xd3'].detail.endswith(r'\xca\xd3: the name is not UTF-8; rename the file')
