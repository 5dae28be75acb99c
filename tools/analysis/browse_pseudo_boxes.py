"""Look at a pseudo-box table: a contact sheet per clip and one HTML gallery of all of them.

The code is in :mod:`usot_plugin.cli.browse`.
"""

import sys

from usot_plugin.cli.browse import main

if __name__ == '__main__':
    sys.exit(main())
