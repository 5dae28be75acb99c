"""Draw the loss curves of one or several runs.

The code is in :mod:`usot_plugin.cli.plot_losses`.
"""

import sys

from usot_plugin.cli.plot_losses import main

if __name__ == '__main__':
    sys.exit(main())
