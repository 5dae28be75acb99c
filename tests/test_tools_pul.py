"""tools/train_pul.py and tools/analysis/browse_pairs.py as processes: killed runs, cached stages,
and what is refused in one line."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.engine.tiny_training import read_losses
from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.samplers.mined_pairs import evidence_file, read_chains
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[1]


def tool_environment() -> dict[str, str]:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    return {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}


def run_tool(tool: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    env = {**tool_environment(), **environment}
    command = [sys.executable, str(ROOT / tool), *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False
    )


def train_pul(config: Path, work_dir: Path) -> int:
    """The tool in this process, for what needs none of its own."""
    return run_tool_main(ROOT / 'tools/train_pul.py', config, '--work-dir', work_dir)


@pytest.fixture(scope='module')
def table(tmp_path_factory) -> Path:
    """Three clips of a moving square; a fourth cannot be read."""
    folder = tmp_path_factory.mktemp('pul')
    for number in range(3):
        frames, boxes = moving_square_frames(12, (120, 90), side_px=26, step_px=2.0, seed=number)
        write_table_part(
            folder / 'table',
            f'clip{number}',
            write_frames(folder / f'clip{number}', frames),
            pseudo_track(boxes, number),
        )
    broken = write_frames(folder / 'broken', frames)
    for image in broken.iterdir():
        image.write_text('no image')
    write_table_part(folder / 'table', 'broken', broken, pseudo_track(boxes))
    return folder / 'table'


def write_config(folder: Path, table: Path, name: str = 'pul_quick', **changes) -> Path:
    """All stages of the quick config at a sixteenth of the width: one epoch of two steps, mining,
    two epochs of two steps."""
    cfg = Config.fromfile(ROOT / f'configs/quick/{name}.py')
    schedule = dict(
        type='CosineAnnealingLR',
        eta_min=2e-5,
        begin=0,
        end=2,
        by_epoch=True,
        convert_to_iter_based=True,
    )
    cfg.merge_from_dict(
        {
            'custom_imports': dict(
                imports=['usot_plugin', 'tests.engine.tiny_training'], allow_failed_imports=False
            ),
            'custom_hooks': [dict(type='RecordLossHook')],
            'model.backbone.width': 1 / 16,
            'train_cfg.max_epochs': 2,
            'param_scheduler': [schedule],
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.samples_per_epoch': 4,
            'train_dataloader.dataset.frame_sampler.spans': [(0, 2), (1, 4)],
            'discrimination.train_dataloader.dataset.table': str(table),
            'discrimination.train_dataloader.dataset.samples_per_epoch': 4,
            'discrimination.train_cfg.max_epochs': 1,
            'discrimination.param_scheduler': [dict(schedule, end=1)],
            'mining.anchors': 2,
            'mining.clip_frames': 4,
            'mining.step_frames': 1,
            'mining.min_similarity': -1.0,
            'mining.max_return_px': 200.0,
            'mining.wanted_pairs': 5,
            'shared_dir': str(folder / 'shared'),
            **changes,
        }
    )
    path = folder / f'{name}.py'
    cfg.dump(path)
    return path


def state(work_dir: Path, epoch: int = 2) -> dict[str, torch.Tensor]:
    return torch.load(work_dir / f'epoch_{epoch}.pth', weights_only=False)[
        'state_dict'
    ]  # written by this test


@pytest.fixture(scope='module')
def whole(tmp_path_factory, table) -> tuple[Path, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp('whole')
    done = run_tool(
        'tools/train_pul.py', write_config(folder, table), '--work-dir', folder / 'work'
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


@pytest.mark.process
@pytest.mark.slow
def test_three_stages_in_one_command(whole):
    folder, done = whole
    assert (
        len(read_losses(folder / 'shared/discrimination')) == 2
        and len(read_losses(folder / 'work')) == 4
    )
    pairs = folder / 'shared/pairs'
    rows = read_table(pairs)
    assert {row.clip: row.status for row in rows.rows} == {
        'broken': 'skipped',
        'clip0': 'kept',
        'clip1': 'kept',
        'clip2': 'kept',
    }
    assert 'warning: nothing mined:' in done.stderr
    assert 'noise of the mined centres: alpha = ' in done.stdout
    chains = [
        chain
        for clip in ('clip0', 'clip1', 'clip2')
        for chain in read_chains(evidence_file(pairs, clip))
    ]
    assert len(chains) == 6 == len(DiscoveredBoxes(pairs)) and sum(map(len, chains)) >= 5
    # Stage 3 begins with the weights of stage 1.
    first = state(folder / 'shared/discrimination', 1)['backbone.conv1.0.weight']
    assert 0 < (state(folder / 'work')['backbone.conv1.0.weight'] - first).abs().max() < 0.02


@pytest.mark.process
@pytest.mark.slow
def test_ablations_share_the_first_stages_and_a_second_run_does_nothing(whole, table, capsys):
    folder, _ = whole
    written = {
        path: path.stat().st_mtime_ns
        for path in (folder / 'shared').rglob('*')
        if path.suffix in ('.pth', '.parquet', '.npz')
    }
    assert train_pul(write_config(folder, table, 'pul_quick_l2'), folder / 'l2') == 0
    told = capsys.readouterr().out
    assert (
        'stage 1, ' not in told
        and 'instances, ' not in told
        and 'alpha = ' not in told
        and 'stage 3, mined pairs' in told
    )
    assert not torch.equal(
        state(folder / 'l2')['backbone.conv1.0.weight'],
        state(folder / 'work')['backbone.conv1.0.weight'],
    )
    assert train_pul(folder / 'pul_quick.py', folder / 'work') == 0
    assert 'stage 3 is done' in capsys.readouterr().out
    assert (
        written == {path: path.stat().st_mtime_ns for path in written}
        and len(read_losses(folder / 'work')) == 4
    )


@pytest.mark.process
@pytest.mark.slow
def test_killed_runs_finish_as_one_that_was_not(whole, table, tmp_path):
    folder, _ = whole
    config = write_config(tmp_path, table)
    command = ('tools/train_pul.py', config, '--work-dir', tmp_path / 'work')
    for at in ('1', '3'):  # after the first step of stage 1, and in the second epoch of stage 3
        assert run_tool(*command, DIE_AT_ITERATION=at).returncode == -signal.SIGKILL
    part = next((tmp_path / 'shared/pairs').glob('clip1*.parquet'))
    part.unlink()  # as if mining had been killed, too
    done = run_tool(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, value in state(folder / 'work').items():
        torch.testing.assert_close(state(tmp_path / 'work')[name], value, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(
        *(
            read_chains(evidence_file(root / 'shared/pairs', 'clip1'))
            for root in (tmp_path, folder)
        ),
        strict=True,
    ):
        np.testing.assert_allclose(ours.boxes_xyxy, theirs.boxes_xyxy)


def run_on_two(config: Path, work_dir: Path, **environment: str) -> subprocess.CompletedProcess:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    variables = {**tool_environment(), 'TOOL': 'train_pul.py', 'PORT': port, **environment}
    command = ['bash', 'tools/dist_train.sh', str(config), '2', '--work-dir', str(work_dir)]
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.process
@pytest.mark.slow
def test_two_processes_train_together_and_share_out_the_clips(table, tmp_path):
    config = write_config(tmp_path, table, **{'mining.store_crops': True})
    killed = run_on_two(
        config, tmp_path / 'work', DIE_AT_ITERATION='1'
    )  # in the first step of stage 3: stage 1 has one step only
    assert killed.returncode != 0 and (tmp_path / 'shared/discrimination/epoch_1.pth').is_file(), (
        killed.stderr[-3000:]
    )
    assert not (tmp_path / 'work/epoch_2.pth').exists()
    done = run_on_two(config, tmp_path / 'work')
    assert done.returncode == 0, done.stderr[-3000:]
    for folder, steps in ((tmp_path / 'shared/discrimination', 1), (tmp_path / 'work', 2)):
        losses = [[row['loss'] for row in read_losses(folder, rank)][-steps:] for rank in (0, 1)]
        assert [len(rows) for rows in losses] == [steps, steps] and losses[0] != losses[1], (
            'each process has its own groups'
        )
    told = killed.stdout + done.stdout
    assert all(
        told.count(f'stage 2, {name}: 2 instances') == 1 for name in ('clip0', 'clip1', 'clip2')
    ), told
    assert (
        told.count('stage 2: ') == 2
        and told.count('alpha = ') == 2
        and told.count('crops of ') == 2
    ), 'once in each run'
    # One process with the same weights mines the same pairs.
    (tmp_path / 'one').mkdir()
    shutil.copytree(tmp_path / 'shared/discrimination', tmp_path / 'one/shared/discrimination')
    alone = write_config(tmp_path / 'one', table)
    assert train_pul(alone, tmp_path / 'one/work') == 0
    for clip in ('clip0', 'clip1', 'clip2'):
        ours, theirs = (
            read_chains(evidence_file(root / 'shared/pairs', clip))
            for root in (tmp_path, tmp_path / 'one')
        )
        assert len(ours) == len(theirs) == 2
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.boxes_xyxy, other.boxes_xyxy)
    again = run_on_two(config, tmp_path / 'work')
    assert (
        again.returncode == 0
        and again.stdout.count('stage 3 is done') == 1
        and 'instances, ' not in again.stdout
    )


@pytest.mark.process
@pytest.mark.slow
def test_nothing_mined_says_why(whole, table, tmp_path, capsys):
    folder, _ = whole
    (tmp_path / 'shared').mkdir()
    (tmp_path / 'shared/discrimination').symlink_to(folder / 'shared/discrimination')
    assert (
        train_pul(
            write_config(tmp_path, table, **{'mining.max_return_px': 1e-6}), tmp_path / 'work'
        )
        == 2
    )
    expected = (
        'not one pair was mined from 6 instances (they ended by: 6 no way back); lower '
        'mining.min_similarity'
    )
    assert expected in capsys.readouterr().err
    # The same folder takes the corrected settings.
    assert (
        train_pul(write_config(tmp_path, table, **{'train_cfg.max_epochs': 1}), tmp_path / 'work')
        == 0
    )
    assert 'stage 2, clip2: 2 instances' in capsys.readouterr().out


@pytest.mark.process
@pytest.mark.slow
def test_a_finished_run_is_not_taken_for_one_of_other_settings(whole, table, tmp_path, capsys):
    folder, _ = whole
    config = write_config(
        tmp_path, table, **{'shared_dir': str(folder / 'shared'), 'model.loss.beta_px2': 49.0}
    )
    assert train_pul(config, folder / 'work') == 2
    assert (
        f'{folder / "work"}: made with another model than {config} asks for'
        in capsys.readouterr().err
    )


@pytest.mark.process
def test_a_wrong_table_leaves_no_record(tmp_path, capsys):
    assert train_pul(write_config(tmp_path, tmp_path / 'gone'), tmp_path / 'work') == 2
    assert 'gone: no such pseudo-box table' in capsys.readouterr().err
    assert not list(tmp_path.rglob('made_with.json'))


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'mining.clip_frames': 3}, 'pairs of another mining (pair_mining.clip_frames: 4 != 3)'),
        (
            {'discrimination.model.loss.temperature': 0.5},
            'discrimination: made with another model than',
        ),
        ({'mining.anchors': 0}, 'mining: impossible numbers'),
        ({'mining.anchor': 3}, "mining: no setting 'anchor', did you mean 'anchors'?"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(whole, table, tmp_path, capsys, change, message):
    folder, _ = whole
    config = write_config(tmp_path, table, **{'shared_dir': str(folder / 'shared'), **change})
    assert train_pul(config, tmp_path / 'work') == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_a_config_without_stages_is_refused(tmp_path, capsys):
    assert train_pul(ROOT / 'configs/quick/udt_quick.py', tmp_path) == 2
    assert "no key 'discrimination'; train_pul.py takes configs like" in capsys.readouterr().err


@pytest.mark.slow
def test_gallery_shows_every_instance(whole, tmp_path, capsys):
    folder, _ = whole
    tool, page = ROOT / 'tools/analysis/browse_pairs.py', tmp_path / 'index.html'
    assert run_tool_main(tool, folder / 'shared/pairs', '--out', tmp_path) == 0
    assert (
        page.read_text(encoding='utf-8').count('<article')
        == 6
        == page.read_text(encoding='utf-8').count('data:image/jpeg')
    )
    assert (
        run_tool_main(
            tool, folder / 'shared/pairs', '--out', tmp_path, '--clips', 'clip1', '--limit', 1
        )
        == 0
    )
    assert page.read_text(encoding='utf-8').count('<article') == 1
    assert run_tool_main(tool, tmp_path / 'nothing', '--out', tmp_path) == 2
    assert 'no such pseudo-box table' in capsys.readouterr().err
