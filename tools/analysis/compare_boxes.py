"""How far two runs agree, box by box: IoU and distance in pixels for each sequence of two folders
of result files.

The code is in :mod:`usot_plugin.cli.compare_boxes`.
"""

import sys

from usot_plugin.cli.compare_boxes import main

if __name__ == '__main__':
    sys.exit(main())
