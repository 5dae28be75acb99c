"""What is said about a wrong config."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.registry import MODELS, VISUALIZERS, Registry

from usot_plugin.utils.cli import tool_parser
from usot_plugin.utils.config import ConfigError, ConfigOptions, load_config, nearest, runner_keys

BASE = """
model = dict(type='USOT', backbone=dict(type='SiameseResNet'),
             neck=dict(type='AdjustNeck', in_channels=1024),
             head=dict(type='USOTHead'))
default_hooks = dict(stage=dict(type='TrainingStageHook', priority='NORMAL'))
param_scheduler = [dict(type='LogSpaceLR', begin=0, end=2, convert_to_iter_based=True)]
my_own_variable = 3
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text: str, name: str = 'config.py') -> Path:
        path = tmp_path / name
        path.write_text(text, encoding='utf-8')
        return path

    return to_file


def test_good_config_passes_with_options(write):
    cfg = load_config(write(BASE), {'model.backbone.base_channels': 8, 'work_dir': 'somewhere'})
    assert cfg.model.backbone.base_channels == 8
    assert cfg.work_dir == 'somewhere'


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (
            'train_dataloder = dict()',
            "unknown key 'train_dataloder', did you mean 'train_dataloader'?",
        ),
        (
            "model['backbone']['type'] = 'SiameseResNt'",
            "model.backbone.type = 'SiameseResNt' is not registered, did you mean 'SiameseResNet'?",
        ),
        ("model['hed'] = 1", "model.hed: USOT has no argument 'hed', did you mean 'head'?"),
        (
            "param_scheduler[0]['start'] = 1",
            "param_scheduler.0.start: LogSpaceLR has no argument 'start'",
        ),
        (
            'train_cfg = dict(by_epoch=True, max_epoch=3)',
            "train_cfg.max_epoch: EpochBasedTrainLoop has no argument 'max_epoch', did you mean",
        ),
        ('model = ', 'cannot be read as a config: SyntaxError'),
        ("_base_ = './missing.py'", 'cannot be read as a config: FileNotFoundError'),
        (
            "custom_imports = dict(imports=['no_such_module'], allow_failed_imports=False)",
            'cannot be read as a config: ImportError',
        ),
    ],
)
def test_wrong_config_is_one_line_with_file_and_key(write, line, message):
    path = write(f'{BASE}{line}\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f'{path}: {message}')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'modl.type': 'USOT'}, "has no key 'modl', did you mean 'model'?"),
        ({'my_own_variable.x': 1}, '--cfg-options my_own_variable.x'),
        ({'param_scheduler.7.end': 1}, '--cfg-options param_scheduler.7.end'),
    ],
)
def test_wrong_option_is_one_line(write, options, message):
    with pytest.raises(ConfigError) as caught:
        load_config(write(BASE), options)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


def test_missing_file_names_its_neighbour(write, tmp_path):
    write(BASE, 'usot_r50.py')
    with pytest.raises(
        ConfigError, match=r"usot_r5.py: no such config, did you mean 'usot_r50.py'\?"
    ):
        load_config(tmp_path / 'usot_r5.py')


def test_nearest_says_nothing_when_nothing_is_near():
    assert nearest('abc', ['xyz']) == ''


def test_runner_keys_hold_what_the_runner_reads():
    assert {
        'model',
        'train_dataloader',
        'compile',
        'find_unused_parameters',
        'custom_imports',
    } <= runner_keys()


@pytest.fixture
def broken_host():
    Registry('broken', parent=MODELS, scope='half_a_host', locations=['usot_plugin.no_such_part'])
    yield
    MODELS.children.pop('half_a_host')


@pytest.mark.parametrize(
    'line',
    [
        "detector = dict(type='half_a_host.Net')",
        "detector = dict(type='Net', _scope_='half_a_host')",
    ],
)
def test_a_host_that_cannot_be_imported_whole_is_passed_over(write, broken_host, line):
    with pytest.raises(
        ConfigError, match=r"detector\.type = '(half_a_host\.)?Net' is not registered"
    ):
        load_config(write(f'{BASE}\n{line}\n'))


def test_a_host_that_the_config_does_not_name_is_not_imported(write, broken_host, monkeypatch):
    # All parts of mmdet take seconds to import, and print.
    monkeypatch.setattr(
        MODELS.children['half_a_host'], 'import_from_location', lambda: pytest.fail('imported')
    )
    assert load_config(write(BASE))


