"""Export a USOT tracker as ONNX graphs, compared with PyTorch before they count as finished.

The code is in :mod:`usot_plugin.cli.export_onnx`.
"""

import sys

from usot_plugin.cli.export_onnx import main

if __name__ == '__main__':
    sys.exit(main())
