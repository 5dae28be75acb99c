"""Learn to track any object from unlabeled video.

Importing this package registers its parts in MMEngine's root registries, which is all a host config needs::

    custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)
"""

import sys

from ._moved import install as keep_old_import_paths
from .utils.host import check_host
from .version import __version__

# `python -m` imports this package before its module, and calls itself '-m' meanwhile. The report of the environment has to come out of
# one where the rest cannot be imported, too.
if sys.argv[:1] != ['-m'] or 'usot_plugin.utils.collect_env' not in sys.orig_argv:
    check_host()
    keep_old_import_paths()
    from . import (
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

__all__ = [
    '__version__',
    'apis',
    'datasets',
    'discovery',
    'engine',
    'evaluation',
    'models',
    'self_training',
    'tracking',
    'visualization',
]
