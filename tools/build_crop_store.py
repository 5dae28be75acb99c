"""Store crops around the pseudo boxes of a table, so that training needs no video decoding.

The code is in :mod:`usot_plugin.cli.crops`.
"""

import sys

from usot_plugin.cli.crops import main

if __name__ == '__main__':
    sys.exit(main())
