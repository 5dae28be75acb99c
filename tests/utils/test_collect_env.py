from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from usot_plugin.utils import collect_env
from usot_plugin.version import __version__

ROOT = Path(__file__).parents[2]
HOSTS = ('mmengine', 'mmcv', 'mmdet', 'onedl')


def _python(packages: Path, *arguments: str) -> subprocess.CompletedProcess:
    """An interpreter that sees this clone and one folder of packages, and no site-packages of its
    own."""
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join((str(ROOT), str(packages)))}
    command = [sys.executable, '-S', *arguments]
    return subprocess.run(
        command,
        cwd=packages,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def packages(tmp_path) -> Path:
    """Links to the packages of this environment; the host is left out."""
    for path in map(Path, sys.path):
        if path.name == 'site-packages':
            for package in path.iterdir():
                if not package.name.lower().startswith((*HOSTS, '__editable__', 'usot_plugin')):
                    (tmp_path / package.name).symlink_to(package)
    return tmp_path


@pytest.fixture
def two_hosts(packages) -> Path:
    """Both stacks, as far as their metadata goes."""
    for name in ('mmengine-0.10.7', 'onedl_mmengine-0.10.12', 'mmdet-3.3.0'):
        folder = packages / f'{name}.dist-info'
        folder.mkdir()
        distribution, version = name.split('-')
        text = (
            f'Metadata-Version: 2.1\nName: {distribution.replace("_", "-")}\nVersion: {version}\n'
        )
        (folder / 'METADATA').write_text(text, encoding='utf-8')
    return packages


@pytest.mark.process
def test_reports_from_an_environment_without_a_host(packages):
    done = _python(packages, '-m', 'usot_plugin.utils.collect_env')
    assert (done.returncode, done.stderr) == (0, '')
    report = dict(line.split('  ', 1) for line in done.stdout.splitlines())
    assert {report[key].strip() for key in ('Host', 'Level')} == {'none'}
    assert report['torch'].strip() == torch.__version__
    assert "'mmengine' is not installed" in report['Problem']


@pytest.mark.process
def test_reports_two_hosts(two_hosts):
    done = _python(two_hosts, '-m', 'usot_plugin.utils.collect_env')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'Host (onedl)' in done.stdout and 'Host (openmmlab)' in done.stdout
    (problem,) = (line for line in done.stdout.splitlines() if line.startswith('Problem'))
    assert 'pip uninstall onedl-mmengine mmengine' in problem


def test_other_imports_are_refused_there_and_told_what_was_found(two_hosts):
    for arguments in (('-c', 'import usot_plugin'), ('-m', 'usot_plugin.tools')):
        done = _python(two_hosts, *arguments)
        assert done.returncode == 1
        error = done.stderr.splitlines()[-1]
        assert 'HostError: onedl-mmengine and mmengine are both installed' in error
        assert 'found: onedl-mmengine 0.10.12, mmengine 0.10.7, mmdet 3.3.0 in ' in error


def test_names_everything_a_bug_report_needs():
    info = collect_env.collect_env()
    assert info['usot_plugin'] == __version__
    assert info['torch'] == torch.__version__
    assert any(key.startswith('Host (') and 'mmengine' in value for key, value in info.items())
    assert all(isinstance(value, str) and value for value in info.values())


def test_missing_host_and_parts_are_told(monkeypatch, capsys):
    monkeypatch.setattr(collect_env, 'installed_stacks', dict)
    monkeypatch.setattr(collect_env, 'distribution_version', lambda name: None)
    info = collect_env.collect_env()
    assert info['Host'] == 'none'
    assert info['ray'] == 'not installed'
    collect_env.main(['--brief'])
    assert capsys.readouterr().out.endswith(', none\n')


def test_prints_one_item_a_line_or_one_line(capsys):
    collect_env.main([])
    assert len(capsys.readouterr().out.splitlines()) == len(collect_env.collect_env())
    collect_env.main(['--brief'])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_the_level_of_the_host_and_the_processes_are_told():
    info = collect_env.collect_env()
    assert info['Level'].startswith(('OneDL', 'official OpenMMLab')) and info['It allows']
    assert 'gloo' in info['Distributed'] and 'processes: ' in info['Distributed']


@pytest.mark.parametrize(
    ('installed', 'said'),
    [
        ({'opencv-python-headless': '5.0.0'}, 'opencv-python-headless 5.0.0'),
        ({'opencv-contrib-python': '4.11'}, 'opencv-contrib-python 4.11'),
        (
            {'opencv-python': '5.0.0', 'opencv-python-headless': '4.12'},
            'opencv-python 5.0.0 and opencv-python-headless 4.12: the same files, keep one of them',
        ),
        ({}, 'not from a distribution of PyPI'),
    ],
)
def test_any_distribution_of_opencv_serves(monkeypatch, installed, said):
    monkeypatch.setattr(collect_env, 'distribution_version', installed.get)
    info = collect_env.collect_env()
    assert info['OpenCV'] == said
    assert not [key for key in info if key.startswith('opencv')], 'one line for all of them'


def test_no_opencv_at_all(monkeypatch):
    monkeypatch.setattr(collect_env, 'distribution_version', {}.get)
    monkeypatch.setattr(collect_env, 'find_spec', {}.get)
    assert collect_env.collect_env()['OpenCV'] == 'not installed'
