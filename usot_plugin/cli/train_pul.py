"""PUL-style training in one command: background discrimination, pair mining, training on the mined
pairs.

    usot train-pul configs/pul/alexpul.py --work-dir DIR

On several processes: TOOL=train_pul.py tools/dist_train.sh configs/pul/alexpul.py GPUS [--work-dir
DIR ...]. Stages 1 and 3 train on all of them, and each mines its share of the clips.

Each stage is skipped where its result is there, so a killed run goes on with the same command. The
first two stages lie in ``shared_dir`` of the config (the work dir by default); the checkpoints of
the last lie in the work dir.
"""

from __future__ import annotations

import argparse
import os
import sys

from mmengine.config import Config
from mmengine.device import get_device

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.cli.dry_run import add_dry_run, data_lines, show_plan
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.engine.distributed import (
    PATIENCE_S,
    end_process_group,
    prepare_launcher,
    start_process_group,
)
from usot_plugin.engine.pul_stages import PULStages
from usot_plugin.engine.training_run import MENDABLE
from usot_plugin.utils.cli import add_launcher_options, exit_status, tool_parser
from usot_plugin.utils.config import add_config_options, choose_work_dir, load_config


def run(args: argparse.Namespace) -> None:
    """Run the stages."""
    cfg = load_config(args.config, args.cfg_options)
    choose_work_dir(cfg, args.config, args.work_dir)
    prepare_launcher(cfg, args.launcher, PATIENCE_S if args.launcher != 'none' else None)
    stages = PULStages(cfg, args.config)
    check_inputs(outputs=[cfg.work_dir, stages.shared])
    if args.dry_run:
        first = Config(cfg.to_dict())
        first.merge_from_dict(cfg.discrimination)
        return show_plan(
            config=args.config,
            options=args.cfg_options,
            reads=data_lines(first, ['train_dataloader']),
            builds=['1. a tracker that tells clips apart', '2. mined pairs', '3. the tracker'],
            writes=dict.fromkeys([str(stages.shared), cfg.work_dir]),
            device=get_device(),
        )
    start_process_group(cfg)
    stages.run()
    end_process_group()


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for checkpoints and logs (default: work_dirs/<name of the config>)',
    )
    add_config_options(parser)
    add_launcher_options(parser)
    add_dry_run(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return exit_status(
        lambda: run(args),
        MENDABLE,
        args.config,
        going_on=lambda: 'what is done is kept, the same command goes on',
    )


if __name__ == '__main__':
    sys.exit(main())
