"""Track many objects: detections get identities, a single-object tracker carries each object
through missed detections.

The code is in :mod:`usot_plugin.cli.track_objects`.
"""

import sys

from usot_plugin.cli.track_objects import main

if __name__ == '__main__':
    sys.exit(main())
