"""Look at mined pairs: one HTML page with every instance and all patches that were found for it.

The code is in :mod:`usot_plugin.cli.browse_pairs`.
"""

import sys

from usot_plugin.cli.browse_pairs import main

if __name__ == '__main__':
    sys.exit(main())
