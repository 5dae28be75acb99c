"""``python -m usot_plugin.cli VERB``: the command ``usot``."""

import sys

from usot_plugin.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
