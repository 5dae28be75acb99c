"""Rewrite a single-object-tracking config of MMTracking 1.x (dev-1.x) for this package.

The code is in :mod:`usot_plugin.cli.migrate_mmtrack_config`.
"""

import sys

from usot_plugin.cli.migrate_mmtrack_config import main

if __name__ == '__main__':
    sys.exit(main())
