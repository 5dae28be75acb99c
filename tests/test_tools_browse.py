"""tools/analysis/browse_pseudo_boxes.py on a real table."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.many_clips.pipeline import RunOptions, discover_clips
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import moving_square_frames, write_video

REPO = Path(__file__).resolve().parents[1]
TOOL = REPO / 'tools/analysis/browse_pseudo_boxes.py'


def run_tool(*args) -> subprocess.CompletedProcess:
    import os

    environment = {**os.environ, 'PYTHONPATH': str(REPO), 'OMP_NUM_THREADS': '1'}
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp('browse')
    (root / 'videos').mkdir()
    for index in range(3):
        frames, _ = moving_square_frames(40, (160, 120), side_px=30, step_px=3 + index, seed=index)
        write_video(root / f'videos/clip_{index}.mp4', frames)
    (root / 'videos/bad.mp4').write_text('no video')
    clips = {path.name: path for path in (root / 'videos').iterdir()}
    discover_clips(clips, DiscoveryConfig(), root / 'boxes', RunOptions(workers=0, quiet=True))
    return root


@pytest.mark.process
def test_gallery_and_sheets_of_a_whole_table(place, tmp_path):
    done = run_tool(place / 'boxes.parquet', '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert '4 clips in' in done.stdout
    sheets = sorted((tmp_path / 'out/sheets').iterdir())
    assert len(sheets) == 3 and all(cv2.imread(str(sheet)).shape[1] > 1000 for sheet in sheets)
    page = (tmp_path / 'out/index.html').read_text()
    assert (
        page.count('<article') == 4
        and page.count('data:image/jpeg') == 3
        and 'not a readable video' in page
    )
    good = sum(
        row.samplable for row in read_table(place / 'boxes.parquet') if row.clip == 'clip_0.mp4'
    )
    assert (
        'What quality does not say' in page
        and f'>1 object, {good or "none"} good enough for training<' in page
    )


@pytest.mark.process
def test_moved_videos_are_found_below_their_new_root(place, tmp_path):
    shutil.copytree(place / 'boxes', tmp_path / 'boxes')
    shutil.move(place / 'videos', tmp_path / 'moved')
    try:
        lost = run_tool(tmp_path / 'boxes', '--out', tmp_path / 'lost', '--no-maps')
        assert lost.returncode == 1 and lost.stderr.count('no such file or folder') == 3
        assert '4 clips' in lost.stdout and '3 without a picture' in lost.stdout
        found = run_tool(
            tmp_path / 'boxes',
            '--out',
            tmp_path / 'out',
            '--videos',
            tmp_path / 'moved',
            '--no-maps',
            '--clips',
            'clip_[01]*',
        )
        assert found.returncode == 0 and '2 clips in' in found.stdout, found.stderr
    finally:
        shutil.move(tmp_path / 'moved', place / 'videos')


@pytest.mark.process
@pytest.mark.parametrize(
    'args, message',
    [
        (['nowhere'], 'no such pseudo-box table'),
        (['boxes', '--clips', 'zebra*'], 'no clip fits'),
        (['boxes', '--limit', '0'], 'at least 1'),
    ],
)
def test_usage_errors(place, tmp_path, args, message):
    done = run_tool(place / args[0], *args[1:], '--out', tmp_path / 'out')
    assert done.returncode == 2 and message in done.stderr and 'Traceback' not in done.stderr
