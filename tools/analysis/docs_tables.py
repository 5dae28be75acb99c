"""Write the tables of measured numbers into the pages, from docs/runs.csv and the metafiles.

The code is in :mod:`usot_plugin.cli.docs_tables`.
"""

import sys

from usot_plugin.cli.docs_tables import main

if __name__ == '__main__':
    sys.exit(main())