def test_a_part_of_a_host_that_nobody_has_imported_yet_is_found(write, tmp_path, monkeypatch):
    (tmp_path / 'late_host').mkdir()
    (tmp_path / 'late_host/registry.py').write_text(
        'from mmengine.registry import Registry, VISUALIZERS as ROOT\n'
        "VISUALIZERS = Registry('visualizer', parent=ROOT, scope='late_host')\n"
        "VISUALIZERS.register_module(name='LateVisualizer', module=object)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(VISUALIZERS, '_children', dict(VISUALIZERS.children))
    config = write("visualizer = dict(type='late_host.LateVisualizer')")
    assert load_config(config).visualizer.type == 'late_host.LateVisualizer'


def test_unpacked_base_variable_in_a_pipeline_is_named(tmp_path):
    (tmp_path / 'base.py').write_text("steps = [dict(type='PackSOTInputs')]\n")
    path = tmp_path / 'leaf.py'
    path.write_text(
        "_base_ = ['base.py']\ndata = dict(type='PseudoBoxDataset', "
        "pipeline=[dict(type='GroupGray', views=['a']), *{{_base_.steps}}])\n"
    )
    with pytest.raises(ConfigError, match=r"leaf\.py: data\.pipeline\.1 is '_', no transform"):
        load_config(path)


def test_an_optimizer_wrapper_of_ours_may_have_a_constructor(write):
    wrapper = (
        "type='AutocastOptimWrapper', constructor='PartwiseOptimWrapperConstructor', "
        'paramwise_cfg=dict(parts=dict())'
    )
    cfg = load_config(
        write(
            f"{BASE}optim_wrapper = dict({wrapper}, optimizer=dict(type='SGD', lr=0.1), "
            '_delete_=True)\n'
        )
    )
    assert cfg.optim_wrapper.constructor == 'PartwiseOptimWrapperConstructor'


@pytest.mark.parametrize(
    ('text', 'cause'),
    [
        (b"assert False, 'no'", 'AssertionError: no'),
        (b'x = [][1]', 'IndexError'),
        (b'# caf\xe9\n', 'UnicodeDecodeError'),
        (b'a = (', 'SyntaxError'),
        (b'raise SystemExit(3)', 'SystemExit'),
        (b"_base_ = './config.py'", 'leads back to itself'),
        (b'_base_ = 3', 'TypeError'),
        (b'custom_imports = 3', 'TypeError'),
        (b'filename = 1', 'reserved'),
        (b'model = [1]', 'model is a list, not a dict'),
        (b'train_cfg = [1]', 'train_cfg is a list, not a dict'),
        (b"train_dataloader = 'x'", 'train_dataloader is a str, not a dict'),
        (b'train_dataloader = dict(dataset=dict(pipeline=5))', 'pipeline is a int, not a list'),
        (b'model = dict(type=3)', 'model.type is a int, not a name'),
        (b'work_dir = 3', 'work_dir is a int, not a str'),
    ],
)
def test_whatever_a_config_raises_is_one_line_with_its_file(tmp_path, text, cause):
    (tmp_path / 'config.py').write_bytes(text)
    with pytest.raises(ConfigError, match=f'^{tmp_path}/config.py: .*{cause}') as caught:
        load_config(tmp_path / 'config.py')
    assert '\n' not in str(caught.value)


def test_json_that_is_no_config(tmp_path):
    (tmp_path / 'config.json').write_text('{"model": ')
    with pytest.raises(
        ConfigError, match='config.json: cannot be read as a config: JSONDecodeError'
    ):
        load_config(tmp_path / 'config.json')


def test_a_circle_of_bases_is_named_and_a_base_read_twice_is_none(tmp_path):
    for name, bases in (
        ('a', "['./b.py', './c.py']"),
        ('b', "'./d.py'"),
        ('c', "'./e.py'"),
        ('d', '[]'),
        ('e', '[]'),
    ):
        (tmp_path / f'{name}.py').write_text(f'_base_ = {bases}\n')
    load_config(tmp_path / 'a.py')
    (tmp_path / 'd.py').write_text("_base_ = './a.py'\n")
    with pytest.raises(
        ConfigError,
        match='a.py: its _base_ leads back to itself .*a.py -> .*b.py -> .*d.py -> .*a.py',
    ):
        load_config(tmp_path / 'a.py')


@pytest.mark.parametrize('given', ['a', 'a=[1,(2]'])
def test_options_that_cannot_be_parsed_are_one_line(capsys, given):
    parser = tool_parser('x')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(['--cfg-options', given])
    error = capsys.readouterr().err
    assert (
        ended.value.code == 2
        and error.startswith('error: argument --cfg-options: ')
        and error.count('\n') == 1
    )
