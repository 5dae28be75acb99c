"""``python -m usot_plugin.datasets.synthetic OUT``: see
:mod:`usot_plugin.datasets.synthetic.clips`."""

from .clips import main

if __name__ == '__main__':
    raise SystemExit(main())
