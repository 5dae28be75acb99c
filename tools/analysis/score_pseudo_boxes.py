"""Hold pseudo boxes against real ones on annotated sequences (Table 5 of the USOT paper).

The code is in :mod:`usot_plugin.cli.score_pseudo_boxes`.
"""

import sys

from usot_plugin.cli.score_pseudo_boxes import main

if __name__ == '__main__':
    sys.exit(main())
