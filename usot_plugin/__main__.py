"""``python -m usot_plugin VERB``: the command ``usot`` where it is not on the path."""

import sys

from usot_plugin.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
