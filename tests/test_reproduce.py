"""docs/reproduce.md: every command can be read by its tool, its configs mean something, and the
paper's numbers are those of the table."""

from __future__ import annotations

import csv
import importlib
import itertools
import re
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.datasets import QuotaMixture
from usot_plugin.evaluation.running.run_config import benchmark_file
from usot_plugin.registry import DATASETS, TASK_UTILS
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.config import load_config

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/reproduce.md').read_text(encoding='utf-8')
LOOP = re.compile(r'for (\w+) in ([^;]+); do (.*); done$')
SETS = ('imagenet_vid', 'got10k', 'lasot', 'youtube_vos')
QUOTAS = (14_000, 19_000, 13_000, 4_000)
STAR = 'weights/imagenet_siamese_resnet50.pth'


def models() -> list[dict[str, str]]:
    """What the lines ``c=... d=... w=...  # name`` set."""
    lines = re.findall(r'^    (c=\S+) (d=\S+) (w=\S+) +# USOT', PAGE, flags=re.MULTILINE)
    return [dict(part.split('=', 1) for part in line) for line in lines]


def expand(line: str) -> list[str]:
    """Loops unrolled, and a line with ``$c`` once for each model."""
    loop = LOOP.match(line)
    if loop:
        inner = [re.sub(rf'\$\{{?{loop[1]}\}}?(?!\w)', value, loop[3]) for value in loop[2].split()]
        return list(itertools.chain.from_iterable(map(expand, inner)))
    if not re.search(r'\$[cdw]\b', line):
        return [line]
    return [
        re.sub(r'\$([cdw])\b', lambda found, model=model: model[found[1]], line)
        for model in models()
    ]


def commands() -> list[str]:
    blocks = re.findall(r'^    (.+)$', PAGE, flags=re.MULTILINE)
    cells = [
        cell
        for row in re.findall(r'^\|.*\|$', PAGE, flags=re.MULTILINE)
        for cell in re.findall(r'`([^`]+)`', row)
    ]
    lines = [line for line in [*blocks, *cells] if not line.startswith('c=')]
    return list(dict.fromkeys(itertools.chain.from_iterable(map(expand, lines))))


COMMANDS = commands()


@cache
def module(script: Path) -> ModuleType:
    """The module of the command line that a script in ``tools/`` hands over to."""
    (name,) = re.findall(
        r'^from (usot_plugin\.cli\.\w+) import main$', script.read_text(), flags=re.MULTILINE
    )
    return importlib.import_module(name)


def tool_and_arguments(command: str) -> tuple[str, list[str]]:
    """The Python tool behind a command, and what it is given."""
    words = [
        word
        for word in shlex.split(command, comments=True)
        if not re.fullmatch(r'[A-Z]+=\S*', word)
    ]
    if words[0] in ('python', 'bash'):
        words = words[1:]
    assert (ROOT / words[0]).is_file(), words[0]
    place = {'tools/dist_train.sh': 2, 'tools/dist_test.sh': 3}.get(words[0])
    if place is not None:
        assert words[place].isdecimal(), 'number of processes'
        return words[0].replace('dist_', '').replace('.sh', '.py'), words[1:place] + words[
            place + 1 :
        ]
    if words[0] == 'tools/discover_usot.sh':
        return 'tools/discover_boxes.py', [
            'configs/discovery/default.py',
            words[1],
            '--out',
            'table',
            *words[2:],
        ]
    return words[0], words[1:]


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_means_something(command):
    tool, arguments = tool_and_arguments(command)
    args = module(ROOT / tool).parse_args(arguments)  # exits on what the tool does not know
    for word in arguments:
        assert not word.startswith('configs/') or (ROOT / word).is_file(), word
    if getattr(args, 'benchmark', None):
        benchmark_file(args.benchmark, ROOT / 'configs')
    if tool in ('tools/train.py', 'tools/test.py'):
        cfg = load_config(args.config, args.cfg_options)
        cfg.model.backbone.init_cfg = None
        with torch.device('meta'):
            model = MODELS.build(cfg.model)
        for key, value in (args.cfg_options or {}).items():
            if key.startswith('model.test_cfg.'):
                assert (
                    getattr(
                        TASK_UTILS.build(dict(cfg.model.test_cfg, model=model)),
                        key.rpartition('.')[2],
                    )
                    == value
                )


