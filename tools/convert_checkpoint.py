"""Turn published weights into ours.

The code is in :mod:`usot_plugin.cli.convert_checkpoint`.
"""

import sys

from usot_plugin.cli.convert_checkpoint import main

if __name__ == '__main__':
    sys.exit(main())
