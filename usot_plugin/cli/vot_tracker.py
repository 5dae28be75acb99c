"""A tracker as a TraX server, which the VOT toolkit starts; or its entry in the workspace.

    usot vot CONFIG CHECKPOINT
    usot vot CONFIG CHECKPOINT --write-ini trackers.ini --name NAME

The first form is the server: it talks TraX on stdin and stdout (or the socket in ``TRAX_SOCKET``)
and writes everything else to stderr. With ``--write-ini trackers.ini --name NAME`` it adds an
entry to the workspace's registry that starts this server with the same arguments, and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import sys
from pathlib import Path

from usot_plugin.apis import init_tracker
from usot_plugin.apis.trax_server import serve, write_registry
from usot_plugin.structures.clip import ClipError
from usot_plugin.tracking import tracker_label
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import add_config_options
from usot_plugin.utils.packaged import packaged_folder


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', nargs='?', help='weights; not needed by a tracker without a network'
    )
    parser.add_argument(
        '--tracker', help="replaces the config's tracker: StandStill, my.py:function, ..."
    )
    parser.add_argument(
        '--weights',
        choices=['saved', 'ema', 'raw'],
        default='saved',
        help='which weights of the checkpoint',
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the GPU if there is one)')
    add_config_options(parser)
    parser.add_argument(
        '--write-ini',
        metavar='FILE',
        help="add an entry to this registry ('trackers.ini') instead of serving",
    )
    parser.add_argument(
        '--name', default='usot_plugin', help='identifier of the tracker in the workspace'
    )
    return parser.parse_intermixed_args(argv)


def command_of(argv: list[str], args: argparse.Namespace) -> list[str]:
    """The command that starts this server with the same arguments, from whatever folder."""
    command = [
        sys.executable,
        str(packaged_folder('tools') / 'vot_tracker.py'),
        str(Path(args.config).resolve()),
    ]
    command += [str(Path(args.checkpoint).resolve())] if args.checkpoint else []
    if args.tracker:
        path, colon, function = args.tracker.rpartition(':')
        command += [
            '--tracker',
            f'{Path(path).resolve()}{colon}{function}' if path.endswith('.py') else args.tracker,
        ]
    if args.cfg_options:
        start = argv.index('--cfg-options') + 1
        stop = next(
            (
                index
                for index in range(start, len(argv))
                if '=' not in argv[index] or argv[index].startswith('--')
            ),
            len(argv),
        )
        command += ['--cfg-options', *argv[start:stop]]
    command += ['--device', args.device] if args.device else []
    return [*command, '--weights', args.weights, '--name', args.name]


def run(argv: list[str], args: argparse.Namespace) -> None:
    """Write the entry, or serve."""
    if args.write_ini:
        command = command_of(argv, args)
        write_registry(args.write_ini, args.name, command)
        print(f'wrote {args.write_ini}: {args.name} = {shlex.join(command)}')
        return
    tracker = {'type': args.tracker} if args.tracker else None
    with contextlib.redirect_stdout(sys.stderr):  # stdout may be the channel
        built = init_tracker(
            args.config, args.checkpoint, args.device, tracker, args.weights, args.cfg_options
        )
        serve(
            built, args.name, f'{tracker_label(tracker or {}, type(built).__name__)} of usot_plugin'
        )


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    return exit_status(lambda: run(argv, args), (CheckpointError, ClipError), args.config)


if __name__ == '__main__':
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    sys.exit(main())
