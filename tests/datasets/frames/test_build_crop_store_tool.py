"""tools/build_crop_store.py and tools/analysis/browse_dataset.py as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.frames.crop_store import StoredCrops
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / 'tools'

CONFIG = """
train_dataloader = dict(dataset=dict(
    type='PseudoBoxDataset',
    table={table!r},
    crop_store={store!r},
    samples_per_epoch=9,
    pipeline=[
        dict(type='SiameseCrop', views=['template'], size=127, shift_px=4, scale=0.05),
        dict(type='SiameseCrop', views=['search', 'memory'], size=255, shift_px=64, scale=0.18),
        dict(type='PackSOTInputs'),
    ],
))
"""


def run(tool: str, *args: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / 'tools' / tool), *map(str, args)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


@pytest.mark.process
def test_store_then_browse(rendered, tmp_path):
    store = tmp_path / 'store'
    first = run(
        'build_crop_store.py', rendered / 'table', '--out', store, '--workers', 1, '--step', 2
    )
    assert first.returncode == 0, first.stderr
    assert f'4 clips, 40 crops written to {store}; 0 were there, 0 failed' in first.stdout
    again = run(
        'build_crop_store.py', rendered / 'table', '--out', store, '--workers', 0, '--step', 2
    )
    assert (
        again.returncode == 0
        and '0 clips, 0 crops written' in again.stdout
        and '4 were there' in again.stdout
    )
    assert (
        StoredCrops(store).complete(DiscoveredBoxes(rendered / 'table').track(3)).available.sum()
        == 10
    )

    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(table=str(rendered / 'table'), store=str(store)))
    browse = run('analysis/browse_dataset.py', config, '--out', tmp_path / 'sheets', '--count', 4)
    assert browse.returncode == 0, browse.stderr
    for stage, images in (('naive', 127 + 255), ('cycle', 127 + 5 * 255)):
        sheet = cv2.imread(str(tmp_path / 'sheets' / f'{stage}.png'))
        count = 2 if stage == 'naive' else 6
        assert sheet.shape == (2 * (255 + 16), 2 * (images + 4 * count), 3)


@pytest.mark.process
def test_frames_mode(rendered, tmp_path):
    done = run(
        'build_crop_store.py',
        rendered / 'table',
        '--out',
        tmp_path / 'frames',
        '--frames',
        '--workers',
        0,
        '--quiet',
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'frames' / 'clip_0.mp4').iterdir())) == 20
    assert done.stdout.count('\n') == 1


@pytest.mark.process
def test_a_broken_clip_is_named_and_the_exit_code_says_so(rendered, tmp_path):
    for name in ('gone.mp4', 'good.mp4'):
        path = rendered / 'clips' / 'clip_0.mp4' if name == 'good.mp4' else tmp_path / name
        write_table_part(tmp_path / 'table', name, path, pseudo_track([[10.0, 10, 50, 50]] * 20))
    done = run(
        'build_crop_store.py',
        tmp_path / 'table',
        '--out',
        tmp_path / 'store',
        '--quiet',
        '--workers',
        0,
    )
    assert done.returncode == 1
    assert (
        'gone.mp4: failed: ' in done.stderr
        and 'no such file' in done.stderr
        and '1 clips, 20 crops' in done.stdout
    )


@pytest.mark.parametrize(
    'args, message',
    [
        (['nowhere', '--out', 'x'], 'nowhere: no such pseudo-box table'),
        (['TABLE', '--out', 'x', '--size', '100'], '--size >= 255'),
    ],
)
def test_wrong_arguments_end_in_one_line(rendered, tmp_path, args, message, capsys):
    args = [
        str(rendered / 'table') if arg == 'TABLE' else str(tmp_path / arg) if arg == 'x' else arg
        for arg in args
    ]
    assert run_tool_main(TOOLS / 'build_crop_store.py', *args) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


def test_browsing_a_config_without_training_data(tmp_path, capsys):
    (tmp_path / 'config.py').write_text('model = dict()\n')
    tool = TOOLS / 'analysis/browse_dataset.py'
    assert run_tool_main(tool, tmp_path / 'config.py', '--out', tmp_path) == 2
    error = capsys.readouterr().err
    assert 'no train_dataloader.dataset' in error and error.count('\n') == 1
