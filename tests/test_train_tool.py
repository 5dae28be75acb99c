"""tools/train.py and tools/dist_train.sh as their users call them: other processes, killed runs,
wrong configs."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from tests.engine.tiny_training import read_losses, tiny_config
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.testing.tools import run_tool_main
from usot_plugin.utils.folder_lock import folder_lock

ROOT = Path(__file__).parents[1]


def _environment(**extra: str) -> dict[str, str]:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    return {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
        **extra,
    }


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _train(config: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return _run(sys.executable, 'tools/train.py', str(config), *arguments, **environment)


def _write_config(folder: Path, **changes) -> Path:
    cfg = tiny_config(folder / 'work', **changes)
    path = folder / 'tiny.py'
    cfg.dump(path)
    return path


def _state(work_dir: Path, epoch: int) -> dict[str, torch.Tensor]:
    return torch.load(work_dir / f'epoch_{epoch}.pth', weights_only=False)[
        'state_dict'
    ]  # written by this test


def _real_data(folder: Path) -> dict:
    """Changes of the tiny config: a mixture of two tables of rendered video, read by a loader
    process and shuffled; averaged weights."""
    for number in range(4):
        video, boxes = render_clip(number, 20, (160, 120), occluders=0)
        path = write_clip(folder / 'clips' / f'clip_{number}.mp4', video)
        write_table_part(
            folder / f'table_{number % 2}', path.name, path, pseudo_track(boxes[0], number)
        )
    pipeline = Config.fromfile(ROOT / 'configs/_base_/datasets/usot_pipeline.py').train_pipeline
    sampler = dict(type='QualityFrames', memory=2)
    parts = [
        dict(
            type='PseudoBoxDataset',
            table=str(folder / f'table_{n}'),
            frame_sampler=sampler,
            pipeline=pipeline,
        )
        for n in (0, 1)
    ]
    hooks = [
        dict(type='FrozenBackboneHook', train_from_epoch=1),
        dict(type='RecordLossHook'),
        dict(type='EMAHook', momentum=0.1),
    ]
    return {
        'workers': 1,
        'train_dataloader.sampler.shuffle': True,
        'train_dataloader.dataset': dict(
            _delete_=True, type='QuotaMixture', quotas=[5, 3], datasets=parts
        ),
        'custom_hooks': hooks,
    }


#: Saved after every third of four batches an epoch: the latest checkpoint then lies inside an
#: epoch.
BETWEEN_BATCHES = {
    'default_hooks.checkpoint.by_epoch': False,
    'default_hooks.checkpoint.interval': 3,
}


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    ('data', 'saving', 'die_at', 'again'),
    [
        ('made_up', {}, 5, [4, 5, 6, 7]),
        ('real', {}, 5, [4, 5, 6, 7]),
        ('real', BETWEEN_BATCHES, 6, [6, 7]),
    ],
)
def test_killed_run_resumes_onto_the_same_loss_curve(tmp_path, data, saving, die_at, again):
    changes = {**(_real_data(tmp_path) if data == 'real' else {}), **saving}
    whole = _train(_write_config(tmp_path, **changes), '--work-dir', str(tmp_path / 'whole'))
    assert whole.returncode == 0, whole.stderr[-2000:]
    config, work_dir = tmp_path / 'tiny.py', tmp_path / 'killed'
    killed = _train(config, '--work-dir', str(work_dir), DIE_AT_ITERATION=str(die_at))  # in epoch 2
    assert killed.returncode == -signal.SIGKILL
    resumed = _train(config, '--work-dir', str(work_dir), '--resume')
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    expected = read_losses(tmp_path / 'whole')
    rows = read_losses(work_dir)
    assert [row['iteration'] for row in rows] == [*range(die_at + 1), *again]
    for row in rows:
        assert row == pytest.approx(expected[int(row['iteration'])], rel=1e-5)
    last = 'iter_8.pth' if saving else 'epoch_2.pth'
    weights = [
        torch.load(folder / last, weights_only=False)['state_dict']
        for folder in (work_dir, tmp_path / 'whole')
    ]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-5, atol=1e-6)


@pytest.mark.process
@pytest.mark.parametrize(('dies_at', 'saving'), [(1, {}), (3, {}), (6, BETWEEN_BATCHES)])
def test_loader_that_dies_ends_in_one_line_and_is_resumed_bit_for_bit(tmp_path, dies_at, saving):
    # Iteration 3 is the last of its epoch.
    config = _write_config(tmp_path, workers=2, **saving)
    whole = _train(config, '--work-dir', str(tmp_path / 'whole'))
    assert whole.returncode == 0, whole.stderr[-2000:]
    work_dir = tmp_path / 'a b'
    died = _train(config, '--work-dir', str(work_dir), LOADER_DIES_AT_ITERATION=str(dies_at))
    assert died.returncode == 2 and 'Traceback' not in died.stderr
    (line,) = [line for line in died.stderr.splitlines() if line.startswith('error: ')]
    kept = work_dir / f'iter_{dies_at + 1}.pth'
    begin, command = line.split(', this goes on: python ')
    assert re.fullmatch(
        rf'error: loader process \d+ was killed \(SIGKILL; out of memory\?\), after iteration '
        rf'{dies_at + 1} \(epoch {(dies_at + 1) // 4 + 1}\); {re.escape(str(kept))} is kept',
        begin,
    )
    resumed = _run(sys.executable, *shlex.split(command))
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert read_losses(work_dir) == read_losses(tmp_path / 'whole')
    last = 'iter_8.pth' if saving else 'epoch_2.pth'
    ours, expected = (
        torch.load(folder / last, weights_only=False) for folder in (work_dir, tmp_path / 'whole')
    )
    ours, expected = ({**one, 'optimizer': one['optimizer']['state']} for one in (ours, expected))
    for part in ('state_dict', 'optimizer'):
        torch.testing.assert_close(ours[part], expected[part], rtol=0, atol=0)


@pytest.mark.process
def test_second_training_in_a_work_dir_is_refused(tmp_path):
    with folder_lock(tmp_path / 'work'):  # this process is the first
        (tmp_path / 'work' / 'log').write_text('of the first')
        failed = _train(_write_config(tmp_path))
    assert failed.returncode == 2 and 'Traceback' not in failed.stderr
    line = failed.stderr.splitlines()[-1]
    assert line.startswith(f'error: {tmp_path}/work: in use since 20')
    assert f' by process {os.getpid()} on ' in line
    assert sorted(file.name for file in (tmp_path / 'work').iterdir()) == ['.lock', 'log']


@pytest.mark.process
def test_loader_that_dies_before_anything_was_learnt(tmp_path):
    failed = _train(_write_config(tmp_path, workers=1), LOADER_DIES_AT_START='1')
    assert failed.returncode == 2 and 'Traceback' not in failed.stderr
    line = failed.stderr.splitlines()[-1]
    assert line.startswith('error: loader process ')
    assert line.endswith('no checkpoint was saved yet, the same command begins anew')


@pytest.mark.process
@pytest.mark.slow
def test_two_processes_equal_one_with_twice_the_batch(tmp_path):
    # Batch norm stands still: its statistics would differ between a batch and its halves.
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    config = _write_config(tmp_path, model='StillNormUSOT')
    two = _run(
        'bash',
        'tools/dist_train.sh',
        str(config),
        '2',
        '--work-dir',
        str(tmp_path / 'two'),
        PORT=str(port),
    )
    assert two.returncode == 0, two.stderr[-3000:]
    one = _train(
        config,
        '--work-dir',
        str(tmp_path / 'one'),
        '--cfg-options',
        'train_dataloader.batch_size=4',
    )
    assert one.returncode == 0, one.stderr[-2000:]
    ranks = [read_losses(tmp_path / 'two', rank) for rank in (0, 1)]
    mean = [
        {key: (first[key] + second[key]) / 2 for key in first}
        for first, second in zip(*ranks, strict=True)
    ]
    assert len(mean) == 4
    for got, expected in zip(mean, read_losses(tmp_path / 'one'), strict=True):
        assert got == pytest.approx(expected, rel=1e-4)
    for name, value in _state(tmp_path / 'two', 2).items():
        torch.testing.assert_close(
            value, _state(tmp_path / 'one', 2)[name], rtol=1e-4, atol=1e-6, msg=name
        )


@pytest.mark.process
@pytest.mark.slow
def test_mixed_precision_and_scaled_learning_rate(tmp_path):
    done = _train(
        _write_config(tmp_path),
        '--amp',
        '--auto-scale-lr',
        '--cfg-options',
        'train_cfg.max_epochs=1',
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # 2 groups a step instead of 48, and the schedule's first factor.
    assert read_losses(tmp_path / 'work')[0]['lr'] == pytest.approx(5e-3 * 2 / 48 * 0.5)


@pytest.mark.process
def test_nan_ends_with_one_line_and_a_status(tmp_path):
    config = _write_config(
        tmp_path,
        **{'train_dataloader.dataset.poison': 3, 'model.train_cfg.cycle_start_epoch': None},
    )
    failed = _train(config)
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith('error: loss')
    assert 'clip2.mp4 (frame 2), clip3.mp4 (frame 3)' in failed.stderr.splitlines()[-1]


@pytest.mark.process
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['--cfg-options', 'optim_wraper.optimizer.lr=1'],
            "has no key 'optim_wraper', did you mean 'optim_wrapper'?",
        ),
        (
            ['--cfg-options', 'model.type=UST'],
            "model.type = 'UST' is not registered, did you mean 'USOT'?",
        ),
        (['--cfg-options', 'train_cfg.max_epoch=1'], "did you mean 'max_epochs'?"),
        (
            ['--cfg-options', 'train_dataloader.batch_sise=1'],
            "unexpected keyword argument 'batch_sise'",
        ),
        (
            ['--cfg-options', 'model.train_cfg.cycle_start=1'],
            "tiny.py: unknown keys in train_cfg of USOT: ['cycle_start']",
        ),
        (
            ['--cfg-options', 'auto_scale_lr.base_batch_size=None', '--resume', 'nowhere.pth'],
            'nowhere.pth: no such checkpoint',
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(tmp_path, arguments, message):
    failed = _train(_write_config(tmp_path), *arguments)
    assert failed.returncode == 2
    assert 'Traceback' not in failed.stderr
    assert message in failed.stderr.splitlines()[-1]


def _refused(capsys, *arguments: object) -> str:
    """What the tool says when it refuses; in this process, nothing is trained."""
    assert run_tool_main(ROOT / 'tools/train.py', *arguments) == 2
    return capsys.readouterr().err


def test_missing_config_names_its_neighbour(tmp_path, capsys):
    _write_config(tmp_path)
    error = _refused(capsys, tmp_path / 'tinny.py')
    assert error.endswith("tinny.py: no such config, did you mean 'tiny.py'?\n")


def test_training_in_stages_names_its_own_tool(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    error = _refused(capsys, 'configs/quick/pul_quick_bce.py', '--work-dir', tmp_path / 'work')
    command = 'python tools/train_pul.py configs/quick/pul_quick_bce.py'
    assert (
        error.strip() == f'error: configs/quick/pul_quick_bce.py: trains in three stages: {command}'
    )
    assert not (tmp_path / 'work').exists()


def _quick(work_dir: Path, **options: object) -> subprocess.CompletedProcess:
    given = [f'train_dataloader.{key}={value}' for key, value in options.items()]
    return _train(
        Path('configs/quick/usot_quick.py'), '--work-dir', str(work_dir), '--cfg-options', *given
    )


def test_training_data_that_is_not_there_is_one_line(tmp_path, capsys):
    table = f'train_dataloader.dataset.table={tmp_path}/nowhere'
    config = ROOT / 'configs/quick/usot_quick.py'
    error = _refused(capsys, config, '--work-dir', tmp_path / 'work', '--cfg-options', table)
    missing = f'{tmp_path}/nowhere: no such pseudo-box table'
    assert error == f'error: {missing} (train_dataloader.dataset.table)\n'


@pytest.mark.process
def test_clips_that_cannot_be_read_end_a_loader_process_in_one_line(tmp_path):
    track = pseudo_track(np.tile([1.0, 1, 9, 9], (5, 1)))
    write_table_part(tmp_path / 'table', 'gone.mp4', tmp_path / 'gone.mp4', track)
    failed = _quick(tmp_path / 'work', **{'dataset.table': tmp_path / 'table'})
    assert failed.returncode == 2 and 'Traceback' not in failed.stderr
    expected = (
        f'error: 21 clips in a row could not be used; the last: {tmp_path}/gone.mp4: no '
        'such file or folder'
    )
    assert failed.stderr.splitlines()[-1] == expected


@pytest.mark.process
@pytest.mark.parametrize('option', ['resume', 'load_from', 'pretrained'])
def test_checkpoint_of_another_model_is_refused(tmp_path, option):
    config = _write_config(tmp_path, **{'train_cfg.max_epochs': 1})
    narrow = Config.fromfile(config).model
    narrow.neck.out_channels = narrow.head.channels = narrow.head.memory.channels = 8
    other = tmp_path / 'other.pth'
    training = {'meta': {'epoch': 1, 'iter': 2}, 'message_hub': {}, 'optimizer': {}}
    torch.save({'state_dict': MODELS.build(narrow).state_dict(), **training}, other)
    arguments = {
        'resume': ['--resume', str(other)],
        'load_from': ['--cfg-options', f'load_from={other}'],
        'pretrained': [
            '--cfg-options',
            'model.backbone.init_cfg.type=Pretrained',
            f'model.backbone.init_cfg.checkpoint={other}',
        ],
    }
    failed = _train(config, *arguments[option])
    assert failed.returncode == 2 and 'Traceback' not in failed.stderr
    line = failed.stderr.splitlines()[-1]
    assert line.startswith(f'error: {other}: does not fit ')
    assert (
        'neck.adjust.0.weight (8, 128, 1, 1) in the file'
        if option != 'pretrained'
        else 'conv1.weight'
    ) in line


@pytest.mark.process
def test_full_disk_leaves_no_half_written_checkpoint(tmp_path):
    changes = {
        'train_dataloader.dataset.length': 2,
        'train_cfg.max_epochs': 1,
        'model.train_cfg.cycle_start_epoch': None,
    }
    config = _write_config(tmp_path, **changes)
    # No file may grow beyond 100 KiB, a checkpoint has more.
    failed = _run('bash', '-c', f'ulimit -f 100; exec {sys.executable} tools/train.py {config}')
    assert failed.returncode == 2
    work = tmp_path / 'work'
    assert failed.stderr.splitlines()[-1] == (
        f'error: {work}/epoch_1.pth: cannot be written (a file in {work} may not grow so large); '
        'no checkpoint was saved yet, the same command begins anew'
    )
    assert not [path.name for path in (tmp_path / 'work').iterdir() if 'epoch' in path.name]
