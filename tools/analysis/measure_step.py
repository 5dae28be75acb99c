"""What a training step is made of: loading, forward, backward, optimizer, and the all-reduce of
several processes.

The code is in :mod:`usot_plugin.cli.measure_step`.
"""

import sys

from usot_plugin.cli.measure_step import main

if __name__ == '__main__':
    sys.exit(main())
