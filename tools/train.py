"""Train a model.

The code is in :mod:`usot_plugin.cli.train`.
"""

import sys

from usot_plugin.cli.train import main

if __name__ == '__main__':
    sys.exit(main())
