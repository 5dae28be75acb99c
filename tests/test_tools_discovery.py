"""tools/discover_boxes.py as its users run it: a process of its own on real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from usot_plugin.cli import discover as discover_tool
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import moving_square_frames, write_frames, write_video

REPO = Path(__file__).resolve().parents[1]
TOOL = REPO / 'tools/discover_boxes.py'


def tool_environment() -> dict[str, str]:
    path = os.pathsep.join([str(REPO), *filter(None, [os.environ.get('PYTHONPATH')])])
    return {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}


def run_tool(*args, **kwargs) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOOL), *map(str, args)]
    return subprocess.run(
        command, env=tool_environment(), capture_output=True, text=True, timeout=300, **kwargs
    )


def run_main(*args) -> int:
    """The tool inside this process, for what ends before any work."""
    try:
        return discover_tool.main([str(arg) for arg in args])
    except SystemExit as stop:  # argparse
        return stop.code


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp('config') / 'discovery.py'
    path.write_text(
        "discovery = dict(flow=dict(type='DISFlow', preset='fast'), map=dict(size_wh=(320, 192)))\n"
    )
    return path


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    for index in range(6):
        frames, _ = moving_square_frames(45, (160, 120), side_px=30, step_px=2 + index, seed=index)
        write_video(root / f'clip_{index}.mp4', frames, options={'g': '12', 'bf': '2'})
        write_frames(root / 'frames' / f'seq_{index}', frames, '{:04d}.jpg')
    return root


@pytest.fixture(scope='module')
def undisturbed(config, videos, tmp_path_factory):
    out = tmp_path_factory.mktemp('out') / 'boxes'
    done = run_tool(config, videos, '--out', out, '--workers', 2)
    assert done.returncode == 0, done.stderr
    assert '12 of 12 clips' in done.stdout and 'frames/s' in done.stdout
    assert '\r' not in done.stderr and '\x1b' not in done.stderr  # no bar in a log
    return out


@pytest.mark.process
def test_table_of_a_whole_run(undisturbed):
    table = read_table(undisturbed)
    assert [row.clip for row in table.rows] == sorted(
        [f'clip_{i}.mp4' for i in range(6)] + [f'frames/seq_{i}' for i in range(6)]
    )
    assert len(table.kept()) > 0
    assert pq.read_table(undisturbed.with_suffix('.parquet')).num_rows == 12
    assert sorted(
        path.name for path in undisturbed.parent.iterdir() if path.suffix != '.arrow'
    ) == ['boxes', 'boxes.parquet']


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize('whole_group', [True, False], ids=['group', 'parent only'])
def test_killed_and_restarted_equals_undisturbed(
    config, videos, undisturbed, tmp_path, whole_group
):
    out = tmp_path / 'boxes'
    command = [
        sys.executable,
        str(TOOL),
        str(config),
        str(videos),
        '--out',
        str(out),
        '--workers',
        '2',
    ]
    running = subprocess.Popen(
        command,
        env=tool_environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 120
    while len(list(out.glob('[!.]*.parquet'))) < 3:
        assert running.poll() is None and time.time() < deadline
        time.sleep(0.01)
    children = psutil.Process(running.pid).children(recursive=True)
    if whole_group:
        os.killpg(running.pid, signal.SIGKILL)
    else:
        os.kill(running.pid, signal.SIGKILL)
    running.wait()
    finished = len(list(out.glob('[!.]*.parquet')))
    assert 3 <= finished < 12 and not out.with_suffix('.parquet').exists()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive  # no worker outlives the run
    # Whatever instant it was killed at, what is there is whole.
    assert len(read_table(out)) == finished
    # The write that a kill may interrupt, made certain.
    (out / f'.half.parquet.{_host()}-{running.pid}.tmp.parquet').write_bytes(b'PAR1 half')

    done = run_tool(config, videos, '--out', out, '--workers', 2)
    assert done.returncode == 0, done.stderr
    assert f'{finished} were finished by an earlier run' in done.stdout
    assert not list(out.glob('.*.tmp*'))
    first, second = (pq.read_table(path.with_suffix('.parquet')) for path in (undisturbed, out))
    assert first.schema.equals(second.schema, check_metadata=True)
    assert first.to_pylist() == second.to_pylist()


def _host() -> str:
    from usot_plugin.utils.atomic import _host as host

    return host()


@pytest.mark.process
def test_interrupt_says_how_to_go_on(config, videos, tmp_path):
    out = tmp_path / 'boxes'
    command = [
        sys.executable,
        str(TOOL),
        str(config),
        str(videos),
        '--out',
        str(out),
        '--workers',
        '1',
    ]
    running = subprocess.Popen(
        command,
        env=tool_environment(),
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # tests started in the background of a shell inherit 'ignore'
    )
    deadline = time.time() + 120
    while not list(out.glob('[!.]*.parquet')):
        assert running.poll() is None and time.time() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)  # what Ctrl-C does
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130
    assert 'the same command goes on' in error and 'Traceback' not in error


@pytest.mark.process
def test_second_run_does_nothing_and_other_configs_are_refused(config, videos, undisturbed):
    merged = undisturbed.with_suffix('.parquet')
    before = merged.stat().st_mtime_ns
    again = run_tool(config, videos, '--out', undisturbed, '--workers', 1)
    assert again.returncode == 0 and '12 were finished by an earlier run' in again.stdout
    assert merged.stat().st_mtime_ns == before
    other = run_tool(
        config, videos, '--out', undisturbed, '--cfg-options', 'discovery.frames.eval_gap=2'
    )
    assert (
        other.returncode == 2
        and 'frames.eval_gap: 3 != 2' in other.stderr
        and '--overwrite' in other.stderr
    )
    assert len(other.stderr.strip().splitlines()) == 1
    assert merged.stat().st_mtime_ns == before


@pytest.mark.process
def test_shards_together_make_the_whole_table(config, videos, undisturbed, tmp_path):
    for shard in ('0/2', '1/2'):
        done = run_tool(
            config, videos, '--out', tmp_path / 't', '--workers', 1, '--shard', shard, '--quiet'
        )
        assert done.returncode == 0 and '6 of 6 clips' in done.stdout, done.stderr
    assert (
        pq.read_table(tmp_path / 't.parquet').to_pylist()
        == pq.read_table(undisturbed.with_suffix('.parquet')).to_pylist()
    )


@pytest.mark.parametrize(
    'extra, message',
    [
        (
            ['--cfg-options', 'discovery.eval_gap=1'],
            "unknown key 'eval_gap' (did you mean 'frames.eval_gap'?)",
        ),
        (['--cfg-options', 'discovery.flow.type=DISFlo'], "'DISFlo'"),
        (
            ['--cfg-options', 'discovery.frames.eval_gap=0'],
            'frames.eval_gap must be a whole number >= 1, got 0',
        ),
        (['--shard', '4/4'], '0 <= i < n'),
        (['--layout', 'lasot'], 'no clip in it'),
        (['--split', 'val'], 'needs a layout'),
        (['--workers', '-1'], '--workers must be 0 or more'),
        (['--ray-address', 'auto'], '--ray-address needs --engine ray'),
    ],
)
def test_usage_errors_end_with_2_and_one_line(config, videos, tmp_path, extra, message, capsys):
    assert run_main(config, videos, '--out', tmp_path / 't', *extra) == 2
    assert message in capsys.readouterr().err and not (tmp_path / 't').exists()


def test_paths_that_are_not_there_end_with_2(config, videos, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'model.py').write_text('model = dict()\n')
    for arguments, message in [
        ([config, tmp_path / 'nowhere'], 'nowhere: no such file or folder'),
        ([config, tmp_path / 'empty'], 'empty: no clip in it'),
        ([tmp_path / 'nowhere.py', videos], 'nowhere.py: no such config'),
        ([tmp_path / 'model.py', videos], 'model.py: no discovery config in it'),
    ]:
        assert run_main(*arguments, '--out', tmp_path / 't') == 2
        error = capsys.readouterr().err
        assert (
            message in error
            and len(error.strip().splitlines()) == 1
            and not (tmp_path / 't').exists()
        )


@pytest.mark.process
def test_a_usage_error_of_the_process_itself(config, tmp_path):
    done = run_tool(config, tmp_path / 'nowhere', '--out', tmp_path / 't')
    assert done.returncode == 2 and done.stdout == '' and 'Traceback' not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_lists_the_exit_codes(capsys):
    assert run_main('--help') == 0
    text = capsys.readouterr().out
    assert 'exit status' in text and 'disk full' in text
