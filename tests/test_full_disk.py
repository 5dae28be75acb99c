"""Tools on disks that are too small: one line, nothing half-written, and the command goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.tiny_training import tiny_config
from usot_plugin.cli import crops, discover, export_annotations, print_config, relabel, track, train
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.testing.tables import pseudo_track, write_table_part

ROOT = Path(__file__).parents[1]
FLOW = 'configs/discovery/default.py'
ALONE = ('--workers', '0')


@pytest.fixture(scope='module')
def films(tmp_path_factory):
    """Three clips and their table."""
    folder = tmp_path_factory.mktemp('films')
    for number in range(3):
        video, boxes = render_clip(number, 24, (160, 120), occluders=0)
        path = write_clip(folder / 'clips' / f'{number}.mp4', video)
        write_table_part(folder / 'table', path.name, path, pseudo_track(boxes[0], number))
    cfg = tiny_config(
        Path('unused'),
        train_cfg=dict(max_epochs=1),
        train_dataloader=dict(dataset=dict(length=4)),
        default_hooks=dict(checkpoint=dict(by_epoch=False, interval=1)),
    )
    cfg.dump(folder / 'tiny.py')
    return folder


def crop_store(films, out):
    return crops.main([str(films / 'table'), '--out', str(out / 'crops'), *ALONE])


def frame_folders(films, out):
    return crops.main([str(films / 'table'), '--out', str(out / 'frames'), '--frames', *ALONE])


def exported(kind, *more):
    def run(films, out):
        return export_annotations.main(
            [str(films / 'table'), '--out', str(out / kind), '--format', kind, *more]
        )

    return run


def discovered(films, out):
    arguments = [str(ROOT / FLOW), str(films / 'clips'), '--out', str(out / 'boxes')]
    return discover.main([*arguments, *ALONE])


def tracked(films, out):
    arguments = ['--tracker', 'StandStill', '--box', '60,40,30,30', '--out', str(out / 'demo')]
    return track.main([str(films / 'clips' / '0.mp4'), *arguments])


def printed(films, out):
    config = str(ROOT / 'configs/usot_r50.py')
    return print_config.main([config, '--save', str(out / 'a.py')])


def relabelled(films, out):
    arguments = [str(ROOT / 'configs/quick/usot_quick.py'), 'none', str(films / 'boxes')]
    return relabel.main([*arguments, '--tracker', 'StandStill', '--out', str(out / 'again')])


def trained(films, out):
    return train.main([str(films / 'tiny.py'), '--work-dir', str(out / 'work'), '--resume'])


#: What is run, and sizes of the disk in KiB that are too small for it.
RUNS = {
    'crop store': (crop_store, (4, 16, 160, 600)),
    'frames': (frame_folders, (4, 16, 160)),
    'export got10k': (exported('got10k'), (4, 40, 160)),
    'export usot-json': (exported('usot-json', '--crops'), (4, 40, 160)),
    'export coco': (exported('coco-video'), (4,)),
    'discovery': (discovered, (4, 12)),
    'demo': (tracked, (4, 12)),
    'config': (printed, (4,)),
    'training': (trained, (4, 24, 400, 900)),
}


@pytest.mark.process
@pytest.mark.parametrize('name', RUNS)
def test_too_small_a_disk(films, small_disk, capfd, name):
    run, sizes = RUNS[name]
    disk = small_disk(sizes[0])
    for size in sizes:
        small_disk(size)
        status = run(films, disk)
        said = capfd.readouterr().err
        assert status == 2, (size, status, said)
        assert 'Traceback' not in said and 'requested and' not in said, (size, said)
        assert f'no space left on {disk}' in said, (size, said)
        assert said.strip().count('\n') == 0 or name == 'training', (size, said)
        assert not [path for path in disk.rglob('.*') if 'tmp' in path.name], size
    small_disk(200_000)
    assert run(films, disk) == 0, capfd.readouterr().err
