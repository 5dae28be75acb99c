"""Pack results for a benchmark's server: ``make_submission.py CONFIG RESULTS --server got10k --out
FILE.zip``.

The code is in :mod:`usot_plugin.cli.make_submission`.
"""

import sys

from usot_plugin.cli.make_submission import main

if __name__ == '__main__':
    sys.exit(main())
