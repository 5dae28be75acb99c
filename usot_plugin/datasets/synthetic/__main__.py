<<<<<<< HEAD
"""``python -m usot_plugin.datasets.synthetic OUT``: see :mod:`usot_plugin.datasets.synthetic.clips`."""
=======
"""``python -m usot_plugin.datasets.synthetic``: the same as ``usot render``."""

import sys
>>>>>>> 0345b6d (usot: one command with a verb for each tool)

from .clips import main

if __name__ == '__main__':
<<<<<<< HEAD
    raise SystemExit(main())
=======
    sys.exit(main())
>>>>>>> 0345b6d (usot: one command with a verb for each tool)
