"""Configs are found in a clone and below the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from usot_plugin.utils.config import ConfigError, load_config
from usot_plugin.utils.packaged import find_config, packaged_folder


def test_folders_of_this_installation():
    assert (packaged_folder('configs') / 'usot_r50.py').is_file()
    assert (packaged_folder('tools') / 'train.py').is_file()


@pytest.mark.parametrize('path', ['configs/quick/usot_quick.py', 'quick/usot_quick.py'])
def test_packaged_config_is_found_from_anywhere(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    assert find_config(path) == packaged_folder('configs') / 'quick/usot_quick.py'
    assert load_config(path).model.type == 'USOT'


def test_own_file_wins_and_a_missing_one_is_named_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('configs/quick').mkdir(parents=True)
    Path('configs/quick/usot_quick.py').write_text('a = 1\n')
    assert find_config('configs/quick/usot_quick.py') == Path('configs/quick/usot_quick.py')
    absolute = tmp_path / 'quick/usot_quick.py'
    assert find_config(absolute) == absolute
    with pytest.raises(
        ConfigError,
        match=r'^configs/quick/usot_qick\.py: no such config, did you mean .usot_quick\.py',
    ):
        load_config('configs/quick/usot_qick.py')
