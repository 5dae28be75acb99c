"""Search a tracker's hyper-parameters on a named set of sequences, never on a test set by accident.

The code is in :mod:`usot_plugin.cli.search_params`.
"""

import sys

from usot_plugin.cli.search_params import main

if __name__ == '__main__':
    sys.exit(main())
