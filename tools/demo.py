"""Track targets in a video, a folder of images, a camera or a network stream, and write the result
as a video and as files.

The code is in :mod:`usot_plugin.cli.track`.
"""

import sys

from usot_plugin.cli.track import main

if __name__ == '__main__':
    sys.exit(main())
