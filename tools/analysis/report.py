"""Compare trackers in one HTML file that needs no network.

The code is in :mod:`usot_plugin.cli.report`.
"""

import sys

from usot_plugin.cli.report import main

if __name__ == '__main__':
    sys.exit(main())
