"""``python -m usot_plugin.tools.<verb>`` hands over to the scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import usot_plugin.tools
from usot_plugin.tools import SCRIPTS
from usot_plugin.utils.packaged import packaged_folder

ROOT = Path(__file__).parents[1]


def _run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-m', module, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_each_verb_is_a_module_and_has_a_script():
    modules = {path.stem for path in Path(usot_plugin.tools.__file__).parent.glob('*.py')} - {'__init__', '__main__'}
    assert modules == set(SCRIPTS)
    assert all((packaged_folder('tools') / script).is_file() for script in SCRIPTS.values())


def test_list_of_verbs(tmp_path):
    done = _run('usot_plugin.tools', cwd=tmp_path)
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in SCRIPTS)


@pytest.mark.parametrize(('verb', 'arguments', 'status', 'said'), [
    ('train', ['--help'], 0, 'Train a tracker.'),
    ('discover', ['configs/discovery/defualt.py', 'x.mp4', '--out', 'table'], 2, "no such config, did you mean 'default.py'?"),
    ('train_pul', ['configs/quick/udt_quick.py'], 2, "udt_quick.py: no key 'discrimination'; train_pul.py takes configs like"),
    ('track', ['missing.mp4', '--box', '1,2,30,40'], 2, 'missing.mp4'),
])  # fmt: skip
def test_arguments_output_and_exit_status_are_the_scripts(tmp_path, verb, arguments, status, said):
    done = _run(f'usot_plugin.tools.{verb}', *arguments, cwd=tmp_path)
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stderr
