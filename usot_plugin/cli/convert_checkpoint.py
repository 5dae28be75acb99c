"""Convert published weights to the names used here.

    usot convert USOT_star.pth weights/usot_star.pth

Reads the published USOT, USOT*, UDT, DCFNet, SiamFC-AlexNet, SiamRPN++ (ResNet) and SiamMask
trackers, ResNet-50 backbones in torchvision's or MoCo-v2's form, and MobileNetV2 and
EfficientNet-Lite0 (``usot fetch`` gets these). The file is never unpickled beyond tensors and plain
containers.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from usot_plugin.cli.dry_run import add_dry_run, show_plan
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.utils.atomic import whole_file, write_cause
from usot_plugin.utils.checkpoint import CheckpointError, extract_state_dict, load_checkpoint
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.published_siamrpn import convert_siamrpn, is_siamrpn
from usot_plugin.utils.published_weights import (
    UnknownCheckpointError,
    convert_dcfnet,
    convert_mobile,
    convert_resnet,
    convert_siamfc,
    convert_usot,
    is_dcfnet,
    is_mobile,
    is_siamfc,
    is_usot,
)
from usot_plugin.version import __version__


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('published', type=Path, help='published checkpoint')
    parser.add_argument('converted', type=Path, help='where to write ours')
    parser.add_argument(
        '--keep-shortcuts',
        action='store_true',
        help='leave the 1x1 shortcuts of a backbone as they are',
    )
    add_dry_run(parser)
    return parser.parse_args(argv)


def convert(
    state: Mapping[str, Tensor], keep_shortcuts: bool = False
) -> tuple[str, dict[str, Tensor]]:
    """What kind of network a published state dict is of, and its tensors under our names.

    Raises:
        UnknownCheckpointError: It is none of the known forms.
    """
    if is_siamrpn(state):  # first: SiamMask's backbone has the name of USOT's
        return 'tracker', convert_siamrpn(state)
    if is_usot(state):
        return 'tracker', convert_usot(state)
    if is_dcfnet(state):
        return 'tracker', convert_dcfnet(state)
    if is_siamfc(state):
        return 'tracker', convert_siamfc(state)
    if is_mobile(state):
        return 'backbone', convert_mobile(state)
    return 'backbone', convert_resnet(state, not keep_shortcuts)


def run(args: argparse.Namespace) -> None:
    """Convert.

    Raises:
        CheckpointError: The file is none of the known forms.
        OSError: It cannot be written.
    """
    check_inputs(outputs=[args.converted])
    try:
        state = extract_state_dict(load_checkpoint(args.published), args.published)
        kind, converted = convert(state, args.keep_shortcuts)
    except UnknownCheckpointError as error:
        raise CheckpointError(args.published, str(error)) from error
    if args.dry_run:
        return show_plan(
            reads=[args.published],
            builds=[f'{kind}: {len(converted)} tensors'],
            writes=[args.converted],
        )
    meta = {'usot_plugin_version': __version__, 'converted_from': args.published.name}
    # On a full disk torch.save itself fails with a message about its own file format.
    content = io.BytesIO()
    torch.save({'meta': meta, 'state_dict': converted}, content)
    try:
        with whole_file(args.converted) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        cause = write_cause(error, args.converted)
        raise OSError(error.errno, f'cannot be written ({cause})', str(args.converted)) from error
    print(f'{kind}: {len(converted)} tensors -> {args.converted}')


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), (CheckpointError,), args.converted)


if __name__ == '__main__':
    sys.exit(main())
