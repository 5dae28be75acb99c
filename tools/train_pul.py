"""PUL-style training in one command: background discrimination, pair mining, training on the mined
pairs.

The code is in :mod:`usot_plugin.cli.train_pul`.
"""

import sys

from usot_plugin.cli.train_pul import main

if __name__ == '__main__':
    sys.exit(main())
