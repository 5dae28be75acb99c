"""Print a config as a run sees it: bases merged, options applied, checked.

The code is in :mod:`usot_plugin.cli.print_config`.
"""

import sys

from usot_plugin.cli.print_config import main

if __name__ == '__main__':
    sys.exit(main())
