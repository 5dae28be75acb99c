"""The launch scripts: what they start, and a run over two nodes that are both this machine."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.model import convert_sync_batchnorm

from tests.engine.tiny_training import read_losses, tiny_config
from usot_plugin.engine.hooks.frozen_backbone import _BatchNorm
from usot_plugin.registry import MODELS
from usot_plugin.utils.checkpoint import check_fit

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


def _with_stand_in(folder: Path, program: str) -> str:
    """A PATH on which ``program`` prints its arguments, one a line, instead of starting
    anything."""
    file = folder / program
    file.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    file.chmod(0o755)
    return f'{folder}{os.pathsep}{os.environ["PATH"]}'


@pytest.mark.parametrize(
    ('script', 'tool', 'rest'),
    [
        (
            'slurm_train.sh',
            'train.py',
            ['config.py', '--work-dir=work', '--launcher', 'slurm', '--amp'],
        ),
        ('slurm_test.sh', 'test.py', ['config.py', 'work', '--launcher', 'slurm', '--amp']),
    ],
)
@pytest.mark.parametrize(
    ('given', 'tasks', 'per_node'),
    [({}, 4, 4), ({'GPUS': '16', 'GPUS_PER_NODE': '8'}, 16, 8), ({'GPUS': '1'}, 1, 1)],
)
def test_slurm_scripts_ask_for_what_they_were_told(
    tmp_path, script, tool, rest, given, tasks, per_node
):
    environment = {
        key: value for key, value in _environment().items() if key not in ('GPUS', 'GPUS_PER_NODE')
    }
    environment |= {
        'PATH': _with_stand_in(tmp_path, 'srun'),
        'SRUN_ARGS': '--quotatype=auto --qos=x',
        **given,
    }
    command = ['bash', f'tools/{script}', 'part', 'job', 'config.py', 'work', '--amp']
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    words = done.stdout.split('\n')[:-1]
    start = words.index('python')
    assert words[:2] == ['-p', 'part'] and '--job-name=job' in words
    assert {
        f'--ntasks={tasks}',
        f'--ntasks-per-node={per_node}',
        f'--gres=gpu:{per_node}',
        '--quotatype=auto',
        '--qos=x',
    } <= set(words[:start])
    assert (
        words[start : start + 3] == ['python', '-u', f'tools/{tool}'] and words[start + 3 :] == rest
    )


@pytest.mark.parametrize(
    ('script', 'arguments', 'rest'),
    [
        ('dist_train.sh', ['c.py', '2', '--amp'], ['c.py']),
        ('dist_test.sh', ['c.py', 'w.pth', '2', '--amp'], ['c.py', 'w.pth']),
    ],
)
def test_dist_scripts_take_the_hosts_variables(tmp_path, script, arguments, rest):
    nodes = {'NNODES': '3', 'NODE_RANK': '1', 'MASTER_ADDR': '10.0.0.7', 'PORT': '12345'}
    environment = _environment(PATH=_with_stand_in(tmp_path, 'python'), **nodes)
    done = subprocess.run(
        ['bash', f'tools/{script}', *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    words = done.stdout.split('\n')[:-1]
    wanted = {
        '--nnodes=3',
        '--node_rank=1',
        '--master_addr=10.0.0.7',
        '--master_port=12345',
        '--nproc_per_node=2',
    }
    assert wanted <= set(words)
    assert words[-len(rest) - 3 :] == [*rest, '--launcher', 'pytorch', '--amp']


@pytest.mark.parametrize(
    ('script', 'program', 'arguments'),
    [
        ('dist_train.sh', 'python', ['c.py', '2']),
        ('slurm_train.sh', 'srun', ['part', 'job', 'c.py', 'work']),
    ],
)
def test_training_in_stages_starts_like_any_other(tmp_path, script, program, arguments):
    environment = _environment(PATH=_with_stand_in(tmp_path, program), TOOL='train_pul.py')
    done = subprocess.run(
        ['bash', f'tools/{script}', *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert 'tools/train_pul.py' in done.stdout.split('\n')


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_missing_arguments_end_in_the_usage(script):
    done = subprocess.run(
        ['bash', f'tools/{script}', 'x'],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (
        done.returncode == 2
        and done.stderr.startswith('usage: ')
        and len(done.stderr.splitlines()) == 1
    )


@pytest.mark.process
@pytest.mark.slow
def test_two_nodes_on_this_machine_learn_the_same(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    # Data split over two ranks, learning rate scaled to 2 x 2 groups instead of 48.
    config = tmp_path / 'tiny.py'
    tiny_config(tmp_path / 'work', **{'train_cfg.max_epochs': 1}).dump(config)
    command = ['bash', 'tools/dist_train.sh', str(config), '1', '--auto-scale-lr']
    nodes = []
    for rank in ('0', '1'):
        environment = _environment(NNODES='2', NODE_RANK=rank, MASTER_ADDR='127.0.0.1', PORT=port)
        log = (tmp_path / f'node_{rank}.log').open('w', encoding='utf-8')
        nodes.append(
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        )
    try:
        codes = [node.wait(timeout=240) for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert codes == [0, 0], (tmp_path / 'node_0.log').read_text(encoding='utf-8')[-3000:]
    first, second = (read_losses(tmp_path / 'work', rank) for rank in (0, 1))
    assert len(first) == len(second) == 2, 'eight groups, two a step, on two ranks'
    assert [row['loss'] for row in first] != [row['loss'] for row in second], (
        'each rank has its own groups'
    )
    assert [row['lr'] for row in first + second] == pytest.approx([5e-3 * 4 / 48 * 0.5] * 4)
    assert (tmp_path / 'work/epoch_1.pth').is_file()


def test_batch_norm_becomes_synchronised_and_stays_known_to_the_hooks():
    # Its forward pass needs GPUs; what the key sync_bn = 'torch' does before it is the same
    # everywhere.
    cfg = tiny_config(Path('unused'))
    model = MODELS.build(cfg.model)
    plain = {
        name for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)
    }
    converted = convert_sync_batchnorm(model, 'torch')
    synchronised = {
        name
        for name, module in converted.named_modules()
        if isinstance(module, torch.nn.SyncBatchNorm)
    }
    assert synchronised == plain and plain
    assert all(isinstance(converted.get_submodule(name), _BatchNorm) for name in synchronised)


STRATEGIES = {'DDP': dict(type='DDPStrategy'), 'FSDP': dict(type='ResumableFSDPStrategy')}


def _start(config: Path, *arguments: str) -> None:
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    command = ['bash', 'tools/dist_train.sh', str(config), '2', *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(PORT=port),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.process
@pytest.mark.slow
def test_strategies_learn_the_same_and_go_on_inside_an_epoch(tmp_path):
    learnt = {}
    for name, strategy in STRATEGIES.items():
        cfg = tiny_config(
            tmp_path / name,
            **{'default_hooks.checkpoint.by_epoch': False, 'default_hooks.checkpoint.interval': 3},
        )
        cfg.runner_type, cfg.strategy = 'FlexibleRunner', strategy
        cfg.dump(tmp_path / f'{name}.py')
        _start(tmp_path / f'{name}.py')
        learnt[name] = [
            [row['loss'] for row in read_losses(tmp_path / name, rank)] for rank in (0, 1)
        ]
        saved = tmp_path / name / 'iter_3.pth'
        _start(
            tmp_path / f'{name}.py',
            '--resume',
            str(saved),
            '--work-dir',
            str(tmp_path / name / 'again'),
        )
        again = [
            [row['loss'] for row in read_losses(tmp_path / name / 'again', rank)] for rank in (0, 1)
        ]
        assert again == [losses[3:] for losses in learnt[name]], (
            'two batches an epoch: the third step ends inside the second epoch'
        )
        check_fit(MODELS.build(cfg.model), saved)
    assert [len(losses) for losses in learnt['DDP']] == [4, 4]
    assert sum(learnt['FSDP'], []) == pytest.approx(sum(learnt['DDP'], []), rel=1e-4)
