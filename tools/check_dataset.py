"""Say what is missing or broken in a benchmark's folder, sequence by sequence.

The code is in :mod:`usot_plugin.cli.check_dataset`.
"""

import sys

from usot_plugin.cli.check_dataset import main

if __name__ == '__main__':
    sys.exit(main())
