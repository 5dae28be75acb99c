"""CPU time of VOT's overlaps and measures.

The code is in :mod:`usot_plugin.cli.measure_vot`.
"""

import sys

from usot_plugin.cli.measure_vot import main

if __name__ == '__main__':
    sys.exit(main())
