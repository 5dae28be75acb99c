"""Turn the XML files of ImageNet VID into the CocoVID file that supervised configs read.

The code is in :mod:`usot_plugin.cli.convert_imagenet_vid`.
"""

import sys

from usot_plugin.cli.convert_imagenet_vid import main

if __name__ == '__main__':
    sys.exit(main())