def test_every_table_is_there_with_the_papers_numbers():
    assert {*re.findall(r'Table (\d)|Tables (\d) to (\d)', PAGE)} >= {
        (str(n), '', '') for n in (4, 5, 6, 7)
    } | {('', '1', '3')}
    with (ROOT / 'tools/analysis/published_results.csv').open(encoding='utf-8') as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row['paper'].startswith('USOT') and row['tracker'] in ('USOT', 'USOT*')
        ]
    names = {'VOT2018': 'VOT2017/18'}
    lines = {row['benchmark']: '' for row in rows}
    assert len(lines) == 7
    for name in lines:
        (lines[name],) = (
            line
            for line in PAGE.splitlines()
            if line.startswith('|') and f', {names.get(name, name)}' in line
        )
    for row in rows:
        cell = lines[row['benchmark']].split('|')[-3 if row['tracker'] == 'USOT' else -2]
        assert float(row['value']) in [float(number) for number in cell.split(',')], row
    grid = [
        command
        for command in COMMANDS
        if 'table7' in command and 'dist_test' in command and 'usot-star_r50.py' in command
    ]
    assert len(models()) == 3 and len(grid) == 20


def test_usot_star_differs_from_usot_in_the_start_alone():
    (option,) = set(re.findall(r'`--cfg-options (model\S+checkpoint=\S+)`', PAGE))
    key, moco = option.split('=')
    usot = Config.fromfile(ROOT / 'configs/usot_r50.py')
    star = Config.fromfile(ROOT / 'configs/usot/usot-star_r50.py')
    assert star.model.backbone.init_cfg.checkpoint == STAR
    star.merge_from_dict({key: moco})
    assert star.to_dict() == usot.to_dict()


@pytest.mark.parametrize('name', ['naive', 'random-boxes'])
def test_ablations_start_as_usot_star(name):
    ablation = Config.fromfile(ROOT / f'configs/usot/usot-star_r50_{name}.py')
    assert ablation.model.backbone.init_cfg.checkpoint == STAR
    assert ablation.model.head.memory is None and ablation.model.train_cfg.cycle_start_epoch is None


def test_the_release_config_has_every_quirk():
    cfg = load_config(ROOT / 'configs/usot/usot_r50_release.py')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert model.legacy and model.grid.legacy_axis and not model.data_preprocessor.normalises
    assert model.train_cfg['label_rounding'] == 'truncate'
    assert TASK_UTILS.build(dict(cfg.model.test_cfg, model=model)).memory_rule == 'legacy'
    (freezing,) = (hook for hook in cfg.custom_hooks if hook.type == 'FrozenBackboneHook')
    (usual,) = (
        hook
        for hook in Config.fromfile(ROOT / 'configs/usot_r50.py').custom_hooks
        if hook.type == 'FrozenBackboneHook'
    )
    assert freezing.to_dict() == {**usual.to_dict(), 'legacy': True}
    assert cfg.default_hooks.checkpoint.max_keep_ckpts == -1
    assert {part.type for part in cfg.train_dataloader.dataset.datasets} == {'USOTCropDataset'}


@pytest.mark.process
@pytest.mark.parametrize('count', [1, 2, 3])
def test_a_row_of_table_6_needs_its_own_tables_alone(tmp_path, monkeypatch, count):
    quotas = [*QUOTAS[:count], *[0] * (4 - count)]
    (command,) = (line for line in COMMANDS if line.endswith(f'quotas={quotas}'.replace(' ', '')))
    args = module(ROOT / 'tools/train.py').parse_args(tool_and_arguments(command)[1])
    cfg = load_config(ROOT / args.config, args.cfg_options)
    monkeypatch.chdir(tmp_path)
    for name in SETS[:count]:
        write_table_part(
            Path('data/pseudo_boxes', name), 'clip', tmp_path, pseudo_track([[0, 0, 9, 9]] * 4)
        )
    mixture = DATASETS.build(cfg.train_dataloader.dataset)
    assert isinstance(mixture, QuotaMixture) and len(mixture) == sum(quotas)


def test_got10k_without_the_sequences_of_vot_is_one_key():
    (option,) = re.findall(r'`--cfg-options (train_dataloader\S+exclude\S+)`', PAGE)
    key, value = option.split('=')
    cfg = load_config(ROOT / 'configs/usot_r50.py', {key: value})
    assert [part.get('exclude') for part in cfg.train_dataloader.dataset.datasets] == [
        None,
        'got10k_vot',
        None,
        None,
    ]
    assert cfg.train_dataloader.dataset.datasets[1].table.endswith('got10k')
