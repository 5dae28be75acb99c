"""Pack trained weights into one small file that carries its config and says what it learnt from.

    usot pack CHECKPOINT --table TABLE --out NAME.pth

Kept are the weights alone (no optimizer, no averages beside them) and, out of the checkpoint, the
config, seed, time and commit of the run that wrote it; a SHA-256 of each data set and of each clip
of the tables; and the versions at packing. Absolute paths become plain names.
``usot_plugin.apis.load_pretrained('NAME')`` and ``tools/demo.py`` without --config read it; it
holds plain data only.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

import usot_plugin
from usot_plugin.apis.packed_weights import RECORD_KEY, checked_config, packed_config
from usot_plugin.apis.training_record import (
    clips_record,
    file_hash,
    files_record,
    run_record,
    sequences_record,
    table_record,
    training_config,
    without_machine_paths,
)
from usot_plugin.cli.dry_run import add_dry_run, show_plan, table_line
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.datasets.frames.video_sources import find_clips
from usot_plugin.discovery.table.reading import TableError
from usot_plugin.registry import MODELS
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.checkpoint import CheckpointError, load_checkpoint, load_weights
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.code_version import code_version
from usot_plugin.utils.config import ConfigError, add_config_options, load_config

#: Largest file that is packed: what a wheel should carry.
LARGEST_MB = 4.0
#: What may be chosen after the training: the settings of the tracker.
TRACKER_KEY = 'model.test_cfg'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of the training')
    parser.add_argument(
        '--config',
        help=f'config whose {TRACKER_KEY} the tracker uses (default: that of the training)',
    )
    parser.add_argument(
        '--table', action='append', default=[], help='pseudo-box table it learnt from; repeatable'
    )
    parser.add_argument(
        '--sequences',
        action='append',
        default=[],
        metavar='FOLDER',
        help='annotated sequences it learnt from; repeatable',
    )
    parser.add_argument(
        '--clips',
        action='append',
        default=[],
        metavar='CLIPS',
        help='unlabeled clips it learnt from without a table; repeatable',
    )
    parser.add_argument(
        '--weights',
        choices=['saved', 'ema', 'raw'],
        default='saved',
        help='which weights of the checkpoint',
    )
    parser.add_argument(
        '--half',
        action='store_true',
        help='store weights as float16, half the size; they are used as float32',
    )
    parser.add_argument(
        '--max-mb',
        type=float,
        default=LARGEST_MB,
        help='refuse a larger file (default: %(default)s)',
    )
    add_config_options(parser, f'override keys below {TRACKER_KEY}')
    parser.add_argument('--out', type=Path, required=True, help='the file to write')
    add_dry_run(parser)
    args = parser.parse_args(argv)
    if not args.table and not args.sequences and not args.clips:
        parser.error('what did it learn from? give --table, --sequences or --clips')
    for key in args.cfg_options or ():
        if not key.startswith(f'{TRACKER_KEY}.'):
            parser.error(
                f'--cfg-options {key}: only {TRACKER_KEY}.* can be chosen after the training, '
                'the rest is as it was'
            )
    return args


def config_of(meta: dict[str, Any], args: argparse.Namespace) -> Config:
    """The config of the run, with the tracker of the command line.

    Raises:
        CheckpointError: The checkpoint carries no config, or one that cannot be used.
        ConfigError: ``--config`` cannot be used.
    """
    cfg = checked_config(training_config(meta, args.checkpoint), args.checkpoint)
    if args.config:
        chosen = load_config(args.config)
        if 'test_cfg' not in chosen.get('model', {}):
            raise ConfigError(f'{args.config}: there is no {TRACKER_KEY} in it')
        cfg.model.test_cfg = chosen.model.test_cfg
    cfg.merge_from_dict(args.cfg_options or {})
    return cfg


def weights_of(cfg: Config, checkpoint: str, which: Any, half: bool) -> dict[str, Tensor]:
    """The tensors to store, every one of the model's.

    Raises:
        CheckpointError: They are of another model, or not all finite (in float16, where that is
            asked for).
    """
    model = MODELS.build(cfg.model)
    load_weights(model, checkpoint, which)
    state = {}
    for name, value in model.state_dict().items():
        stored = value.detach().clone()
        if half and stored.is_floating_point():
            stored = stored.half()
        if not stored.isfinite().all():
            raise CheckpointError(
                checkpoint, f'{name} is not finite' + (' in float16' if half else '')
            )
        state[name] = stored
    return state


def pack(args: argparse.Namespace) -> None:
    """Everything between the command line and the file."""
    check_inputs(
        checkpoint=args.checkpoint,
        config=args.config,
        table=args.table,
        folder=args.sequences,
        outputs=[args.out],
    )
    content = load_checkpoint(args.checkpoint)
    meta = content.get('meta') or {}
    cfg = config_of(meta, args)
    state = weights_of(cfg, args.checkpoint, args.weights, args.half)
    if args.dry_run:
        return show_plan(
            config=args.config,
            options=args.cfg_options,
            reads=[args.checkpoint, *map(table_line, args.table), *args.sequences, *args.clips],
            builds=[f'{cfg.model.type}: {len(state)} tensors, {args.weights} weights'],
            writes=[args.out],
        )
    clips = clips_record(args.table) | (files_record(find_clips(args.clips)) if args.clips else {})
    record = {
        'config': without_machine_paths(cfg.to_dict()),
        'trained': {**run_record(meta), **start_record(cfg.get('load_from'))},
        'data': [*map(table_record, args.table), *map(sequences_record, args.sequences)],
        'clips': clips,
        'weights': args.weights,
        'packed_at': {
            'code': code_version(),
            'usot_plugin': usot_plugin.__version__,
            'torch': str(torch.__version__),
        },
    }
    write_packed(args, {RECORD_KEY: record, 'state_dict': state})
    gone = [clip for clip, digest in clips.items() if digest is None]
    if gone:
        print(
            f'warning: {len(gone)} of {len(clips)} clips are not there any more and have no '
            f'hash, e.g. {gone[0]}',
            file=sys.stderr,
        )


def start_record(load_from: str | None) -> dict[str, str]:
    """SHA-256 of the weights that the run began with, where they are still there."""
    return (
        {'load_from_sha256': file_hash(Path(load_from))}
        if load_from and Path(load_from).is_file()
        else {}
    )


def write_packed(args: argparse.Namespace, packed: dict[str, Any]) -> None:
    """Write the file, whole or not at all.

    Raises:
        ConfigError: It would be too large.
        CheckpointError: Nobody could load it.
    """
    content = (
        io.BytesIO()
    )  # on a full disk torch.save itself fails with a message about its own file format
    torch.save(packed, content)
    size_mb = len(content.getbuffer()) / 1e6
    if size_mb > args.max_mb:
        hint = '' if args.half else '; --half stores it in half the size'
        raise ConfigError(
            f'{args.out}: would have {size_mb:.2f} MB, more than {args.max_mb:g} MB{hint}'
        )
    with whole_file(args.out) as temporary:
        temporary.write_bytes(content.getbuffer())
        packed_config(temporary)  # what nobody can load is not kept
    print(
        f'{args.out}: {len(packed["state_dict"])} tensors, {size_mb:.2f} MB, code '
        f'{packed[RECORD_KEY]["packed_at"]["code"]}'
    )


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: pack(args), (CheckpointError, TableError), args.out)


if __name__ == '__main__':
    sys.exit(main())
