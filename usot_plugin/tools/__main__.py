"""``python -m usot_plugin.tools``: what verbs there are."""

from usot_plugin.tools import SCRIPTS
from usot_plugin.tools import __doc__ as about

if __name__ == '__main__':
    print(about)
    print('\n'.join(f'    {verb:20s} {script}' for verb, script in SCRIPTS.items()))
