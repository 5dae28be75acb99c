"""Pack results for a benchmark's server.

    usot submit CONFIG RESULTS --server got10k --out FILE.zip

CONFIG names the test set (``test_dataloader``), RESULTS is ``OUT/<tracker>`` as ``tools/test.py``
wrote it with the protocol that the server asks for: GOT10k for got10k, OPE for trackingnet.
Everything is checked before anything is written.
"""

from __future__ import annotations

import argparse
import sys

import usot_plugin  # noqa: F401  registers everything
from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.evaluation.results.submissions import SERVERS, make_submission
from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.cli import FINE, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__, {FINE: 'packed', USER_ERROR: 'nothing was written'})
    parser.add_argument('config', help='config file with the test set')
    parser.add_argument('results', help="folder of one tracker's results")
    parser.add_argument('--server', required=True, choices=list(SERVERS), help='who scores it')
    parser.add_argument('--out', required=True, metavar='FILE.zip', help='archive to write')
    parser.add_argument(
        '--origin',
        type=int,
        choices=[0, 1],
        default=0,
        help='first pixel in the result files (default: 0)',
    )
    parser.add_argument(
        '--allow-subset',
        action='store_true',
        help='pack fewer sequences than the test set has, to try things out',
    )
    add_config_options(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Check and pack."""
    cfg = load_config(args.config, args.cfg_options)
    data = (cfg.get('test_dataloader') or {}).get('dataset')
    if not data:
        raise ConfigError(f'{args.config}: no test set (test_dataloader.dataset) in it')
    names = make_submission(
        DATASETS.build(data), args.results, args.server, args.out, args.origin, args.allow_subset
    )
    print(f'wrote {args.out}: {len(names)} files for the server of {SERVERS[args.server].reader}')


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), (AnnotationError, ClipError, ResultError), args.out)


if __name__ == '__main__':
    sys.exit(main())
