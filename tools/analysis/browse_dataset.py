"""Contact sheet of training groups: template, search area and memory frames with their boxes, as
the network gets them.

The code is in :mod:`usot_plugin.cli.browse_dataset`.
"""

import sys

from usot_plugin.cli.browse_dataset import main

if __name__ == '__main__':
    sys.exit(main())
