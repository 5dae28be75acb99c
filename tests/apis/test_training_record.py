"""What is written down of a training: its config back from the text, no machine paths, and hashes
that anybody else gets, too."""

from __future__ import annotations

import hashlib
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from usot_plugin.apis.training_record import (
    clips_record,
    run_record,
    table_record,
    training_config,
    without_machine_paths,
)
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.checkpoint import CheckpointError


def test_the_config_comes_back_as_it_was():
    run = dict(
        model=dict(type='A', sizes=(1, -2, 3.5e-7), names=['x', "it's"], none=None, on=True),
        train_cfg={'not a name': {'deep': [dict(a=(1,))]}, 3: 'three'},
        optim_wrapper=dict(clip=math.inf),
        randomness=dict(seed=3),
    )
    text = Config(dict(run, variable=['of the file'])).pretty_text
    assert training_config({'cfg': text}, 'e.pth') == run


@pytest.mark.parametrize(
    'text',
    [
        'model = [',
        'import os',
        'model = dict(a=f"{1}")',
        'model = x.y',
        'model = dict(1)',
        'model = ' + '(' * 500 + ')' * 500,
    ],
)
def test_anything_but_plain_values_is_refused(text):
    with pytest.raises(CheckpointError, match=r'e\.pth: meta\.cfg cannot be read as plain values'):
        training_config({'cfg': text}, 'e.pth')


def test_what_a_checkpoint_says_of_its_run():
    commit = '0123456789' * 4
    meta = {
        'epoch': 2,
        'iter': 9,
        'seed': 3,
        'time': '20250102_030405',
        'experiment_name': 'a',
        'mmengine_version': f'0.10.7{commit}',
    }
    known = {'epoch': 2, 'iter': 9, 'seed': 3, 'time': '20250102_030405', 'experiment_name': 'a'}
    assert run_record(meta) == {**known, 'code_when_saved': commit}
    assert run_record({**meta, 'code': 'start'}) == {**known, 'code': 'start'}
    assert run_record({'mmengine_version': '0.10.7', 'epoch': None}) == {}


def test_machine_paths_become_names():
    config = {
        'table': '/home/a/table',
        'other': [r'C:\data\crops', 'work_dirs/relative', ('/x/y.pth', 3)],
        'url': 'http://host/a/b',
    }
    expected = {
        'table': 'table',
        'other': ['crops', 'work_dirs/relative', ('y.pth', 3)],
        'url': 'http://host/a/b',
    }
    assert without_machine_paths(config) == expected


def table(folder: Path, videos: Path, box: float = 10.0) -> Path:
    for name in ('a.mp4', 'b.mp4'):
        write_table_part(folder, name, videos / name, pseudo_track([[box, 10, 40, 40]] * 5))
    return folder


def test_the_hash_of_a_table_is_the_same_on_another_machine(tmp_path):
    here, there = (
        table_record(table(tmp_path / name / 'table', Path('/', name)))
        for name in ('here', 'there')
    )
    assert here == there
    assert (
        table_record(
            table(tmp_path / 'else/table', Path('/here'), box=np.nextafter(np.float32(10), 11))
        )['sha256']
        != here['sha256']
    )


def test_hashes_of_clips_are_over_their_bytes(tmp_path):
    videos = tmp_path / 'videos'
    (videos / 'b.mp4').mkdir(parents=True)
    (videos / 'a.mp4').write_bytes(b'film')
    (videos / 'b.mp4/1.jpg').write_bytes(b'image')
    tables = [table(tmp_path / name, videos) for name in ('first', 'second')]
    record = clips_record(tables)
    image = hashlib.sha256(b'image').hexdigest()
    assert record == {
        'a.mp4': hashlib.sha256(b'film').hexdigest(),
        'b.mp4': hashlib.sha256(f'1.jpg:{image};'.encode()).hexdigest(),
    }
    shutil.rmtree(videos)
    assert clips_record(tables) == {'a.mp4': None, 'b.mp4': None}
