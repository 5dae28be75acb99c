"""Pack trained weights into one small file that carries its config and says what it learnt from.

    python tools/pack_pretrained.py CONFIG CHECKPOINT --table TABLE [--sequences FOLDER] --out usot_plugin/pretrained/NAME.pth

Kept are the weights alone (no optimizer, no averages beside them), the config, a SHA-256 of each data set's files, the epoch and the
version of the code. ``usot_plugin.apis.load_pretrained('NAME')`` and ``tools/demo.py`` without --config read it; it holds plain data only.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from torch import Tensor

import usot_plugin
from usot_plugin.apis.packed_weights import RECORD_KEY, packed_config
from usot_plugin.discovery.store import TableError, read_table
from usot_plugin.registry import MODELS
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.checkpoint import CheckpointError, load_checkpoint, load_weights
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, load_config

#: Largest file that is packed: what a wheel should carry.
LARGEST_MB = 4.0


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config that the weights were trained with')
    parser.add_argument('checkpoint', help='checkpoint of the training')
    parser.add_argument('--table', action='append', default=[], help='pseudo-box table it learnt from; repeatable')
    parser.add_argument('--sequences', action='append', default=[], metavar='FOLDER', help='annotated sequences it learnt from; repeatable')
    parser.add_argument('--weights', choices=['saved', 'ema', 'raw'], default='saved', help='which weights of the checkpoint')
    parser.add_argument('--half', action='store_true', help='store weights as float16, half the size; they are used as float32')
    parser.add_argument('--max-mb', type=float, default=LARGEST_MB, help='refuse a larger file (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override keys of the config')
    parser.add_argument('--out', type=Path, required=True, help='the file to write')
    args = parser.parse_args(argv)
    if not args.table and not args.sequences:
        parser.error('what did it learn from? give --table or --sequences')
    return args


def weights_of(cfg: Config, checkpoint: str, which: Any, half: bool) -> dict[str, Tensor]:
    """The tensors to store, every one of the model's.

    Raises:
        CheckpointError: They are of another model, or not all finite (in float16, where that is asked for).
    """
    model = MODELS.build(cfg.model)
    load_weights(model, checkpoint, which)
    state = {}
    for name, value in model.state_dict().items():
        stored = value.detach().clone()
        if half and stored.is_floating_point():
            stored = stored.half()
        if not stored.isfinite().all():
            raise CheckpointError(checkpoint, f'{name} is not finite' + (' in float16' if half else ''))
        state[name] = stored
    return state


def table_record(path: str) -> dict[str, Any]:
    """What a pseudo-box table is, in a few plain values."""
    table = read_table(path)
    root = Path(path)
    files = [root] if root.is_file() else [file for file in root.glob('*.parquet') if not file.name.startswith('.')]
    return {
        'table': root.name,
        'rows': len(table),
        'samplable': len(table.samplable()),
        'discovery_config': table.info.config_hash,
        'sha256': files_hash(root if root.is_dir() else root.parent, files),
    }


def sequences_record(path: str) -> dict[str, Any]:
    """What a folder of annotated sequences is.

    Raises:
        ConfigError: There is no file in it.
    """
    root = Path(path)
    files = [file for file in root.rglob('*') if file.is_file() and not file.name.startswith('.')]
    if not files:
        raise ConfigError(f'{path}: no files in this folder')
    return {'sequences': root.name, 'files': len(files), 'sha256': files_hash(root, files)}


def files_hash(root: Path, files: Iterable[Path]) -> str:
    """SHA-256 over names below ``root`` and bytes, in order of the names."""
    digest = hashlib.sha256()
    for file in sorted(files):
        with file.open('rb') as stream:
            own = hashlib.file_digest(stream, 'sha256') if hasattr(hashlib, 'file_digest') else hashlib.sha256(stream.read())
        digest.update(f'{file.relative_to(root).as_posix()}:{own.hexdigest()};'.encode())
    return digest.hexdigest()


def code_version() -> str:
    """Commit of the clone this tool lies in, with ``-dirty`` where files were changed; ``unknown`` outside a clone."""
    command = ['git', '-C', str(Path(__file__).resolve().parent), 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def pack(args: argparse.Namespace) -> None:
    """Everything between the command line and the file."""
    cfg = load_config(args.config, args.cfg_options)
    if 'model' not in cfg:
        raise ConfigError(f'{args.config}: there is no model in it')
    state = weights_of(cfg, args.checkpoint, args.weights, args.half)
    meta = load_checkpoint(args.checkpoint).get('meta') or {}
    record = {
        'config': cfg.to_dict(),
        'data': [*map(table_record, args.table), *map(sequences_record, args.sequences)],
        'trained': {key: meta[key] for key in ('epoch', 'iter') if isinstance(meta, Mapping) and isinstance(meta.get(key), int)},
        'weights': args.weights,
        'code': code_version(),
        'usot_plugin': usot_plugin.__version__,
        'torch': str(torch.__version__),
    }
    content = io.BytesIO()  # on a full disk torch.save itself fails with a message about its own file format
    torch.save({RECORD_KEY: record, 'state_dict': state}, content)
    size_mb = len(content.getbuffer()) / 1e6
    if size_mb > args.max_mb:
        hint = '' if args.half else '; --half stores it in half the size'
        raise ConfigError(f'{args.out}: would have {size_mb:.2f} MB, more than {args.max_mb:g} MB{hint}')
    with whole_file(args.out) as temporary:
        temporary.write_bytes(content.getbuffer())
        packed_config(temporary)  # what nobody can load is not kept
    print(f'{args.out}: {len(state)} tensors, {size_mb:.2f} MB, code {record["code"]}')


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: pack(args), (CheckpointError, TableError), args.out)


if __name__ == '__main__':
    sys.exit(main())
