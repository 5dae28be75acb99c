"""The record of a training beside its checkpoints: start, epochs, end, a resumed run, and one
writer."""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from usot_plugin.engine.hooks import RunRecordHook, run_record
from usot_plugin.utils.config import ConfigError


@pytest.fixture
def runner(tmp_path):
    losses = {'train/loss': [4.0, 2.0], 'train/loss_cls': [float('nan')], 'train/lr': [0.1]}
    scalars = {name: HistoryBuffer(values, [1] * len(values)) for name, values in losses.items()}
    hub = SimpleNamespace(log_scalars=scalars)
    cfg = SimpleNamespace(filename='/somewhere/configs/tiny.py')
    return SimpleNamespace(
        work_dir=str(tmp_path), cfg=cfg, seed=3, epoch=0, iter=0, world_size=1, message_hub=hub
    )


def entries(runner) -> list[dict]:
    return json.loads(Path(runner.work_dir, 'run.json').read_text())


def test_an_entry_from_start_to_end(runner, monkeypatch):
    clock = iter([(100.0, 10.0), (100.0, 10.0), (160.0, 40.0), (165.5, 42.25)])
    times: dict[str, float] = {}

    def wall() -> float:
        times['wall'], times['cpu'] = next(clock)
        return times['wall']

    monkeypatch.setattr(run_record, 'time', SimpleNamespace(monotonic=wall))
    monkeypatch.setattr(run_record, 'cpu_seconds', lambda: times['cpu'])
    hook = RunRecordHook()
    hook.before_train(runner)
    (entry,) = entries(runner)
    assert entry['config'] == 'tiny.py' and entry['command'] == sys.argv and entry['seed'] == 3
    assert (
        entry['end'] is None
        and entry['start'].endswith('+00:00')
        and entry['wall_s'] == entry['cpu_s'] == 0
    )
    assert set(entry['versions']) == {'usot_plugin', 'python', 'torch', 'mmengine', 'numpy'}
    runner.iter = 4
    hook.after_train_epoch(runner)
    (entry,) = entries(runner)
    assert (entry['epoch'], entry['iteration'], entry['wall_s'], entry['cpu_s'], entry['end']) == (
        1,
        4,
        60,
        30,
        None,
    )
    assert entry['losses'] == {'loss': 3.0}
    runner.epoch = 1
    hook.after_train(runner)
    (entry,) = entries(runner)
    assert entry['end'] and (entry['epoch'], entry['wall_s'], entry['cpu_s']) == (1, 65.5, 32.2)
    assert (entry['from_epoch'], entry['from_iteration']) == (0, 0)


def test_a_resumed_run_adds_an_entry(runner):
    RunRecordHook().before_train(runner)  # and is stopped
    runner.epoch, runner.iter = 2, 8
    hook = RunRecordHook()
    hook.before_train(runner)
    hook.after_train(runner)
    first, second = entries(runner)
    assert (
        first['end'] is None
        and second['end']
        and (second['from_epoch'], second['from_iteration']) == (2, 8)
    )


def test_the_commit_goes_into_every_checkpoint(runner, monkeypatch):
    monkeypatch.setattr(run_record, 'code_version', lambda: 'commit')
    hook, checkpoint = RunRecordHook(), {'meta': {}}
    hook.before_train(runner)
    hook.before_save_checkpoint(runner, checkpoint)
    assert checkpoint['meta']['code'] == entries(runner)[0]['code'] == 'commit'


def test_only_the_first_process_writes(runner, monkeypatch):
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: 1)
    hook, checkpoint = RunRecordHook(), {'meta': {}}
    for step in (hook.before_train, hook.after_train_epoch, hook.after_train):
        step(runner)
    hook.before_save_checkpoint(runner, checkpoint)
    assert not list(Path(runner.work_dir).iterdir()) and checkpoint == {'meta': {}}


@pytest.mark.parametrize('text', ['{"a": 1}', 'words', ''])
def test_another_file_of_this_name_is_never_replaced(runner, text):
    file = Path(runner.work_dir, 'run.json')
    file.write_text(text)
    with pytest.raises(ConfigError, match=r'run\.json: not a record of trainings .*; move it away'):
        RunRecordHook().before_train(runner)
    assert file.read_text() == text


def _work(ready, done) -> None:
    sum(range(5_000_000))
    ready.set()
    done.wait()


@pytest.mark.skipif(
    not Path('/proc/self/stat').exists(), reason='the time of a running child is read from /proc'
)
def test_loaders_that_still_run_are_counted():
    before = run_record.cpu_seconds()
    context = multiprocessing.get_context('fork')
    ready, done = context.Event(), context.Event()
    child = context.Process(target=_work, args=(ready, done))
    child.start()
    try:
        assert ready.wait(60)
        running = run_record.cpu_seconds()
    finally:
        done.set()
        child.join()
    assert running - before >= 0.02 and run_record.cpu_seconds() >= running - 0.05


def test_every_config_with_the_default_runtime_has_it():
    cfg = Config.fromfile(Path(__file__).parents[2] / 'configs/_base_/default_runtime.py')
    assert cfg.default_hooks.run_record == dict(type='RunRecordHook')
