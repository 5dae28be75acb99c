from __future__ import annotations

import torch

from usot_plugin.utils import collect_env
from usot_plugin.version import __version__


def test_names_everything_a_bug_report_needs():
    info = collect_env.collect_env()
    assert info['usot_plugin'] == __version__
    assert info['torch'] == torch.__version__
    assert any(key.startswith('Host (') and 'mmengine' in value for key, value in info.items())
    assert all(isinstance(value, str) and value for value in info.values())


def test_missing_host_and_parts_are_told(monkeypatch):
    monkeypatch.setattr(collect_env, 'installed_stacks', dict)
    monkeypatch.setattr(collect_env, 'distribution_version', lambda name: None)
    info = collect_env.collect_env()
    assert info['Host'] == 'none'
    assert info['ray'] == 'not installed'


def test_prints_one_item_a_line_or_one_line(capsys):
    collect_env.main([])
    assert len(capsys.readouterr().out.splitlines()) == len(collect_env.collect_env())
    collect_env.main(['--brief'])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_level_of_the_host_and_the_processes_are_told():
    info = collect_env.collect_env()
    assert info['Level'].startswith(('OneDL', 'official OpenMMLab')) and info['It allows']
    assert 'gloo' in info['Distributed'] and 'processes: ' in info['Distributed']
