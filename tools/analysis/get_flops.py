"""What a tracker costs: parameters, and multiply-adds of the template branch, the search branch and
a tracked frame.

The code is in :mod:`usot_plugin.cli.get_flops`.
"""

import sys

from usot_plugin.cli.get_flops import main

if __name__ == '__main__':
    sys.exit(main())
