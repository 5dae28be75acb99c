"""Import paths of the release before lead to the new place, with a warning."""

from __future__ import annotations

import importlib
import sys

import pytest

import usot_plugin
from usot_plugin._moved import MOVED


@pytest.mark.parametrize('old', MOVED)
def test_old_path_is_the_module_at_its_new_place(old, monkeypatch):
    monkeypatch.delitem(sys.modules, f'usot_plugin.{old}', raising=False)
    new = importlib.import_module(f'usot_plugin.{MOVED[old]}')
    with pytest.warns(FutureWarning, match=f'usot_plugin.{MOVED[old]}'):
        module = importlib.import_module(f'usot_plugin.{old}')
    assert module is new
    assert module.__spec__.name == f'usot_plugin.{MOVED[old]}'


def test_a_name_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match='usot_plugin.models.nothing'):
        importlib.import_module('usot_plugin.models.nothing')


def test_a_folder_of_old_bytecode_does_not_hide_the_new_place(tmp_path, monkeypatch):
    # What an update leaves behind: a folder with nothing but __pycache__, which Python takes for a
    # package.
    (tmp_path / 'trackers' / '__pycache__').mkdir(parents=True)
    monkeypatch.setattr(
        usot_plugin.models, '__path__', [*usot_plugin.models.__path__, str(tmp_path)]
    )
    monkeypatch.delitem(sys.modules, 'usot_plugin.models.trackers', raising=False)
    with pytest.warns(FutureWarning):
        assert importlib.import_module('usot_plugin.models.trackers').StandStill
