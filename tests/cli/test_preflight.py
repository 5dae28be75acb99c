"""What is refused before anything is imported or built, and what is left alone."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from usot_plugin.cli import discover, relabel, track
from usot_plugin.cli import test as test_tool
from usot_plugin.cli.main import VERBS, main
from usot_plugin.cli.preflight import (
    LEADING,
    InputsError,
    check_config,
    check_inputs,
    check_words,
    config_inputs,
)
from usot_plugin.cli.train import main as train
from usot_plugin.registry import MODELS
from usot_plugin.utils.optional import MissingPackageError
from usot_plugin.utils.packaged import packaged_folder

test_tool.__test__ = False  # not a test of pytest
QUICK = 'configs/quick/usot_quick.py'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['usot'])


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (
            'test configs/quick/usot_quik.py a.pth',
            "configs/quick/usot_quik.py: no such config, did you mean 'usot_quick.py'?",
        ),
        (f'test {QUICK} a.pth --sequences here', 'a.pth: no such checkpoint'),
        (f'test {QUICK} none --sequences not_here', 'not_here: no such folder'),
        (f'test {QUICK} --data-root=not_here', 'not_here: no such folder'),
        (
            f'test {QUICK} none --benchmark otb10',
            "--benchmark otb10: no such benchmark, did you mean 'otb100'?",
        ),
        (f'relabel {QUICK} none no_table --out new', 'no_table: no such pseudo-box table'),
        (
            'discover configs/discovery/default.py no_videos --out table',
            'no_videos: no such file or folder',
        ),
        ('track no.mp4 --box 1,1,5,5', 'no.mp4: no such file or folder'),
        ('track here --box 1,1,5,5 --checkpoint a.pth', 'a.pth: no such checkpoint'),
        ('crops no_table --out crops', 'no_table: no such pseudo-box table'),
        (
            f'train {QUICK} --work-dir file/work',
            'file/work: cannot be written ({tmp}/file is no folder)',
        ),
        (
            'browse here --out file/x/gallery',
            'file/x/gallery: cannot be written ({tmp}/file is no folder)',
        ),
        (
            'report results --out page.html --benchmark lasott',
            "no such benchmark, did you mean 'lasot'?",
        ),
    ],
)
def test_refused_before_the_host_is_imported(tmp_path, monkeypatch, capsys, words, line):
    (tmp_path / 'here').mkdir()
    (tmp_path / 'file').touch()
    monkeypatch.setattr('usot_plugin.cli.main.import_module', None)
    monkeypatch.setattr('usot_plugin.register', None)
    assert main(words.split()) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and line.format(tmp=tmp_path) in said[0]


@pytest.mark.parametrize(
    'words',
    [
        f'test {QUICK} usot_mobile',
        f'test {QUICK} none --out new/folder',
        f'test {QUICK} gone.pth --score-only',
        f'test {QUICK} gone.pth --tracker=StandStill',
        'track 0 --box 1,1,5,5',
        'track rtsp://camera/1',
        'track gone.mp4 --help',
        'discover --out table configs/gone.py gone',
        'test configs/usot/usot_r50_no-naive-stage.py none',
    ],
)
def test_left_to_the_verb(words):
    verb, *rest = words.split()
    check_words(verb, rest)


def test_every_verb_of_the_table_exists():
    assert set(LEADING) <= set(VERBS)


def test_nothing_heavy_is_imported_by_the_words(monkeypatch):
    tree = ast.parse(Path(sys.modules['usot_plugin.cli.preflight'].__file__).read_text())
    top = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not {'mmengine', 'torch', 'numpy'} & {name.partition('.')[0] for name in top if name}


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write everywhere')
def test_a_folder_without_permission(tmp_path):
    (tmp_path / 'closed').mkdir(mode=0o500)
    with pytest.raises(InputsError, match='no permission to write to'):
        check_inputs(outputs=[tmp_path / 'closed/new'])


def config(**dataset) -> Config:
    return Config(dict(train_dataloader=dict(dataset=dict(type='PseudoBoxDataset', **dataset))))


def test_only_keys_of_the_chosen_box_source_are_looked_at():
    sequences = dict(type='SequenceFolderDataset', data_root='no_root')
    keys = dict(table='no_table', clips='no_clips', sequences=sequences)
    for source, key in (('discovered', 'table'), ('annotated', 'sequences.data_root')):
        found = list(config_inputs(config(box_source=source, **keys), ['train_dataloader']))
        assert [where for where, *_ in found] == [f'train_dataloader.dataset.{key}']


def test_parts_of_a_mixture_without_a_quota_are_left_out():
    parts = [dict(type='PseudoBoxDataset', table=f'table{number}') for number in range(3)]
    mixture = dict(type='QuotaMixture', datasets=parts, quotas=[5, 0, 2])
    cfg = Config(dict(train_dataloader=dict(dataset=mixture)))
    assert [path for *_, path in config_inputs(cfg, ['train_dataloader'])] == ['table0', 'table2']


def test_data_of_a_config_are_named_with_their_key(tmp_path):
    with pytest.raises(InputsError) as caught:
        check_config(config(table='no_table'), ['train_dataloader'], [])
    assert str(caught.value) == (
        'no_table: no such pseudo-box table (train_dataloader.dataset.table)'
    )
    wrapped = dict(type='RepeatDataset', dataset=dict(ann_file='a.json', data_root=str(tmp_path)))
    with pytest.raises(InputsError, match=r'a\.json: no such file'):
        check_config(Config(dict(train_dataloader=dict(dataset=wrapped))), ['train_dataloader'], [])
    check_config(
        config(crop_store='s3://bucket/crops', box_source='random'), ['train_dataloader'], []
    )


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'wandb', None)
    cfg = Config(dict(visualizer=dict(vis_backends=[dict(type='WandbVisBackend')])))
    with pytest.raises(MissingPackageError, match=r"pip install 'usot_plugin\[wandb\]'"):
        check_config(cfg, [], [])


@pytest.fixture
def nothing_is_built(monkeypatch):
    monkeypatch.setattr(Runner, 'from_cfg', None)
    monkeypatch.setattr(MODELS, 'build', None)


@pytest.mark.usefixtures('nothing_is_built')
@pytest.mark.parametrize(
    ('tool', 'words', 'line'),
    [
        (test_tool.main, f'{QUICK} a.pth --sequences .', 'a.pth: no such checkpoint'),
        (
            test_tool.main,
            f'{QUICK} none --sequences gone',
            'gone: no such folder (test_dataloader.dataset.data_root)',
        ),
        (test_tool.main, f'{QUICK} none --sequences . --out file/x', 'file/x: cannot be written'),
        (
            test_tool.main,
            f'{QUICK} none --sequences . --device cuda:99',
            "device 'cuda:99' cannot be used",
        ),
        (train, QUICK, 'no such pseudo-box table (train_dataloader.dataset.table)'),
        (
            train,
            f'{QUICK} --cfg-options train_dataloader.dataset.table=. load_from=a.pth',
            'a.pth: no such checkpoint',
        ),
        (relabel.main, f'{QUICK} a.pth . --out new', 'a.pth: no such checkpoint'),
        (discover.main, 'configs/discovery/default.py . --out file/x', 'file/x: cannot be written'),
        (track.main, '. --box 1,1,5,5 --checkpoint a.pth', 'a.pth: no such checkpoint'),
        (track.main, '. --box 1,1,5,5 --out file/x', 'file/x: cannot be written'),
    ],
)
def test_tools_refuse_before_they_build(tmp_path, capsys, tool, words, line):
    (tmp_path / 'file').touch()
    assert tool(words.split()) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and line in said[0]


@pytest.mark.parametrize('path', sorted(packaged_folder('configs').glob('[!_d]*/*.py')), ids=str)
@pytest.mark.process
def test_every_config_can_be_looked_through(path):
    cfg = Config.fromfile(path)
    for _, kind, place in config_inputs(cfg, ['train_dataloader', 'test_dataloader']):
        assert kind and place


def test_data_on_the_command_line_are_looked_at_too(tmp_path):
    key = 'train_dataloader.dataset'
    with pytest.raises(InputsError, match=rf'gone: no such crop store \({key}\.crop_store\)'):
        check_words('train', [QUICK, '--cfg-options', f'{key}.crop_store=gone'])
    for value in ('None', '[gone,there]', 's3://bucket/store', str(tmp_path)):
        check_words('train', [QUICK, '--cfg-options', f'{key}.clips={value}'])
    check_words('train', [QUICK, '--cfg-options', f'{key}.samples_per_epoch=3'])
