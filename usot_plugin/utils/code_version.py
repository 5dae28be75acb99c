"""Which commit of this package runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: What is said outside a clone.
UNKNOWN_CODE = 'unknown'


def code_version(file: str | Path = __file__) -> str:
    """Commit of the clone that ``file`` belongs to, with ``-dirty`` where tracked files were
    changed; :data:`UNKNOWN_CODE` outside one.

    A package installed into an environment that lies inside another project's clone is not of that
    clone: the file has to be tracked.
    """
    path = Path(file).resolve()
    environment = {
        **os.environ,
        'GIT_OPTIONAL_LOCKS': '0',
    }  # reading only: another git may be at work in the clone

    def git(*arguments: str) -> str:
        command = ['git', '-C', str(path.parent), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment
        ).stdout.strip()

    try:
        git('ls-files', '--error-unmatch', path.name)
        return git('describe', '--always', '--dirty', '--abbrev=40', '--exclude=*')
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN_CODE
