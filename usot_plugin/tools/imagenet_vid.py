"""``python -m usot_plugin.tools.imagenet_vid``; see :mod:`usot_plugin.tools`."""

from usot_plugin.tools import hand_over

if __name__ == '__main__':
    raise SystemExit(hand_over('imagenet_vid'))
