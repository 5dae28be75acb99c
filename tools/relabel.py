"""Label the clips of a pseudo-box table again with a trained tracker.

The code is in :mod:`usot_plugin.cli.relabel`.
"""

import sys

from usot_plugin.cli.relabel import main

if __name__ == '__main__':
    sys.exit(main())
