"""Score the checkpoints of several epochs on a named set of sequences, never on a test set by
accident, and print the table.

The code is in :mod:`usot_plugin.cli.compare_epochs`.
"""

import sys

from usot_plugin.cli.compare_epochs import main

if __name__ == '__main__':
    sys.exit(main())
