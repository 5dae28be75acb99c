"""Does this package work on this card? A table of checks on rendered clips; nothing is fetched, no
data are needed.

The code is in :mod:`usot_plugin.cli.check_device`.
"""

import sys

from usot_plugin.cli.check_device import main

if __name__ == '__main__':
    sys.exit(main())
