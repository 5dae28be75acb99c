"""What is said when the host is missing or there twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
