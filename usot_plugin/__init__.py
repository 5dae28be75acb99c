"""Learn to track any object from unlabeled video.

Importing this package registers its parts in MMEngine's root registries, which is all a host config needs::

    custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)
"""

from .utils.host import check_host
from .version import __version__

check_host()

from . import apis, datasets, discovery, engine, evaluation, models, visualization  # noqa: E402

__all__ = ['__version__', 'apis', 'datasets', 'discovery', 'engine', 'evaluation', 'models', 'visualization']
