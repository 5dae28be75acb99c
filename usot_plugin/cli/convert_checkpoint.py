"""Turn published weights into ours: ``python tools/convert_checkpoint.py PUBLISHED OURS``.

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
from typing import NoReturn

import torch
from torch import Tensor

from usot_plugin.utils.atomic import whole_file, write_cause
from usot_plugin.utils.checkpoint import CheckpointError, extract_state_dict, load_checkpoint
from usot_plugin.utils.cli import OneLineParser
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
    parser = OneLineParser(description=__doc__.split('\n')[0])
    parser.add_argument('published', type=Path, help='published checkpoint')
    parser.add_argument('converted', type=Path, help='where to write ours')
    parser.add_argument(
        '--keep-shortcuts',
        action='store_true',
        help='leave the 1x1 shortcuts of a backbone as they are',
    )
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


def main(argv: list[str] | None = None) -> None:
    """Convert; a file that is none of the known forms, or cannot be written, ends in one line and
    exit status 2."""
    args = parse_args(argv)
    try:
        state = extract_state_dict(load_checkpoint(args.published), args.published)
        kind, converted = convert(state, args.keep_shortcuts)
    except (CheckpointError, UnknownCheckpointError) as error:
        _refuse(str(error) if str(args.published) in str(error) else f'{args.published}: {error}')
    meta = {'usot_plugin_version': __version__, 'converted_from': args.published.name}
    content = (
        io.BytesIO()
    )  # on a full disk torch.save itself fails with a message about its own file format
    torch.save({'meta': meta, 'state_dict': converted}, content)
    try:
        with whole_file(args.converted) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        _refuse(f'{args.converted}: cannot be written ({write_cause(error, args.converted)})')
    print(f'{kind}: {len(converted)} tensors -> {args.converted}')


def _refuse(message: str) -> NoReturn:
    print(f'error: {message}', file=sys.stderr)
    sys.exit(2)


if __name__ == '__main__':
    main()
