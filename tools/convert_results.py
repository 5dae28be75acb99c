"""Convert one tracker's result files to the format of another community, and back.

The code is in :mod:`usot_plugin.cli.convert_results`.
"""

import sys

from usot_plugin.cli.convert_results import main

if __name__ == '__main__':
    sys.exit(main())
