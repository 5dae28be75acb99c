"""Export a USOT tracker as ONNX graphs, compared with PyTorch before they count as finished.

    usot export [CONFIG] CHECKPOINT --out DIR
    usot track VIDEO --runtime onnx --checkpoint DIR --box x,y,w,h

Packed weights (tools/pack_pretrained.py) and the name of weights that ship (usot_mobile) need no
CONFIG: they carry their own. Written are the graphs of the template, of tracking and, for a model
with memory branch, of its memory, and last ``DIR/meta.json``: a folder with that file is complete.
What the graphs take and give is said in docs/export.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from usot_plugin.apis import init_tracker
from usot_plugin.cli.dry_run import add_dry_run, show_plan
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.models.usot import USOT
from usot_plugin.tracking import USOTTracker
from usot_plugin.tracking.usot.onnx_network import (
    TOLERANCE,
    ExportError,
    export_network,
    require_exporter,
)
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import add_config_options


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        'config',
        nargs='?',
        help='config of the model (default: the one that the checkpoint carries)',
    )
    parser.add_argument('checkpoint', help='weights of the model, or the name of weights that ship')
    parser.add_argument('--out', required=True, metavar='DIR', help='output folder')
    parser.add_argument(
        '--weights',
        choices=['saved', 'ema', 'raw'],
        default='saved',
        help='which weights of the checkpoint',
    )
    add_config_options(parser)
    add_dry_run(parser)
    return parser.parse_args(argv)


def export(args: argparse.Namespace) -> None:
    """Everything between the command line and the graphs.

    Raises:
        ExportError: The config's tracker is not USOT's.
    """
    require_exporter()
    check_inputs(config=args.config, checkpoint=args.checkpoint, outputs=[args.out])
    tracker = init_tracker(
        args.config, args.checkpoint, 'cpu', weights=args.weights, cfg_options=args.cfg_options
    )
    if not isinstance(tracker, USOTTracker) or not isinstance(tracker.model, USOT):
        raise ExportError(
            f'{args.config or args.checkpoint}: only USOTTracker of a USOT model can be '
            f'exported, not {type(tracker).__name__}'
        )
    if args.dry_run:
        graphs = ['template.onnx', 'track.onnx', 'meta.json']
        if tracker.model.head.memory is not None:
            graphs[2:2] = ['track_memory.onnx', 'memory.onnx']
        return show_plan(
            config=args.config,
            options=args.cfg_options,
            reads=[args.checkpoint],
            builds=[f'{type(tracker).__name__} of {type(tracker.model).__name__}'],
            writes=[Path(args.out, name) for name in graphs],
            device='cpu',
        )
    worst = export_network(tracker.model, args.out, tracker.model.test_cfg)
    print(
        f'{args.out}: largest difference between ONNX Runtime and PyTorch {worst:.2g} (bound '
        f'{TOLERANCE:g})'
    )


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: export(args), (CheckpointError,), args.out)


if __name__ == '__main__':
    sys.exit(main())
