"""tools/train_pretrained.sh: from clips to packed weights, stopped and started again; what a packed
file says of its training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine.tiny_training import tiny_config
from usot_plugin.apis import init_tracker
from usot_plugin.apis.packed_weights import packed_record
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.registry import MODELS
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[1]
#: Four groups an epoch, one epoch a round. A tracker that stays where it is agrees with itself:
#: whatever two rounds have learnt here.
TINY = {
    'COMPOSITES': '2 3',
    'OPTIONS': 'train_dataloader.dataset.quotas=[2,2] train_dataloader.batch_size=2 '
    'train_cfg.max_epochs=1 '
    'train_dataloader.num_workers=0 train_dataloader.persistent_workers=False',
    'RELABEL': '--tracker StandStill --min-fragment-frames 5 --min-support 0',
}


def run(*clips: Path, **extra: str) -> subprocess.CompletedProcess:
    return process('bash', 'tools/train_pretrained.sh', *map(str, clips), **{**TINY, **extra})


def process(*command: str, **extra: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    environment = {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
        **extra,
    }
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550, check=False
    )


def test_a_missing_clip_is_named(tmp_path):
    done = run(tmp_path / 'gone.mp4', OUT=str(tmp_path / 'out'))
    assert (
        done.returncode == 2
        and 'gone.mp4: no such file' in done.stderr
        and not (tmp_path / 'out').exists()
    )


@pytest.mark.process
def test_the_options_of_the_command_line_are_packed(tmp_path):
    cfg = tiny_config(tmp_path / 'work')
    cfg.dump(tmp_path / 'tiny.py')
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'start.pth')
    options = (
        'randomness.seed=3',
        'train_cfg.max_epochs=1',
        'model.test_cfg.type=USOTTracker',
        f'load_from={tmp_path}/start.pth',
    )
    done = process(
        sys.executable, 'tools/train.py', str(tmp_path / 'tiny.py'), '--cfg-options', *options
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (tmp_path / 'sequences').mkdir()
    (tmp_path / 'sequences/groundtruth.txt').write_text('')
    pack = (
        ROOT / 'tools/pack_pretrained.py',
        tmp_path / 'work/epoch_1.pth',
        '--sequences',
        tmp_path / 'sequences',
    )
    assert run_tool_main(*pack, '--out', tmp_path / 'x.pth') == 0
    record = packed_record(tmp_path / 'x.pth')
    assert record['config']['randomness']['seed'] == record['trained']['seed'] == 3
    assert (
        record['config']['load_from'] == 'start.pth'
        and len(record['trained']['load_from_sha256']) == 64
    )
    (run,) = json.loads((tmp_path / 'work/run.json').read_text())
    assert (
        record['trained']['code'] == run['code']
        and run['end']
        and run['epoch'] == 1
        and run['iteration'] == 4
    )
    assert (
        run['config'] == 'tiny.py'
        and 'randomness.seed=3' in run['command']
        and run['losses']['loss'] > 0
        and run['cpu_s'] > 0
    )
    assert str(tmp_path) not in repr(record)


def test_rounds_seeds_and_where_the_weights_go(tmp_path):
    """With a python that writes its command line down, and what the next step reads."""
    fake = tmp_path / 'bin/python'
    fake.parent.mkdir()
    trains = (
        'if [ "$1" = tools/train.py ]; then mkdir -p "$4"; echo "$4/last" > '
        '"$4/last_checkpoint"; fi'
    )
    fake.write_text(f'#!/usr/bin/env bash\necho "$*" >> "$LOG"\n{trains}\n')
    fake.chmod(0o755)
    (tmp_path / 'clip.mp4').touch()
    environment = {
        'VIRTUAL_ENV': str(tmp_path),
        'PATH': f'{tmp_path}/bin:{os.environ["PATH"]}',
        'LOG': str(tmp_path / 'log'),
    }
    done = run(tmp_path / 'clip.mp4', OUT=str(tmp_path / 'out'), **environment)
    assert done.returncode == 0, done.stderr
    commands = [line.split() for line in (tmp_path / 'log').read_text().splitlines()]
    trained = [
        (Path(line[1]), next(word for word in line if 'randomness' in word))
        for line in commands
        if line[0] == 'tools/train.py'
    ]
    assert [config.stem for config, _ in trained] == [
        'usot_small_round1',
        'usot_small_round2',
        'usot_small_round3',
        'usot_small',
    ]
    assert all((ROOT / config).is_file() for config, _ in trained)
    assert [seed for _, seed in trained] == [f'randomness.seed={seed}' for seed in range(4)]
    assert commands[-1][:2] == ['tools/pack_pretrained.py', f'{tmp_path}/out/round4/last']
    assert commands[-1][-2:] == ['--out', f'{tmp_path}/out/usot_small.pth'], (
        'never over the file of the package'
    )


@pytest.mark.process
@pytest.mark.slow
def test_four_rounds_and_on_after_a_stop(tmp_path):
    clips = [tmp_path / f'clip_{index}.mp4' for index in range(2)]
    for index, clip in enumerate(clips):
        write_clip(clip, render_clip(index, frames=40)[0])
    out, weights = tmp_path / 'out', tmp_path / 'out/usot_small.pth'
    first = run(*clips, OUT=str(out))
    assert first.returncode == 0, first.stderr[-3000:]
    for before, after in (('round1', 'round2'), ('round2', 'round3'), ('round3', 'round4')):
        assert f'Load checkpoint from {out}/{before}/epoch_1.pth' in (
            first.stdout + first.stderr
        ), after
    record = packed_record(weights)
    assert [part.get('table') or part['sequences'] for part in record['data']] == [
        'table',
        'table_2',
        'composites',
    ]
    assert record['trained']['epoch'] == 1 and record['trained']['seed'] == 3
    assert (
        set(record['clips']) == {clip.name for clip in clips}
        and None not in record['clips'].values()
    )
    assert [
        part['seed'] for part in record['config']['train_dataloader']['dataset']['datasets']
    ] == [3, 3]
    assert str(tmp_path) not in repr(record)
    assert type(init_tracker(checkpoint=weights, device='cpu')).__name__ == 'USOTTracker'

    (out / 'round4/trained').unlink()
    weights = tmp_path / 'weights.pth'
    again = run(
        *clips,
        OUT=str(out),
        WEIGHTS=str(weights),
        OPTIONS=TINY['OPTIONS'].replace('max_epochs=1', 'max_epochs=2'),
    )
    assert again.returncode == 0, again.stderr[-3000:]
    said = again.stdout + again.stderr
    assert said.count('resumed epoch: 1') == 1, 'the first three rounds are kept'
    assert packed_record(weights)['trained']['epoch'] == 2
