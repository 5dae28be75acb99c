"""Track a benchmark and score the result.

The code is in :mod:`usot_plugin.cli.test`.
"""

import sys

from usot_plugin.cli.test import main

if __name__ == '__main__':
    sys.exit(main())
