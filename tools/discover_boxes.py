"""Find moving objects in unlabeled videos and write them to a pseudo-box table.

The code is in :mod:`usot_plugin.cli.discover`.
"""

import sys

from usot_plugin.cli.discover import main

if __name__ == '__main__':
    sys.exit(main())
