"""What is said when the host is missing or there twice."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.logging import MMLogger, print_log

from usot_plugin.utils import host

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(monkeypatch):
    """Pretend that exactly these distributions are installed."""

    def pretend(*names: str, mmengine: bool = True) -> None:
        monkeypatch.setattr(
            host, 'distribution_version', lambda name: '1.0' if name in names else None
        )
        monkeypatch.setattr(host, 'find_spec', lambda name: object() if mmengine else None)

    return pretend


def test_the_host_of_this_environment_is_fine():
    host.check_host()
    assert len(host.installed_stacks()) == 1


@pytest.mark.parametrize(
    'names', [('onedl-mmengine',), ('mmengine', 'mmcv-lite', 'mmdet'), ('mmengine-lite',)]
)
def test_one_stack_is_enough(installed, names):
    installed(*names)
    host.check_host()


def test_no_host_names_both_extras(installed):
    installed(mmengine=False)
    with pytest.raises(
        host.HostError,
        match=r"'mmengine' is not installed \(found: nothing of a host in "
        r'.*usot_plugin\[onedl\].*usot_plugin\[openmmlab\]',
    ):
        host.check_host()


@pytest.mark.parametrize(
    ('names', 'module'),
    [
        (('mmengine', 'onedl-mmengine'), 'mmengine'),
        (('mmcv-lite', 'onedl-mmcv'), 'mmcv'),
        (('mmcv', 'mmcv-lite'), 'mmcv'),
    ],
)
def test_two_providers_of_one_module_are_named(installed, names, module):
    installed(*names)
    with pytest.raises(host.HostError) as caught:
        host.check_host()
    assert f"provide the module '{module}'" in str(caught.value)
    assert all(f'{name} 1.0' in str(caught.value) for name in names), 'what was found'
    assert '\n' not in str(caught.value)


def test_import_without_a_host_ends_in_that_message(tmp_path):
    # A module that cannot be found stands in for an environment without the host.
    code = (
        'import importlib.util as u, importlib.metadata as m\n'
        'find = u.find_spec\n'
        "u.find_spec = lambda name, *a: None if name == 'mmengine' else find(name, *a)\n"
        'import usot_plugin\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        'usot_plugin.utils.host.HostError: usot_plugin needs MMEngine'
    )


@pytest.mark.full_host
def test_full_host_imports_all_of_mmdet():
    import mmdet.models

    assert 'ResNet' in mmdet.models.backbones.__all__


@pytest.mark.parametrize(
    ('names', 'modules', 'level', 'allowed'),
    [
        (('onedl-mmengine',), {'mmdet'}, 'OneDL without compiled ops', 'not mmdet.models'),
        (('onedl-mmengine',), {'mmdet', 'mmcv._ext'}, 'OneDL with compiled ops', 'everything'),
        (
            ('mmengine', 'mmcv-lite'),
            {'mmdet'},
            'official OpenMMLab without compiled ops',
            'not mmdet.models',
        ),
        (
            ('mmengine', 'mmcv'),
            {'mmdet', 'mmcv._ext'},
            'official OpenMMLab with compiled ops',
            'everything',
        ),
        (('onedl-mmengine',), {'mmcv._ext'}, 'OneDL without mmdet', 'the whole of this package'),
        ((), set(), 'none', 'install one of the two'),
    ],
)
def test_the_level_says_what_it_allows(monkeypatch, names, modules, level, allowed):
    monkeypatch.setattr(host, 'distribution_version', lambda name: '1.0' if name in names else None)
    monkeypatch.setattr(host, 'find_spec', lambda name: object() if name in modules else None)
    found, text = host.host_level()
    assert found == level and allowed in text
    if 'compiled ops' in level and 'without' in level:
        with pytest.raises(
            host.HostError,
            match=f"default_scope = 'mmdet' needs mmdet and mmcv with compiled ops.*{level}",
        ):
            host.import_scope('mmdet')


def test_scopes_of_the_root_need_nothing_and_unknown_ones_are_named():
    host.import_scope(None)
    host.import_scope('mmengine')
    with pytest.raises(
        host.HostError, match="default_scope = 'mmnowhere': its registries cannot be imported"
    ):
        host.import_scope('mmnowhere')


def written_by(module, function, text, logger, level=logging.INFO):
    """A line of the log as a function of a module writes it, by MMEngine's ``print_log``."""
    names = {'__name__': module, 'print_log': print_log}
    exec(f'def {function}(*args): print_log(*args)', names)
    names[function](text, logger, level)


LINES = {  # module, function, text, level -> shown by a tool, shown by a quiet tool
    ('mmengine.runner.runner', '_log_env', 'the environment', logging.INFO): (False, False),
    ('mmengine.hooks.logger_hook', 'after_train_iter', 'a loss', logging.INFO): (True, False),
    ('mmengine.hooks.logger_hook', 'after_test_epoch', 'a metric', logging.INFO): (True, True),
    ('usot_plugin.engine.x', 'f', 'a line of ours', logging.INFO): (True, False),
    ('my_project.model', 'f', 'a line of the user', logging.INFO): (True, False),
    (host.FILE_ONLY_MODULES[0], 'f', 'a sequence', logging.INFO): (False, False),
    ('mmengine.runner.runner', 'resume', 'resumed epoch: 1', logging.INFO): (True, False),
    ('mmengine.runner.runner', 'train', 'hooks', logging.INFO): (False, False),
    (host.RESULT_MODULES[0], 'f', 'the table', logging.INFO): (True, True),
    ('mmengine.runner.runner', 'f', 'does not fit', logging.WARNING): (True, True),
    ('mmengine.fileio', 'f', host.HOST_NOTICES[0], logging.WARNING): (False, False),
}


@pytest.mark.parametrize('only_results', [False, True])
def test_a_tool_shows_part_of_the_log_and_the_file_has_all(tmp_path, capsys, only_results):
    old = MMLogger.get_instance(f'old {only_results}')
    with host.tool_log(only_results):
        new = MMLogger.get_instance(f'new {only_results}', log_file=str(tmp_path / 'log'))
        for logger in (old, new):
            for (module, function, text, level), shown in LINES.items():
                written_by(module, function, text, logger, level)
                assert (text in capsys.readouterr().out) == shown[only_results], text
    in_file = (tmp_path / 'log').read_text()
    assert all(text in in_file for _, _, text, _ in LINES)
    written_by('mmengine.runner.runner', 'f', 'after the tool', old)
    assert 'after the tool' in capsys.readouterr().out
