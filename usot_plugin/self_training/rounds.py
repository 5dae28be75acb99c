"""Which configs rounds of self-training (tools/self_train.sh) can train, and with what.

    python -m usot_plugin.self_training.rounds CONFIG DISCOVERY [--rounds N] \\
        [--cfg-options KEY=VALUE ...]

Prints the tool that trains, and the key of the data set that gets each round's table and crop
store.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.datasets.pseudo_box_dataset import BOX_SOURCES, PseudoBoxDataset
from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.config_file import load_discovery
from usot_plugin.registry import DATASETS
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, ConfigOptions, load_config

#: The box source whose boxes change from round to round.
TABLE_SOURCE = 'DiscoveredBoxes'


def plan_rounds(
    cfg: Config, config: str, discovery: DiscoveryConfig, rounds: int
) -> tuple[str, str]:
    """How to train a config round after round.

    Args:
        cfg: Config of the training.
        config: Its file, for messages.
        discovery: What the first round's table is made with.
        rounds: Number of trainings; all but the first one learn from a re-labelled table.

    Returns:
        Path of the tool below the repository root, and the dotted key of the data set that takes
        the table.

    Raises:
        ConfigError: The data set takes no table and crop store, or needs what the tables do not
            hold.
    """
    staged = bool(cfg.get('discrimination'))
    tool, key = (
        ('tools/train_pul.py', 'discrimination.train_dataloader')
        if staged
        else ('tools/train.py', 'train_dataloader')
    )
    loader = (cfg.discrimination if staged else cfg).get('train_dataloader') or {}
    if not loader.get('dataset'):
        raise ConfigError(f'{config}: no {key}.dataset, so there is nothing to train')
    try:
        dataset = _table_dataset(loader['dataset'])
        _check_masks(dataset, discovery, rounds)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f'{config}: cannot be trained in rounds: {key}.dataset: {error}'
        ) from error
    return tool, f'{key}.dataset'


def _table_dataset(options: dict[str, Any]) -> PseudoBoxDataset:
    """The data set, nothing read, if it learns from the boxes of a table and can read crops of
    them.

    Raises:
        ValueError: It does not, and why.
    """
    kind = DATASETS.get(options['type'])
    if kind is None or not issubclass(kind, PseudoBoxDataset):
        raise ValueError(
            f'{options["type"]} takes no table and crop store, only a PseudoBoxDataset does'
        )
    if options.get('frame_root') is not None:
        raise ValueError('frame_root and a crop store exclude each other')
    given = {key: value for key, value in options.items() if key != '_delete_'}
    dataset = DATASETS.build(
        {**given, 'table': 'table', 'crop_store': None, 'pipeline': [], 'lazy_init': True}
    )
    source = (
        dataset.box_source if isinstance(dataset.box_source, str) else dataset.box_source['type']
    )
    if BOX_SOURCES.get(source, source) != TABLE_SOURCE:
        raise ValueError(
            f'its boxes are those of box_source {source!r}, so no table of better ones would '
            'change anything'
        )
    return dataset


def _check_masks(dataset: PseudoBoxDataset, discovery: DiscoveryConfig, rounds: int) -> None:
    if not getattr(dataset.frame_sampler, 'first_with_mask', False):
        return
    if not discovery.store_masks or rounds > 1:
        raise ValueError(
            'needs masks, which re-labelled tables never have: '
            'DISCOVERY=configs/discovery/masks.py ROUNDS=1'
        )


def run(args: argparse.Namespace) -> None:
    """Print tool and key."""
    cfg = load_config(args.config, args.cfg_options)
    print(*plan_rounds(cfg, args.config, load_discovery(args.discovery)[0], args.rounds))


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config of the training')
    parser.add_argument('discovery', help='config of discovery')
    parser.add_argument('--rounds', type=int, default=2, metavar='N', help='trainings (default: 2)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override keys of the config',
    )
    args = parser.parse_args(argv)
    return exit_status(lambda: run(args), where=args.config)


if __name__ == '__main__':
    sys.exit(main())
