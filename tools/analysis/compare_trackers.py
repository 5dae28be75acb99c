"""Compare trackers: a table of their totals, and with --video a video of them side by side.

The code is in :mod:`usot_plugin.cli.compare`.
"""

import sys

from usot_plugin.cli.compare import main

if __name__ == '__main__':
    sys.exit(main())
