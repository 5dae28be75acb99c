"""Turn the XML files of ImageNet VID into the CocoVID file that supervised configs read.

    usot imagenet-vid data/imagenet_vid

That writes data/imagenet_vid/annotations/imagenet_vid_train.json.

ROOT is the unpacked ILSVRC2015_VID archive: Annotations/VID/{train,val} with an XML file a frame,
Data/VID/{train,val} with the frames.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.datasets.imagenet_vid import SPLITS, convert_vid, find_snippets
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.progress import with_progress


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'every frame is in the file',
        PARTIAL: 'frames without their XML file or image, or whose XML file cannot be used, are '
        'named on stderr and left out',
        USER_ERROR: 'nothing was written',
    }
    parser = tool_parser(__doc__, statuses)
    parser.add_argument(
        'root', type=Path, metavar='ROOT', help='folder that holds Annotations/ and Data/'
    )
    parser.add_argument('--split', choices=SPLITS, default='train', help='default: train')
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE',
        help='default: ROOT/annotations/imagenet_vid_<split>.json',
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Convert; returns the exit status."""
    out = args.out or args.root / 'annotations' / f'imagenet_vid_{args.split}.json'
    snippets = find_snippets(args.root, args.split)
    result = convert_vid(args.root, with_progress(snippets, len(snippets), 'snippet'))
    for problem in result.problems:
        print(f'left out: {problem}', file=sys.stderr)
    counts = {name: len(result.content[name]) for name in ('videos', 'images', 'annotations')}
    if not counts['annotations']:
        raise AnnotationError(
            args.root, f'no object in any of the {len(snippets)} snippets of the split {args.split}'
        )
    write_text(out, json.dumps(result.content, separators=(',', ':')))
    empty = f' ({result.empty_boxes} boxes without an area left out)' if result.empty_boxes else ''
    print(
        f'{counts["videos"]} snippets, {counts["images"]} frames, {counts["annotations"]} '
        f'objects{empty} -> {out}'
    )
    return PARTIAL if result.problems else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), (AnnotationError,), args.root)


if __name__ == '__main__':
    sys.exit(main())
