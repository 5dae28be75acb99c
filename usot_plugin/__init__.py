"""Learn to track any object from unlabeled video.

Importing this package registers its parts in MMEngine's root registries, which is all a host config
needs::

    custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)
"""

import sys
from pathlib import Path

from ._moved import install as keep_old_import_paths
from .utils.host import check_host
from .version import __version__

__all__ = ['__version__', 'register']


def register() -> None:
    """Check the host and import every room; what registers itself is then known.

    Raises:
        HostError: There is no host, or two of them; the message says what to install.
    """
    check_host()
    from . import (  # noqa: F401
        apis,
        datasets,
        discovery,
        engine,
        evaluation,
        models,
        self_training,
        tracking,
        visualization,
    )
    from .utils.checkpoint import try_safe_loader_first
    from .utils.forked import use_one_thread_after_fork

    try_safe_loader_first()
    use_one_thread_after_fork()


def _is_command() -> bool:
    """Whether the command ``usot`` or the report of the environment is being started.

    Both decide themselves when to register: help and the report must not need a host. The workers
    that a command spawns are no commands.
    """
    words = sys.orig_argv[1:]
    if sys.argv[:1] == ['-m']:
        # `python -m` imports this package before its module, and calls itself '-m' meanwhile.
        return bool({'usot_plugin', 'usot_plugin.utils.collect_env'} & set(words))
    return bool(words) and Path(words[0]).stem == 'usot'


keep_old_import_paths()
if not _is_command():
    register()
