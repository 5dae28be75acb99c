"""``python -m usot_plugin.tools.train_pul``; see :mod:`usot_plugin.tools`."""

from usot_plugin.tools import hand_over

if __name__ == '__main__':
    raise SystemExit(hand_over('train_pul'))
