"""``usot VERB``: which verbs there are, how wrong ones are refused, what is imported when."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import usot_plugin
from usot_plugin.cli.main import GROUPS, VERBS, help_text, main
from usot_plugin.utils.packaged import packaged_folder

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('verb', VERBS.values(), ids=VERBS)
def test_each_verb_has_its_main(verb):
    assert callable(importlib.import_module(f'usot_plugin.{verb.module}').main)


def test_every_tool_is_a_thin_script_around_the_command_line():
    scripts = [
        *packaged_folder('tools').glob('*.py'),
        *(packaged_folder('tools') / 'analysis').glob('*.py'),
    ]
    makers_of_goldens = {'got10k_toolkit_scores', 'davis_official_scores'}
    for path in scripts:
        tree = ast.parse(path.read_text(encoding='utf-8'))
        imports = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        if path.stem not in makers_of_goldens:
            assert len(imports) == 1 and imports[0].startswith('usot_plugin.cli.'), path


def test_each_tool_has_a_verb():
    folder = Path(importlib.import_module('usot_plugin.cli').__path__[0])
    tools = {path.stem for path in folder.glob('*.py') if '\ndef main(' in path.read_text()}
    have_verbs = {verb.module.removeprefix('cli.') for verb in VERBS.values()}
    assert tools - have_verbs == {'main', 'docs_tables'}  # the command itself; of this repository
    assert {'browse', 'convert', 'migrate', 'plot'} <= set(VERBS)


def test_help_names_every_verb(capsys):
    assert main(['--help']) == 0
    shown = capsys.readouterr().out
    assert shown == help_text() + '\n'
    assert all(
        f'  {name} ' in shown and verb.summary in shown
        for group in GROUPS.values()
        for name, verb in group.items()
    )


@pytest.mark.parametrize(
    ('arguments', 'line'),
    [
        (['trian'], 'error: trian is no verb; did you mean train?'),
        (['nothing'], 'error: nothing is no verb; usot --help lists the verbs'),
        ([], 'usage: usot VERB'),
    ],
)
def test_what_is_no_verb_is_refused(capsys, arguments, line):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(line)


def test_a_verb_gets_the_rest_of_the_line_and_gives_its_status(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, 'argv', ['usot'])
    assert main(['plot', str(tmp_path / 'missing')]) == 2
    assert str(tmp_path / 'missing') in capsys.readouterr().err


@pytest.mark.parametrize('line', ['usot tra', 'usot '])
def test_verbs_are_completed(monkeypatch, line):
    reading, writing = os.pipe()
    open_descriptor = os.fdopen
    monkeypatch.setattr(os, 'fdopen', lambda number, mode, closefd: open_descriptor(writing, mode))
    for name, value in (
        ('_ARGCOMPLETE', '1'),
        ('COMP_LINE', line),
        ('COMP_POINT', str(len(line))),
        ('_ARGCOMPLETE_IFS', ' '),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main([])
    with open(reading) as answers:
        found = answers.read().split()
    assert found == [name for name in VERBS if name.startswith(line.split(' ')[1])] and found


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.process
def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; sys.orig_argv = ['python', '/bin/usot', '--help']; from "
        "usot_plugin.cli.main import main; main(['--help']); "
        "print([name for name in ('torch', 'mmengine', 'cv2', 'numpy') if name in sys.modules])"
    )
    assert _run('-c', code, cwd=tmp_path).stdout.splitlines()[-1] == '[]'


@pytest.mark.process
@pytest.mark.parametrize(('module', 'arguments', 'status', 'said'), [
    ('usot_plugin', ['train', '--help'], 0, 'usage: usot train'),
    ('usot_plugin', ['doctor', '--brief'], 0, f'usot_plugin {usot_plugin.__version__}, Python'),
    (
        'usot_plugin',
        ['discover', 'discovery/defualt.py', 'x.mp4', '--out', 'table'],
        2,
        "did you mean 'default.py'?",
    ),
    ('usot_plugin.tools.train', ['--help'], 0, 'usot_plugin.tools is now usot_plugin.cli'),
    ('usot_plugin.tools', ['nothing'], 2, 'nothing is no verb'),
])  # fmt: skip
def test_as_a_process_and_by_its_old_names(tmp_path, module, arguments, status, said):
    done = _run('-m', module, *arguments, cwd=tmp_path)
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stderr
