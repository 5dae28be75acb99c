"""Fetch the public ImageNet weights of a mobile backbone.

The code is in :mod:`usot_plugin.cli.fetch_backbone`.
"""

import sys

from usot_plugin.cli.fetch_backbone import main

if __name__ == '__main__':
    sys.exit(main())
