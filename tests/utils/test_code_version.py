"""The commit of the clone that a file is part of."""

from __future__ import annotations

import re
import subprocess

from usot_plugin.utils.code_version import UNKNOWN_CODE, code_version


def git(folder, *arguments):
    identity = ('-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false')
    subprocess.run(
        ['git', '-C', str(folder), *identity, *arguments], check=True, capture_output=True
    )


def test_a_commit_only_for_files_of_the_clone(tmp_path):
    file = tmp_path / 'module.py'
    file.write_text('a = 1\n')
    assert code_version(file) == UNKNOWN_CODE
    git(tmp_path, 'init')
    (tmp_path / 'other.py').write_text('')
    git(tmp_path, 'add', 'other.py')
    git(tmp_path, 'commit', '-m', 'x')
    assert code_version(file) == UNKNOWN_CODE, 'installed inside a clone of something else'
    git(tmp_path, 'add', 'module.py')
    git(tmp_path, 'commit', '-m', 'y')
    commit = code_version(file)
    assert re.fullmatch('[0-9a-f]{40}', commit)
    file.write_text('a = 2\n')
    assert code_version(file) == f'{commit}-dirty'
