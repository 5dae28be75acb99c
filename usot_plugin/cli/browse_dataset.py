"""Contact sheets of training groups, as the network gets them.

    usot browse-dataset configs/quick/usot_quick.py --out work_dirs/sheets

A group is template, search area and memory frames with their boxes.

One PNG file for each stage that is asked for. Look at it before training: most mistakes in data
show here.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from torch import Tensor

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.datasets.frames.crop_store import CropStoreError
from usot_plugin.discovery.table.format import TableError
from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config

CAPTION_PX = 16
GAP_PX = 4
BOX_BGR = (60, 220, 60)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='training config')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the PNG files')
    parser.add_argument(
        '--count', type=int, default=12, metavar='N', help='groups on a sheet (default: 12)'
    )
    parser.add_argument('--columns', type=int, default=2, help='groups side by side (default: 2)')
    parser.add_argument(
        '--stages',
        nargs='+',
        choices=['naive', 'cycle'],
        default=['naive', 'cycle'],
        help='default: both',
    )
    parser.add_argument(
        '--epoch', type=int, default=0, help='draw the samples of this epoch, 0-based (default: 0)'
    )
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.count < 1 or args.columns < 1:
        parser.error('needs --count and --columns of at least 1')
    return args


def tensor_to_image(tensor: Tensor) -> np.ndarray:
    """``(3, H, W)`` uint8 BGR as a contiguous ``(H, W, 3)`` array."""
    return np.ascontiguousarray(tensor.numpy().transpose(1, 2, 0))


def draw_group(item: dict[str, Any]) -> np.ndarray:
    """All images of one training item in a row, boxes drawn, clip and frames below, ``(H, W, 3)``
    uint8."""
    sample = item['data_samples']
    images: list[np.ndarray] = []
    for name, tensor in item['inputs'].items():
        single = tensor.ndim == 3
        boxes = (
            sample.get(f'{name}_box_xyxy' if single else f'{name}_boxes_xyxy')
            .numpy()
            .reshape(-1, 4)
        )
        for image, box in zip([tensor] if single else list(tensor), boxes, strict=True):
            picture = tensor_to_image(image)
            if np.isfinite(box).all():  # nan: the target is not there
                x1, y1, x2, y2 = (int(round(v)) for v in box)
                cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), BOX_BGR, 1)
            images.append(picture)
    height = max(image.shape[0] for image in images) + CAPTION_PX
    row = [
        cv2.copyMakeBorder(
            i, 0, height - i.shape[0], 0, GAP_PX, cv2.BORDER_CONSTANT, value=(30, 30, 30)
        )
        for i in images
    ]
    sheet = np.concatenate(row, axis=1)
    caption = f'{sample.clip} #{sample.object_id} frame {sample.frame_index}'
    if 'memory_indices' in sample:
        caption += f' memory {sample.memory_indices}'
    cv2.putText(
        sheet,
        caption,
        (2, height - 4),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.4,
        (230, 230, 230),
        1,
        cv2.LINE_AA,
    )
    return sheet


def contact_sheet(groups: list[np.ndarray], columns: int) -> np.ndarray:
    """Groups of equal size in a grid, ``(H, W, 3)`` uint8."""
    height, width = np.max([group.shape[:2] for group in groups], axis=0)
    cells = [
        cv2.copyMakeBorder(
            g,
            0,
            height - g.shape[0],
            0,
            width - g.shape[1],
            cv2.BORDER_CONSTANT,
            value=(30, 30, 30),
        )
        for g in groups
    ]
    cells += [np.full_like(cells[0], 30)] * (-len(cells) % columns)
    return np.concatenate(
        [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    )


def build_dataset(cfg: Config) -> Any:
    """The training data set of a config.

    Raises:
        ConfigError: There is none.
    """
    if 'dataset' not in cfg.get('train_dataloader', {}):
        raise ConfigError(f'{cfg.filename}: no train_dataloader.dataset in it')
    return DATASETS.build(cfg.train_dataloader.dataset)


def draw_sheets(args: argparse.Namespace) -> None:
    """One sheet for each stage that is asked for."""
    try:
        dataset = build_dataset(load_config(args.config, args.cfg_options))
    except KeyError as error:
        raise ConfigError(error.args[0]) from error
    dataset.set_epoch(args.epoch)
    for stage in args.stages:
        dataset.set_stage(stage)
        count = min(args.count, len(dataset))
        indices = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
        started = time.perf_counter()
        items = [dataset[index] for index in indices]
        rate = len(items) / (time.perf_counter() - started)
        path = Path(args.out) / f'{stage}.png'
        sheet = contact_sheet([draw_group(item) for item in items], args.columns)
        with whole_file(path) as part:
            if not cv2.imwrite(str(part), sheet):
                raise OSError(f'{path}: OpenCV could not write it')
        rates = f'{rate:.1f} samples/s in one process'
        print(f'{path}: {len(items)} of {len(dataset)} samples, {rates}')


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    mendable = (TableError, CropStoreError, ClipError)
    return exit_status(lambda: draw_sheets(args), mendable, args.config)


if __name__ == '__main__':
    sys.exit(main())
