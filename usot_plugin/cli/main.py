"""The command ``usot``: it finds the verb's module and hands the arguments over.

Nothing heavy is imported before a verb is known, so ``usot --help`` answers at once.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

import usot_plugin
from usot_plugin.cli.preflight import InputsError, check_words
from usot_plugin.utils.cli import FINE, INTERRUPTED, STATUSES, USER_ERROR
from usot_plugin.utils.host import HostError
from usot_plugin.utils.optional import as_missing_package
from usot_plugin.version import __version__


@dataclass(frozen=True)
class Verb:
    """A verb: the module below ``usot_plugin`` whose ``main`` does it, what it is for, and whether
    it needs the host."""

    module: str
    summary: str
    host: bool = True


#: Heading -> verb -> what does it, in the order of a user's work.
GROUPS: dict[str, dict[str, Verb]] = {
    'From video to pseudo boxes': {
        'discover': Verb(
            'cli.discover', 'find moving objects in unlabeled clips, write a table of pseudo boxes'
        ),
        'browse': Verb('cli.browse', 'a page of pictures of what was found, and why'),
        'crops': Verb('cli.crops', 'store the crops that training reads'),
        'relabel': Verb('cli.relabel', 'label the clips again with a trained tracker'),
        'export-boxes': Verb(
            'cli.export_annotations', "write pseudo boxes in other projects' forms"
        ),
        'render': Verb(
            'datasets.synthetic.clips', 'render clips with exact boxes, to try things on'
        ),
        'compose': Verb(
            'datasets.synthetic.composite',
            'objects of your clips over your clips, with exact boxes',
        ),
    },
    'Training': {
        'train': Verb('cli.train', 'train a tracker'),
        'adapt': Verb(
            'cli.adapt', 'fine-tune the shipped tracker on your clips, and show before and after'
        ),
        'train-pul': Verb('cli.train_pul', 'the three stages of PUL-style training'),
        'plot': Verb('cli.plot_losses', 'draw the loss curves of runs'),
        'browse-dataset': Verb('cli.browse_dataset', 'pictures of what training reads'),
        'browse-pairs': Verb('cli.browse_pairs', 'pictures of the pairs that PUL mined'),
        'convert': Verb(
            'cli.convert_checkpoint', 'published checkpoints under the names used here'
        ),
        'fetch': Verb('cli.fetch_backbone', 'public ImageNet weights of a mobile backbone'),
        'follow': Verb(
            'datasets.synthetic.region_tracks',
            'follow regions of your clips there and back, for composites',
        ),
        'imagenet-vid': Verb(
            'cli.convert_imagenet_vid', 'the XML files of ImageNet VID as one CocoVID file'
        ),
        'pack': Verb('cli.pack_pretrained', 'weights, config and training record in one file'),
        'migrate': Verb('cli.migrate_mmtrack_config', 'rewrite a config of MMTracking 1.x'),
    },
    'Tracking': {
        'track': Verb(
            'cli.track', 'follow targets through a video, a folder, a camera or a stream'
        ),
        'objects': Verb('cli.track_objects', 'follow every detected object, with identities'),
        'export': Verb('cli.export_onnx', 'ONNX graphs of a trained tracker'),
        'vot': Verb('cli.vot_tracker', 'a tracker as a client of the VOT toolkit'),
    },
    'Evaluation': {
        'test': Verb('cli.test', 'run a tracker over annotated sequences and score it'),
        'report': Verb('cli.report', 'compare trackers on one page'),
        'compare': Verb(
            'cli.compare', 'totals of trackers as a table, and videos of them side by side'
        ),
        'epochs': Verb('cli.compare_epochs', 'the checkpoints of several epochs on a tuning set'),
        'check': Verb('cli.check_dataset', 'what is missing or broken in a data set'),
        'search': Verb('cli.search_params', "search a tracker's hyper-parameters on a tuning set"),
        'compare-boxes': Verb('cli.compare_boxes', 'boxes of a table against those of others'),
        'score-boxes': Verb('cli.score_pseudo_boxes', 'pseudo boxes against annotation'),
        'submit': Verb('cli.make_submission', 'archives for evaluation servers'),
        'convert-results': Verb('cli.convert_results', 'result files from one form to another'),
    },
    'This installation': {
        'doctor': Verb('utils.collect_env', 'versions, devices, and what is missing', host=False),
        'config': Verb('cli.print_config', 'a config with everything that it inherits'),
        'check-device': Verb('cli.check_device', 'whether everything works on this card'),
        'flops': Verb('cli.get_flops', 'parameters and multiply-adds of a tracker'),
        'measure-speed': Verb('cli.measure_speed', 'how fast each stage is here'),
        'measure-step': Verb('cli.measure_step', 'what a training step is made of'),
        'measure-vot': Verb('cli.measure_vot', 'how fast the measures of VOT are computed'),
    },
}
VERBS = {name: verb for group in GROUPS.values() for name, verb in group.items()}

EXAMPLES = """examples:
  usot track video.mp4 --box 120,80,60,40 --out demo
  usot discover configs/discovery/default.py my_videos/ --out work_dirs/table
  usot train configs/quick/usot_quick.py \\
      --cfg-options train_dataloader.dataset.table=work_dirs/table
  usot test configs/quick/usot_quick.py work_dirs/usot_quick/epoch_10.pth --sequences SEQUENCES"""


def help_text() -> str:
    """What ``usot --help`` prints."""
    lines = ['usage: usot VERB [arguments]        usot VERB --help says more', '']
    lines += ['Learn to track any object from unlabeled video.', '']
    for heading, verbs in GROUPS.items():
        lines += [
            f'{heading}:',
            *(f'  {name:16s} {verb.summary}' for name, verb in verbs.items()),
            '',
        ]
    lines += [EXAMPLES, '']
    lines += ['every verb: --help with examples, --quiet for the result alone, --verbose for all']
    statuses = '; '.join(f'{status} = {meaning}' for status, meaning in STATUSES.items())
    lines += [f'exit status: {statuses}; {INTERRUPTED} = interrupted']
    lines += [
        'tab completion (pip install argcomplete): eval "$(register-python-argcomplete usot)"'
    ]
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; returns its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if '_ARGCOMPLETE' in os.environ:
        arguments = _complete_verb()
    if not arguments:
        print(help_text(), file=sys.stderr)
        return USER_ERROR
    name, rest = arguments[0], arguments[1:]
    if name in ('-h', '--help', 'help'):
        print(help_text())
        return FINE
    if name == '--version':
        print(f'usot_plugin {__version__}')
        return FINE
    verb = VERBS.get(name.replace('_', '-'))
    if verb is None:
        near = get_close_matches(name, VERBS, 1)
        hint = f'did you mean {near[0]}?' if near else 'usot --help lists the verbs'
        print(f'error: {name} is no verb; {hint}', file=sys.stderr)
        return USER_ERROR
    sys.argv = [f'usot {name}', *rest]  # what argparse calls the program
    try:
        check_words(name, rest)
    except InputsError as error:
        print(f'error: {error}', file=sys.stderr)
        return USER_ERROR
    if verb.host:
        try:
            usot_plugin.register()
        except HostError as error:
            print(f'error: {error}', file=sys.stderr)
            return USER_ERROR
    try:
        module = import_module(f'usot_plugin.{verb.module}')
    except ImportError as error:
        missing = as_missing_package(error, f'usot {name}')
        if missing is None:
            raise
        print(f'error: {missing}', file=sys.stderr)
        return USER_ERROR
    return module.main(rest) or FINE


def _complete_verb() -> list[str]:
    """Answer the shell's request for completions of a verb, or leave it to the verb's parser.

    Returns:
        The verb whose parser completes the rest.
    """
    line = os.environ.get('COMP_LINE', '')[: int(os.environ.get('COMP_POINT', '0'))]
    try:
        words = shlex.split(line)
    except ValueError:  # an open quotation mark
        words = line.split()
    if len(words) < 2 or (len(words) == 2 and not line.endswith(' ')):
        begun = words[1] if len(words) == 2 else ''
        separator = os.environ.get('_ARGCOMPLETE_IFS', '\v')
        found = separator.join(name for name in VERBS if name.startswith(begun))
        with os.fdopen(8, 'w', closefd=False) as answer:  # where argcomplete's shell function reads
            answer.write(found)
        raise SystemExit(FINE)
    os.environ['_ARGCOMPLETE'] = '2'  # argcomplete passes over the program's name and the verb
    return [words[1]]
