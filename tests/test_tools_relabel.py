"""tools/relabel.py and tools/self_train.sh as their users call them: processes of their own on real
files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.utils.test_folder_lock import hold
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.structures.boxes import iou
from usot_plugin.testing.media import moving_square_frames, write_video
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[1]
TOOL = ROOT / 'tools/relabel.py'
CONFIG = 'configs/quick/usot_quick.py'

#: A tracker that finds the white border of the square, and tells its size rightly.
FUNCTION = """
import numpy as np

def follow(frame, box, memory):
    rows, columns = np.nonzero(frame.min(-1) > 235)
    if box is not None:
        memory['box'] = box
    elif len(rows):
        x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        memory['box'] = np.array([x1, y1, x2, y2], float)
    return memory['box']
"""


def environment(**extra: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    return {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
        **extra,
    }


def run(*command: object, **extra: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


@pytest.fixture
def place(tmp_path):
    frames, boxes = moving_square_frames(40, (160, 120), side_px=36, step_px=2)
    frames = np.where(frames == 255, 255, np.minimum(frames, 180)).astype(np.uint8)
    clip = write_video(tmp_path / 'clip.mp4', frames)
    track = pseudo_track(boxes + [-5, -5, 5, 5], frame_quality=np.full(40, 0.8, np.float32))
    write_table_part(
        tmp_path / 'table', 'clip.mp4', clip, track, config=DiscoveryConfig().to_dict()
    )
    (tmp_path / 'mine.py').write_text(FUNCTION)
    return tmp_path, boxes


@pytest.mark.process
def test_a_function_labels_a_video_again(place):
    folder, truth = place
    command = (sys.executable, TOOL, CONFIG, 'none', folder / 'table', '--out', folder / 'new')
    command = (
        *command,
        '--tracker',
        f'{folder / "mine.py"}:follow',
        '--workers',
        1,
        '--old-weight',
        0.0,
    )
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert '1 of 1 clips' in done.stdout and 'kept            1' in done.stdout
    row = read_table(folder / 'new.parquet')[0]
    assert np.nanmean(iou(row.track.boxes_xyxy.astype(float), truth)) > 0.9
    (made,) = read_table(folder / 'new').info.rounds
    assert (
        made['round'] == 1
        and made['config'] == 'usot_quick.py'
        and made['relabel']['old_weight'] == 0.0
    )
    again = run(*command)
    assert again.returncode == 0 and '1 were finished by an earlier run' in again.stdout


def test_the_weights_of_the_package_label_too(place):
    folder, _ = place
    status = run_tool_main(
        TOOL,
        ROOT / 'configs/pretrained/usot_small.py',
        'pretrained',
        folder / 'table',
        '--out',
        folder / 'new',
        '--device',
        'cpu',
        '--quiet',
    )
    assert status == 0
    (made,) = read_table(folder / 'new').info.rounds
    assert (
        made['checkpoint'] == 'usot_small.pth'
        and len(made['checkpoint_sha256']) == 64
        and made['tracker'] == 'USOTTracker'
    )


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            (CONFIG, 'none', 'TABLE', '--out', 'NEW'),
            "USOTTracker needs weights: give CHECKPOINT, not 'none'",
        ),
        ((CONFIG, 'gone.pth', 'TABLE', '--out', 'NEW'), 'gone.pth'),
        (('configs/quick/usot_quik.py', 'none', 'TABLE', '--out', 'NEW'), 'did you mean'),
        (
            (CONFIG, 'none', 'nowhere', '--out', 'NEW', '--tracker', 'StandStill'),
            'nowhere: no such pseudo-box table',
        ),
        (
            (CONFIG, 'none', 'TABLE', '--out', 'TABLE', '--tracker', 'StandStill'),
            'not re-labelled != re-labelled by StandStill',
        ),
        (
            (
                CONFIG,
                'none',
                'TABLE',
                '--out',
                'NEW',
                '--tracker',
                'StandStill',
                '--step-frames',
                '0',
            ),
            'step_frames must be 1 or more, got 0',
        ),
        (
            (
                CONFIG,
                'none',
                'TABLE',
                '--out',
                'NEW',
                '--tracker',
                'StandStill',
                '--min-agreement',
                '2',
            ),
            'min_agreement must be in [0, 1]',
        ),
        (
            (CONFIG, 'none', 'TABLE', '--out', 'NEW', '--workers', '-1'),
            '--workers must be 0 or more',
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(place, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(ROOT)
    folder, _ = place
    names = {'TABLE': folder / 'table', 'NEW': folder / 'new'}
    before = sorted(file.name for file in (folder / 'table').glob('*.parquet'))
    assert run_tool_main(TOOL, *(names.get(word, word) for word in arguments)) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and message in error[0]
    assert not (folder / 'new.parquet').exists()
    assert sorted(file.name for file in (folder / 'table').glob('*.parquet')) == before


@pytest.mark.process
def test_a_second_run_in_the_same_folder_is_refused(place, capsys):
    folder, _ = place
    first = hold(folder / 'taken')
    try:
        config = ROOT / 'configs/quick/usot_quick.py'
        arguments = [config, 'none', folder / 'table', '--out', folder / 'taken']
        assert run_tool_main(TOOL, *arguments, '--tracker', 'StandStill') == 2
    finally:
        first.kill()
        first.wait()
    assert capsys.readouterr().err.startswith(f'error: {folder}/taken: in use since 20')


def test_a_clip_that_is_gone_is_named_and_the_status_says_so(place):
    folder, _ = place
    (folder / 'clip.mp4').unlink()
    status = run_tool_main(
        TOOL,
        ROOT / CONFIG,
        'none',
        folder / 'table',
        '--out',
        folder / 'new',
        '--tracker',
        'StandStill',
    )
    assert status == 1
    assert read_table(folder / 'new')[0].reason == 'unreadable'


@pytest.mark.process
def test_the_script_refuses_what_is_not_there(tmp_path):
    for arguments, extra, message in (
        ([], {}, 'usage: '),
        ([tmp_path / 'gone'], {}, 'no such file'),
        ([tmp_path], {'ROUNDS': '0'}, 'ROUNDS=0'),
        (
            [tmp_path],
            {'CONFIG': 'configs/quick/s2siamfc_quick.py'},
            's2siamfc_quick.py: cannot be trained in rounds: ',
        ),
        (
            [tmp_path],
            {'OPTIONS': 'train_dataloader.dataset.box_source=random'},
            "box_source 'random'",
        ),
        ([tmp_path], {'DISCOVERY': 'configs/discovery/mask.py'}, "did you mean 'masks.py'?"),
    ):
        done = run('bash', 'tools/self_train.sh', *arguments, OUT=str(tmp_path / 'out'), **extra)
        assert done.returncode == 2 and message in done.stderr and not (tmp_path / 'out').exists()
        assert len(done.stderr.splitlines()) == 1


#: In place of Python: writes down what each tool is called with, and leaves the checkpoint of a
#: training.
RECORDER = """#!/usr/bin/env bash
case $1 in tools/*) ;; *) exec "$REAL_PYTHON" "$@" ;; esac
echo "$*" >>"$CALLS"
[ "$1" != tools/build_crop_store.py ] || mkdir -p "$4"
case $1 in tools/train*) mkdir -p "$4" && echo "$4/epoch_3.pth" >"$4/last_checkpoint" ;; esac
"""


@pytest.mark.process
@pytest.mark.parametrize('config', ['pul_quick', 'udt_quick'])
def test_each_family_is_trained_by_its_tool_on_the_table_of_the_round(tmp_path, config):
    (tmp_path / 'bin').mkdir()
    python = tmp_path / 'bin/python'
    python.write_text(RECORDER)
    python.chmod(0o755)
    options = {
        'PATH': f'{python.parent}{os.pathsep}{os.environ["PATH"]}',
        'VIRTUAL_ENV': str(tmp_path),  # an active environment is taken as it is
        'REAL_PYTHON': sys.executable,
        'CALLS': str(tmp_path / 'calls'),
        'CONFIG': f'configs/quick/{config}.py',
        'DISCOVERY': 'configs/discovery/multi_object.py',
        'OUT': str(tmp_path / 'out'),
        'KEEP': '1',
        'SEED': '3',
    }
    (tmp_path / 'clips').mkdir()
    done = run('bash', 'tools/self_train.sh', tmp_path / 'clips', **options)
    assert done.returncode == 0, done.stderr
    calls = [line.split() for line in (tmp_path / 'calls').read_text().splitlines()]
    staged = config == 'pul_quick'
    tool, prefix = ('tools/train_pul.py', 'discrimination.') if staged else ('tools/train.py', '')
    steps = ['tools/build_crop_store.py', tool]
    assert [call[0] for call in calls] == [
        'tools/discover_boxes.py',
        *steps,
        'tools/relabel.py',
        *steps,
    ]
    assert calls[0][1] == str(ROOT / 'configs/discovery/multi_object.py')
    for number, call in ((1, calls[2]), (2, calls[5])):
        here = tmp_path / f'out/round{number}'
        dataset = f'{prefix}train_dataloader.dataset'
        assert {
            f'{dataset}.table={here}/table',
            f'{dataset}.crop_store={here}/crops',
            f'{dataset}.seed=3',
        } <= set(call)
        assert {'randomness.seed=3', 'train_dataloader.dataset.seed=3'} <= set(call)
        assert (f'shared_dir={here}/train' in call) == staged
    kept = f'load_from={tmp_path}/out/round1/train/epoch_3.pth'
    assert kept in calls[5] and kept not in calls[2]
    other = run('bash', 'tools/self_train.sh', tmp_path / 'clips', **{**options, 'SEED': '4'})
    assert (
        other.returncode == 2 and 'SEED=3' in other.stderr and len(other.stderr.splitlines()) == 1
    )
    again = run('bash', 'tools/self_train.sh', tmp_path / 'clips', **{**options, 'WORKERS': '2'})
    assert again.returncode == 0 and 'epoch_3.pth' in again.stdout


@pytest.mark.process
@pytest.mark.slow
def test_two_rounds_from_videos_and_again(tmp_path):
    for index in range(2):
        write_clip(tmp_path / f'clip_{index}.mp4', render_clip(index, frames=40)[0])
    # A tracker that stays where it is agrees with itself, so the second round has something to
    # train on whatever the first has learnt.
    config = tmp_path / 'tiny.py'
    config.write_text(
        f"_base_ = ['{ROOT / CONFIG}']\n"
        "model = dict(test_cfg=dict(_delete_=True, type='StandStill'))\n"
        'train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, '
        'dataset=dict(samples_per_epoch=2))\n'
        'train_cfg = dict(max_epochs=1)\n'
    )
    clips, out = sorted(tmp_path.glob('*.mp4')), tmp_path / 'out'
    options = {
        'CONFIG': str(config),
        'OUT': str(out),
        'RELABEL': '--min-fragment-frames 5 --min-support 0',
        'KEEP': '1',
        'ROUNDS': '1',
    }
    first = run('bash', 'tools/self_train.sh', *clips, **options)
    assert first.returncode == 0, first.stderr
    assert 'round 1: ' in first.stdout and not (out / 'round2').exists()
    second = run('bash', 'tools/self_train.sh', *clips, **{**options, 'ROUNDS': '2'})
    assert second.returncode == 0, second.stderr
    made = read_table(out / 'round2/table').info.rounds
    assert [one['model'] for one in made] == ['StandStill']
    log = (out / 'round2/train.log').read_text()
    assert 'round1/train/epoch_1.pth' in log  # KEEP: its weights
    states = {
        file: file.stat().st_mtime_ns
        for file in out.rglob('*')
        if file.suffix in ('.pth', '.parquet', '.mdb')
    }
    third = run('bash', 'tools/self_train.sh', *clips, **{**options, 'ROUNDS': '2'})
    assert third.returncode == 0 and third.stdout.count('round ') == 2
    assert {file: file.stat().st_mtime_ns for file in states} == states
