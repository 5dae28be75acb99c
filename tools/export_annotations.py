"""Write the pseudo boxes of a table in the annotation format of another toolbox.

The code is in :mod:`usot_plugin.cli.export_annotations`.
"""

import sys

from usot_plugin.cli.export_annotations import main

if __name__ == '__main__':
    sys.exit(main())
