"""Speed of every stage in one table: discovery, loading, training, tracking.

Each number stands beside a baseline of the same run.

The code is in :mod:`usot_plugin.cli.measure_speed`.
"""

import sys

from usot_plugin.cli.measure_speed import main

if __name__ == '__main__':
    sys.exit(main())
