"""A training as the tools run it: what it says, and what it leaves behind in its process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from tests.engine.tiny_training import read_losses, tiny_config
from usot_plugin.cli.train import build_config, parse_args
from usot_plugin.engine.training_run import build_runner, compile_parts
from usot_plugin.testing.device_checks import tensor_float32
from usot_plugin.testing.tools import run_tool_main
from usot_plugin.utils.checkpoint import load_checkpoint
from usot_plugin.utils.config import ConfigError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_process(monkeypatch) -> None:
    """What torchrun gives to the only process of a run."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    here = {
        'RANK': 0,
        'LOCAL_RANK': 0,
        'WORLD_SIZE': 1,
        'MASTER_ADDR': '127.0.0.1',
        'MASTER_PORT': port,
    }
    for name, value in here.items():
        monkeypatch.setenv(name, str(value))
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.mark.process
def test_a_distributed_run_ends_its_process_group_and_says_nothing_of_the_hosts_own_code(
    tmp_path, one_process, monkeypatch
):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    cfg = tiny_config(
        tmp_path / 'work', **{'train_cfg.max_epochs': 1, 'train_dataloader.dataset.length': 2}
    )
    cfg.dump(tmp_path / 'tiny.py')
    assert (
        run_tool_main(ROOT / 'tools/train.py', tmp_path / 'tiny.py', '--launcher', 'pytorch') == 0
    )
    assert (tmp_path / 'work/epoch_1.pth').is_file()
    assert not dist.is_initialized()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    text = log.read_text(encoding='utf-8')
    assert 'Checkpoints will be saved to' in text, 'the notices stand before this line'
    assert 'FileClient" will be' not in text and 'HardDiskBackend' not in text


def _train(folder: Path, name: str, *arguments: str, **changes):
    cfg = tiny_config(folder / name, **changes)
    cfg.dump(folder / f'{name}.py')
    runner = build_runner(build_config(parse_args([str(folder / f'{name}.py'), *arguments])), name)
    runner.train()
    return runner, [row['loss'] for row in read_losses(folder / name)]


@pytest.mark.process
def test_ddp_waits_for_what_learns_in_an_epoch_and_searches_no_graph(
    tmp_path, one_process, monkeypatch, capfd
):
    # Backbone and memory branch learn from the second epoch on.
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    alone, losses = _train(tmp_path, 'alone')
    first = {
        name: value.clone()
        for name, value in load_checkpoint(tmp_path / 'alone/epoch_1.pth')['state_dict'].items()
    }
    runner, shared = _train(tmp_path, 'shared', '--launcher', 'pytorch')
    assert shared == pytest.approx(losses, rel=1e-5)
    assert not runner.model.find_unused_parameters
    learnt = dict(runner.model.module.named_parameters())
    for part in ('backbone.layer1', 'head.memory.', 'head.memory_conv', 'head.cls_search'):
        names = [name for name in learnt if name.startswith(part)]
        assert names and all(not torch.equal(learnt[name], first[name]) for name in names), part
        for name in names:
            torch.testing.assert_close(
                learnt[name], dict(alone.model.named_parameters())[name], rtol=1e-4, atol=1e-6
            )
    said = capfd.readouterr()
    assert 'find_unused_parameters=True was specified' not in said.out + said.err
    counts = [
        line
        for line in (said.out + said.err).splitlines()
        if 'the processes share the gradients of' in line
    ]
    assert len(counts) == 2 and 'epoch 1' in counts[0] and 'epoch 2' in counts[1]


@pytest.mark.parametrize(
    'changes',
    [{'find_unused_parameters': False, 'model.train_cfg.cycle_start_epoch': 0, 'custom_hooks': []}],
)
def test_a_run_without_the_search_is_left_as_it_is(tmp_path, one_process, monkeypatch, changes):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    cfg = tiny_config(
        tmp_path / 'plain',
        **{'train_cfg.max_epochs': 1, 'train_dataloader.dataset.length': 2, **changes},
    )
    cfg.dump(tmp_path / 'plain.py')
    runner = build_runner(
        build_config(parse_args([str(tmp_path / 'plain.py'), '--launcher', 'pytorch'])), 'plain'
    )
    wrapper = runner.model
    runner.train()
    assert runner.model is wrapper


@pytest.mark.parametrize(('option', 'enabled'), [('on', True), ('off', False)])
def test_tf32_is_said_and_set(tmp_path, option, enabled):
    short = {'train_cfg.max_epochs': 1, 'train_dataloader.dataset.length': 2}
    with tensor_float32(not enabled, not enabled):  # puts back what was there
        _train(tmp_path, option, '--tf32', option, **short)
        assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is enabled
    (log,) = (tmp_path / option).glob('*/*.log')
    assert f'TF32 is {option}' in log.read_text(encoding='utf-8')


@pytest.mark.process
def test_compile_takes_backbone_and_neck_and_says_so(tmp_path):
    short = {
        'train_cfg.max_epochs': 1,
        'train_dataloader.dataset.length': 4,
        'model.train_cfg.cycle_start_epoch': 0,
    }
    _, losses = _train(tmp_path, 'plain', **short)
    runner, compiled = _train(tmp_path, 'compiled', **short, compile=dict(backend='aot_eager'))
    assert compiled == pytest.approx(losses, rel=1e-4)
    assert 'train_step' not in vars(runner.model), 'not the whole step'
    assert [
        name for name, module in runner.model.named_children() if module._compiled_call_impl
    ] == ['backbone', 'neck']
    (log,) = (tmp_path / 'compiled').glob('*/*.log')
    text = log.read_text(encoding='utf-8')
    assert 'torch.compile: backbone and neck.' in text.split('Epoch(train)')[0]
    keys = [
        list(load_checkpoint(tmp_path / name / 'epoch_1.pth')['state_dict'])
        for name in ('plain', 'compiled')
    ]
    assert keys[0] == keys[1]


def test_nothing_to_compile_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match='compile: Linear has neither backbone nor neck'):
        compile_parts(torch.nn.Linear(1, 1))
