"""CycleSiam+ through the tools: discovered with masks, trained, and its masks on DAVIS, on VOT and
in a video."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.datasets.benchmarks.davis import DAVISDataset, read_labels
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.engine.training_run import build_runner
from usot_plugin.structures.clip import open_clip
from usot_plugin.structures.regions import PolygonRegion, parse_region
from usot_plugin.testing.benchmarks import write_davis, write_vot
from usot_plugin.testing.media import moving_square_frames, write_frames, write_video
from usot_plugin.testing.tools import run_tool_main
from usot_plugin.utils.config import ConfigError, load_config

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs/quick/cyclesiam-plus_quick.py'
#: Two steps teach a network nothing; a mask is whatever it does not rule out.
ANY_MASK = 'model.test_cfg.mask_threshold=0.05'


def options(table: Path, **more: object) -> dict[str, object]:
    """Two steps of two groups, tracked 1-2-1."""
    return {
        'model.train_cfg.cycle_start_epoch': 0,
        'train_dataloader.dataset.table': table,
        'train_dataloader.dataset.samples_per_epoch': 4,
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        **more,
    }


@pytest.fixture(scope='module')
def table(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('clips')
    frames, _ = render_clip(2, 45, (160, 120), occluders=0, camera_px=0)
    write_clip(folder / 'clips' / 'a.mp4', frames)
    found = run_tool_main(
        ROOT / 'tools/discover_boxes.py',
        ROOT / 'configs/discovery/masks.py',
        folder / 'clips',
        '--out',
        folder / 'table',
        '--workers',
        0,
    )
    assert found == 0
    return folder / 'table'


@pytest.fixture(scope='module')
def checkpoint(table, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('work')
    given = [f'{key}={value}' for key, value in options(table).items()]
    run_tool_main(ROOT / 'tools/train.py', CONFIG, '--work-dir', work_dir, '--cfg-options', *given)
    (file,) = work_dir.rglob('scalars.json')
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 2 and all(0 < line['loss_mask'] < np.inf for line in lines), (
        'masks of the table are learnt'
    )
    return work_dir / 'epoch_1.pth'


def run_test(checkpoint: Path, out: Path, benchmark: str, data: Path, *options: str) -> Path:
    command = [
        CONFIG,
        checkpoint,
        '--benchmark',
        benchmark,
        '--data-root',
        data,
        '--out',
        out,
        '--work-dir',
        out / 'work',
    ]
    assert run_tool_main(ROOT / 'tools/test.py', *command, '--cfg-options', ANY_MASK, *options) == 0
    return out / 'SiamRPNTracker'


def test_the_table_holds_masks(table):
    rows = read_table(table).kept()
    assert len(rows) == 1 and len(rows[0].track.mask_runs) == 45
    assert sum(len(runs) > 0 for runs in rows[0].track.mask_runs) > 10


@pytest.mark.process
def test_davis_gets_the_masks_of_all_objects(checkpoint, tmp_path):
    write_davis(tmp_path / 'DAVIS', ['bear'], frames=4)
    results = run_test(checkpoint, tmp_path / 'out', 'davis2017', tmp_path / 'DAVIS')
    labels = [read_labels(path) for path in sorted((results / 'bear').glob('*.png'))]
    assert len(labels) == 4
    assert {1, 2} <= set(np.unique(labels[1:])), 'both objects have pixels after the first frame'
    scores = json.loads((results / 'vos.json').read_text())['totals']
    assert 0 <= scores['mean of objects']['j_and_f'] <= 100


@pytest.mark.process
def test_vot_gets_rotated_boxes(checkpoint, tmp_path):
    write_vot(tmp_path / 'VOT', ['bag'], frames=5, regions='polygon', color_folder=True)
    results = run_test(
        checkpoint,
        tmp_path / 'out',
        'vot2018',
        tmp_path / 'VOT',
        'model.test_cfg.region=rotated_box',
    )
    (file,) = results.rglob('bag_001.txt')
    regions = [parse_region(line) for line in file.read_text().splitlines()]
    polygons = [region for region in regions if isinstance(region, PolygonRegion)]
    assert len(regions) == 5 and polygons and all(len(region.points_xy) == 4 for region in polygons)


def test_the_demo_tints_the_mask(checkpoint, tmp_path):
    frames, boxes = moving_square_frames(4, (160, 120), side_px=30)
    video = write_video(tmp_path / 'in.mp4', frames, options={'crf': '10'})
    x1, y1, x2, y2 = boxes[0].astype(int)
    model = ['--config', CONFIG, '--checkpoint', checkpoint, '--cfg-options', ANY_MASK]
    target = ['--box', f'{x1},{y1},{x2 - x1},{y2 - y1}', '--out', tmp_path / 'out']
    for name, more in (('mask', []), ('box', ['model.test_cfg.region=box'])):
        assert (
            run_tool_main(
                ROOT / 'tools/demo.py', video, *model, *more, *target[:-1], tmp_path / name
            )
            == 0
        )
    masked, plain = (
        np.stack([image for _, image in open_clip(tmp_path / name / 'in.mp4').iter_frames(1, 4)])
        for name in ('mask', 'box')
    )
    tinted = np.abs(masked.astype(int) - plain).max(-1) > 25
    assert tinted.any((1, 2)).all(), 'every frame after the first has a mask'
    assert (masked[tinted].mean(0) - plain[tinted].mean(0)).argmax() == 1, (
        'tinted in the colour of the first target, which is green'
    )


@pytest.mark.process
def test_a_way_that_the_data_do_not_hold_is_refused_before_the_first_step(table, tmp_path):
    cfg = load_config(CONFIG, options(str(table), **{'model.train_cfg.hops': (1, 2, 3, 2, 1)}))
    cfg.work_dir, cfg.experiment_name = (
        str(tmp_path),
        'too_long',
    )  # MMEngine keeps one logger for each name
    runner = build_runner(cfg, str(CONFIG))
    with pytest.raises(
        ConfigError,
        match=r'^model.train_cfg.hops = .* but train_dataloader.dataset.frame_sampler.views.hops '
        r'holds 1$',
    ):
        runner.train()


def test_the_commands_of_the_page_make_davis_of_a_folder_of_sequences(tmp_path):
    frames, boxes = moving_square_frames(3)
    write_frames(tmp_path / 'sequences' / 'b' / 'img', frames, '{:05d}.jpg')
    (tmp_path / 'sequences' / 'without_masks').mkdir()
    labels = np.zeros(frames.shape[:3], np.uint8)
    for image, (x1, y1, x2, y2) in zip(labels, boxes.astype(int), strict=True):
        image[y1:y2, x1:x2] = 255
    write_frames(tmp_path / 'sequences' / 'b' / 'masks', labels)
    page = (ROOT / 'docs/cyclesiam.md').read_text(encoding='utf-8')
    (block,) = re.findall(r'(?m)(?:^    .*\n)*^    mkdir -p DAVIS.*\n(?:^    .*\n)*', page)
    subprocess.run(
        ['bash', '-ec', block.replace('SEQUENCES', 'sequences')],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    (sequence,) = DAVISDataset(tmp_path / 'DAVIS')
    assert sequence.name == 'b' and len(sequence) == 3
    np.testing.assert_array_equal(sequence.boxes_xyxy, boxes)
