"""Every config can be read, means something and builds its model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS

from usot_plugin.utils.config import load_config

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)


def _with_marks(path: Path):
    """Parts of mmdet.models in a config need a host with compiled ops."""
    full_host = Config.fromfile(path).get('default_scope') == 'mmdet'
    return pytest.param(path, marks=[pytest.mark.full_host] if full_host else [])


def _identity(path: Path) -> str:
    return str(path.relative_to(ROOT / 'configs'))


def test_there_are_configs():
    assert ROOT / 'configs/usot_r50.py' in CONFIGS


def test_what_is_trained_has_a_name_of_its_own():
    # MIM finds a config by its file name alone: mim train usot_plugin usot_quick.py
    everywhere = Counter(path.name for path in (ROOT / 'configs').rglob('*.py'))
    assert [
        path for path in CONFIGS if path.parent.name != 'discovery' and everywhere[path.name] > 1
    ] == []


def _words(part: str) -> list[str]:
    """The words of a part of a config's name, from the table in CONTRIBUTING.md."""
    page = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    (row,) = re.findall(rf'^\| {part}[^|]*\|(.*)\|$', page, flags=re.MULTILINE)
    return re.findall(r'`([a-z0-9-]+)`', row)


def _name_pattern() -> re.Pattern[str]:
    family, network, data = ('|'.join(_words(part)) for part in ('family', 'network', 'data'))
    variant = rf'(?!(?:{network}|{data})(?:_|$))[a-z0-9]+(?:-[a-z0-9]+)*'
    return re.compile(rf'(?:{family})(?:_(?:{network}))?(?:_{variant})?(?:_(?:{data}))?')


BASE_NAMES = {
    'models': r'[a-z0-9]+(_[a-z0-9]+)?_net',
    'datasets': r'[a-z0-9]+_pipeline|usot_mixture|loader',
    'schedules': r'[a-z0-9]+_\d+e',
    'benchmarks': r'[a-z0-9]+(_[a-z0-9]+)*',
    '_base_': r'default_runtime',
    'discovery': r'[a-z0-9]+(_[a-z0-9]+)*',
}


def test_names_follow_the_grammar():
    pattern = _name_pattern()
    assert len(CONFIGS) > 50
    broken = [
        path.name
        for path in (ROOT / 'configs').rglob('*.py')
        if not re.fullmatch(BASE_NAMES.get(path.parent.name, pattern), path.stem)
    ]
    assert not broken


@pytest.mark.parametrize(
    'name',
    [
        'udt-lite',
        'siamfc_finetune-10_',
        'usot_got10k_semi',
        'siamrpn-l234',
        'usot_swin_tiny',
        'r50',
    ],
)
def test_what_breaks_the_grammar(name):
    assert not _name_pattern().fullmatch(name)


@pytest.mark.process
def test_no_two_configs_are_the_same():
    groups: dict[str, list[str]] = {}
    for path in sorted((ROOT / 'configs').rglob('*.py')):
        groups.setdefault(repr(Config.fromfile(path).to_dict()), []).append(path.name)
    assert not [names for names in groups.values() if len(names) > 1]


def test_the_benchmark_of_a_tracker_is_an_option():
    alone = [path for path in CONFIGS if 'benchmarks/' in path.read_text(encoding='utf-8')]
    assert alone
    for path in alone:
        named = re.findall(r'benchmarks/(\w+)\.py', path.read_text(encoding='utf-8'))
        assert named == ['sequence_folder'], f'{path.name}: that is --benchmark {named[0]}'


@pytest.mark.process
@pytest.mark.parametrize(
    'path', [_with_marks(path) for path in CONFIGS], ids=[_identity(path) for path in CONFIGS]
)
def test_config_reads_and_builds(path):
    cfg = load_config(path)
    if 'discovery' in cfg:
        from usot_plugin.discovery.config import DiscoveryConfig

        DiscoveryConfig.from_dict(cfg.discovery.to_dict())
    if 'model' not in cfg:
        assert 'discovery' in cfg, 'neither a model nor a discovery config'
        return
    if 'backbone' in cfg.model:
        for part in (cfg.model.backbone, cfg.model.backbone.get('body', {})):
            part.pop('init_cfg', None)
    model = MODELS.build(cfg.model)
    if 'optim_wrapper' in cfg:
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        owned = sum(
            parameter.numel()
            for group in wrapper.optimizer.param_groups
            for parameter in group['params']
        )
        assert owned == sum(
            parameter.numel() for parameter in model.parameters() if parameter.requires_grad
        )
    hooks = cfg.get('custom_hooks') or []
    assert cfg.get('train_dataloader') is None or cfg.get('find_unused_parameters'), (
        'branches without gradient need it on several GPUs'
    )
    for hook in hooks:
        if hook['type'] == 'FrozenBackboneHook':
            assert all(
                hasattr(model.get_submodule(hook.get('backbone', 'backbone')), name)
                for name in hook.get('trained', ())
            )


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list | tuple):
        for value in node.values() if isinstance(node, dict) else node:
            yield from _texts(value)


@pytest.mark.parametrize('path', CONFIGS, ids=_identity)
def test_no_stand_in_of_a_base_variable_is_left(path):
    # MMEngine puts the value of {{_base_.x}} in where it stands alone; in "{{_base_.x}} + 'y'" its
    # stand-in, _x_<six digits>, stays.
    assert [
        text
        for text in _texts(Config.fromfile(path).to_dict())
        if re.search(r'_[a-z]\w*_[0-9a-f]{6}', text)
    ] == []


@pytest.mark.parametrize('path', CONFIGS, ids=_identity)
def test_config_says_what_it_is_for(path):
    text = path.read_text(encoding='utf-8')
    assert text.startswith(('"""', '# ')) or '\n# ' in text, (
        'a leaf config is a sentence: base, difference, reason'
    )
