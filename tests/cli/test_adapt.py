"""``usot adapt``: what it refuses, what it says, and that a stopped run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.apis import init_tracker
from usot_plugin.cli import adapt
from usot_plugin.cli.adapt import better_of, main, parse_args, report_text, spread, why_nothing
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.testing.media import write_video
from usot_plugin.testing.tables import pseudo_track, write_table_part

TINY = [
    '--workers',
    '0',
    '--cfg-options',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.samples_per_epoch=2',
    'train_cfg.max_epochs=2',
]


def still_clip(path: Path) -> Path:
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    return write_video(path, [frame] * 30)


def report(before: float, after: float, error: float, verdict: str) -> dict:
    rows = [{'clip': 'dog.mp4', 'before': before, 'after': after}]
    mean = {'before': before, 'after': after, 'error': error}
    return {'objects': rows, 'mean': mean, 'verdict': verdict}


def test_it_says_when_after_is_not_better():
    worse = report(0.8, 0.7, 0.02, 'worse')
    assert 'WORSE after than before: -0.100 (standard error 0.020)' in report_text(worse)
    assert better_of(worse, parse_args(['clips'])).startswith('usot_mobile ')
    unclear = report_text(report(0.8, 0.81, float('nan'), 'unclear'))
    assert unclear.endswith(
        'no clear difference between before and after: +0.010 on 1 object without labels'
    )
    args = parse_args(['clips', '--out', 'o'])
    assert better_of(report(0.7, 0.8, 0.01, 'better'), args) == 'o/adapted.pth'
    # A gain within its noise is no reason to leave weights that were measured on annotated video.
    assert better_of(report(0.8, 0.9, 0.2, 'unclear'), args).startswith('usot_mobile ')


def test_clips_are_taken_evenly_from_many(capsys):
    clips = {f'{number:02d}': Path(f'{number}.mp4') for number in range(21)}
    assert list(spread(clips, 3)) == ['00', '10', '20']
    assert '3 of 21 clips' in capsys.readouterr().err
    assert spread(clips, 21) == clips


def test_why_there_is_nothing_to_learn_from(tmp_path):
    track = pseudo_track(np.tile([10.0, 10, 40, 40], (20, 1)))
    write_table_part(tmp_path / 'table', 'a', tmp_path / 'a', track, samplable=False)
    why = why_nothing(read_table(tmp_path / 'table'))
    assert why.startswith('nothing to learn from in 1 clip (1 boxes too unreliable)')


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['nowhere'], 'nowhere: no such file or folder'),
        (['.', '--limit', '0'], '--limit must be at least 1, not 0'),
        (['.', '--checkpoint', 'usot_moble'], "no pretrained weights 'usot_moble'"),
    ],
)
def test_what_is_refused(tmp_path, monkeypatch, capsys, args, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) if '--limit' in args else _nothing():
        assert main(args) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob('*.pth')) and not list(tmp_path.rglob('before_after*'))


def _nothing():
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.process
@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        ('still', 'error: nothing to learn from in 1 clip ('),
        ('broken', 'error: none of 1 clip can be read (1 unreadable)'),
    ],
)
def test_clips_that_teach_nothing_leave_no_result(tmp_path, capsys, kind, message):
    (tmp_path / 'clips').mkdir()
    if kind == 'still':
        still_clip(tmp_path / 'clips/a.mp4')
    else:
        (tmp_path / 'clips/a.mp4').write_bytes(b'no video')
    assert main([str(tmp_path / 'clips'), '--out', str(tmp_path / 'out'), '--workers', '0']) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(message)
    found = {path.name for path in (tmp_path / 'out').iterdir()}
    assert found <= {'table', 'table.parquet'}


@pytest.mark.process
def test_a_stopped_run_goes_on_and_a_finished_one_does_nothing(tmp_path, monkeypatch, capsys):
    for number in range(2):
        frames, _ = render_clip(number, 40, (160, 120))
        write_clip(tmp_path / f'clips/{number}.mp4', frames)
    out = tmp_path / 'out'
    command = [str(tmp_path / 'clips'), '--out', str(out), *TINY]

    class Stops(adapt.TrainingProgress):
        def before_train_epoch(self, runner):
            if runner.epoch == 1:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adapt, 'TrainingProgress', Stops)
        assert main(command) == 130
    (folder,) = out.glob('train-*')
    assert (folder / 'epoch_1.pth').exists() and not (folder / 'epoch_2.pth').exists()
    assert not (out / 'adapted.pth').exists() and not (out / 'before_after.json').exists()

    assert main(command) == 0
    assert 'resumed epoch: 1' in (folder / 'train.log').read_text()
    result = json.loads((out / 'before_after.json').read_text())
    assert result['verdict'] in ('better', 'worse', 'unclear')
    assert all(0 <= row[when] <= 1 for row in result['objects'] for when in ('before', 'after'))
    assert (out / 'before_after.png').exists()
    init_tracker(None, out / 'adapted.pth')  # carries its config

    first = capsys.readouterr().out
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob('*.p*') if path.is_file()}
    monkeypatch.setattr(adapt, 'train', None)
    monkeypatch.setattr(adapt, 'compare', None)
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-8:] == first.splitlines()[-8:]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps

    # Another result in its place, of other settings say, does not stay there.
    (out / 'adapted.pth').write_bytes(b'other')
    assert main(command) == 0
    init_tracker(None, out / 'adapted.pth')
