"""A tracker as a TraX server, which the VOT toolkit starts from its own workspace; or its entry in
that workspace.

The code is in :mod:`usot_plugin.cli.vot_tracker`.
"""

import sys

from usot_plugin.cli.vot_tracker import main

if __name__ == '__main__':
    sys.exit(main())
