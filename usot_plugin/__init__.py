"""Learn to track any object from unlabeled video.

Importing this package registers its parts in MMEngine's root registries, which is all a host config needs::

    custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)
"""

import sys

from .utils.host import check_host
from .version import __version__

# `python -m` imports this package before its module, and calls itself '-m' meanwhile. The report of the environment has to come out of
# one where the rest cannot be imported, too.
if sys.argv[:1] != ['-m'] or 'usot_plugin.utils.collect_env' not in sys.orig_argv:
    check_host()
    from . import apis, datasets, discovery, engine, evaluation, models, visualization

__all__ = ['__version__', 'apis', 'datasets', 'discovery', 'engine', 'evaluation', 'models', 'visualization']
