"""Optional packages: one form of refusal, extras that exist, and no traceback where one is
missing."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

import pytest

from usot_plugin.cli.export_onnx import main as export
from usot_plugin.cli.main import main as usot
from usot_plugin.utils.cli import USER_ERROR, exit_status
from usot_plugin.utils.optional import EXTRAS, MissingPackageError, pip_command, require

ROOT = Path(__file__).parents[2]
#: Module -> the name under which pip knows it, where the two differ.
PIP_NAMES = {'PIL': 'pillow', 'sklearn': 'scikit-learn', 'trax': 'vot-trax'}


def hide(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize('module', EXTRAS)
def test_the_extra_brings_the_package(module):
    declared = configparser.ConfigParser()
    declared.read(ROOT / 'setup.cfg', encoding='utf-8')
    assert PIP_NAMES.get(module, module) in declared['options.extras_require'][EXTRAS[module]]


def test_a_package_that_is_there_is_imported():
    assert require('json', 'the test').dumps({}) == '{}'


def test_a_missing_package_is_one_line_with_the_command(monkeypatch):
    hide(monkeypatch, 'optuna')
    with pytest.raises(MissingPackageError) as caught:
        require('optuna', 'the search')
    assert str(caught.value) == (
        "the search needs optuna, which is not installed: pip install 'usot_plugin[search]'"
    )


def test_a_package_that_fails_by_itself_is_named_as_such(tmp_path, monkeypatch):
    (tmp_path / 'broken_one.py').write_text('import no_such_part\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r'cannot be imported \(No module .*no_such_part'):
        require('broken_one', 'the test')
    assert pip_command('vot') == "pip install 'vot-toolkit==0.9.0'"


@pytest.mark.parametrize('package', ['onnx', 'onnxruntime'])
def test_export_refuses_before_a_model_is_built(tmp_path, monkeypatch, capsys, package):
    hide(monkeypatch, package)
    assert export(['no_such_weights', '--out', str(tmp_path / 'graphs')]) == USER_ERROR
    line = (
        f'error: the export needs {package}, which is not installed: pip install '
        "'usot_plugin[export]'\n"
    )
    assert capsys.readouterr().err == line


def test_a_lazy_import_anywhere_in_a_tool_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['usot plot'])
    hide(monkeypatch, 'PIL')

    def run() -> None:
        from PIL import Image  # noqa: F401

    assert exit_status(run) == USER_ERROR
    assert capsys.readouterr().err.startswith('error: usot plot needs PIL, which')


def test_a_module_of_our_own_that_is_missing_keeps_its_traceback():
    def run() -> None:
        import usot_plugin.no_such_room  # noqa: F401

    with pytest.raises(ImportError):
        exit_status(run)


def test_a_verb_whose_module_needs_a_missing_package(monkeypatch, capsys):
    for module in ('usot_plugin.cli.browse',):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delitem(sys.modules, 'usot_plugin.visualization.pseudo_box_sheet', raising=False)
    hide(monkeypatch, 'matplotlib.axes')
    monkeypatch.setattr(sys, 'argv', ['usot'])
    assert usot(['browse', '.', '--out', 'gallery']) == USER_ERROR
    assert "pip install 'usot_plugin[eval]'" in capsys.readouterr().err
