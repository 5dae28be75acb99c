"""Pack trained weights into one small file that carries its config and says what it learnt from.

The code is in :mod:`usot_plugin.cli.pack_pretrained`.
"""

import sys

from usot_plugin.cli.pack_pretrained import main

if __name__ == '__main__':
    sys.exit(main())
