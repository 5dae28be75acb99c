"""Speed of every stage in one table: discovery, loading, training, tracking.

    usot measure-speed CONFIG --parts train track --threads 1 --json FILE

    python tools/analysis/measure_speed.py CONFIG [--parts discovery loader train track] \\
        [--clips PATH] [--threads 1] [--json FILE]

CONFIG is a training config (its model, its train_pipeline). Without --clips, clips are rendered.
Baselines, ratio 1.00 in the table: decoding alone (discovery), crops without augmentation (loader),
the naive stage (train), and one target whose template and memory are encoded anew in each frame, or
whose response normalisation is PyTorch's own (track; USOT and UDT). The weights are random: they do
not change the amount of work.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.optim import OptimWrapper

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import usable_device
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.datasets import PseudoBoxDataset
from usot_plugin.datasets.frames.video_sources import find_clips
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.discovery import DiscoveryConfig, NoMovingObjectError, discover
from usot_plugin.discovery.many_clips.pipeline import RunOptions, discover_clips
from usot_plugin.models.udt import DCFNet
from usot_plugin.models.usot import USOT
from usot_plugin.registry import MODELS
from usot_plugin.structures.clip import ClipError, open_clip
from usot_plugin.testing.groups import random_group
from usot_plugin.tracking import Tracker, USOTTracker, build_tracker
from usot_plugin.tracking.usot.network import Memories, TorchNetwork
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config

PARTS = ('discovery', 'loader', 'train', 'track')


@dataclass(frozen=True)
class Row:
    """One line of the table; ``ratio`` is against the first row of its part."""

    part: str
    what: str
    value: float
    unit: str
    ratio: float
    peak_memory_mb: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='training config')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--clips', nargs='+', help='videos or folders (default: rendered clips)')
    parser.add_argument(
        '--discovery', metavar='CONFIG', help='discovery config (default: its defaults)'
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=5.0,
        help='length of each measurement (default: %(default)s)',
    )
    parser.add_argument(
        '--threads',
        type=int,
        default=1,
        help='CPU threads of PyTorch and OpenCV (default: %(default)s)',
    )
    parser.add_argument(
        '--device', help='of the network: cpu, cuda:0, ... (default: the GPU if there is one)'
    )
    parser.add_argument('--train-batch', type=int, default=8, metavar='B')
    parser.add_argument(
        '--track-batch',
        type=int,
        nargs='+',
        default=[1, 8],
        metavar='B',
        help='targets tracked at once',
    )
    parser.add_argument('--json', metavar='FILE', help='write the numbers to a file, too')
    add_config_options(parser)
    return parser.parse_args(argv)


def rate(step: Callable[[], int], seconds: float, warm_up: int = 2) -> float:
    """Units a second of ``step``, which returns how many units it did.

    The first calls are not counted."""
    for _ in range(warm_up):
        step()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return done / elapsed


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far: of the device where the network runs on one, of this process
    otherwise."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**10 if sys.platform != 'darwin' else peak / 2**20


class Bench:
    """Measures one part after another.

    Args:
        args: The command line.
        cfg: Training config.
        work: Temporary folder.
    """

    def __init__(self, args: argparse.Namespace, cfg: Config, work: Path) -> None:
        self.args, self.cfg, self.work = args, cfg, work
        self.device = usable_device(args.device or get_device())
        self.rows: list[Row] = []
        self.discovery = (
            DiscoveryConfig.from_dict(load_config(args.discovery).discovery.to_dict())
            if args.discovery
            else DiscoveryConfig()
        )
        self.clips = find_clips(args.clips) if args.clips else self._rendered()

    def _rendered(self) -> dict[str, Path]:
        return {
            f'{seed}.mp4': write_clip(
                self.work / 'clips' / f'{seed}.mp4', render_clip(seed, size_wh=(640, 360))[0]
            )
            for seed in range(3)
        }

    def add(
        self, part: str, what: str, unit: str, step: Callable[[], int], warm_up: int = 2
    ) -> None:
        """Measure one row."""
        value = rate(step, self.args.seconds, warm_up)
        first = next((row.value for row in self.rows if row.part == part), value)
        self.rows.append(Row(part, what, value, unit, value / first, peak_memory_mb(self.device)))
        print(f'{part}: {what}: {value:.1f} {unit}', file=sys.stderr)

    def run(self) -> None:
        """All parts that were asked for."""
        for part in PARTS:
            if part in self.args.parts:
                getattr(self, f'measure_{part}')()

    def measure_discovery(self) -> None:
        """Whole clips in turn, opened anew each time, on one core."""
        paths = itertools.cycle(self.clips.values())

        def decode() -> int:
            return sum(1 for _ in open_clip(next(paths)).iter_frames())

        def find() -> int:
            clip = open_clip(next(paths))
            try:
                discover(clip, self.discovery)
            except NoMovingObjectError:  # costs the same, and is a normal outcome
                return clip.frame_count
            return clip.frame_count

        self.add('discovery', 'decode the clips', 'frames/s/core', decode, warm_up=0)
        self.add('discovery', 'discover moving objects', 'frames/s/core', find, warm_up=1)

    def measure_loader(self) -> None:
        """Samples one after the other in this process: what one worker of a data loader gives."""
        table = self.work / 'table'
        discover_clips(
            self.clips, self.discovery, table, RunOptions(workers=0, merge=False, quiet=True)
        )
        pipeline = self.cfg.get('train_pipeline')
        if pipeline is None:
            raise ConfigError(
                f'{self.args.config}: no train_pipeline in it, which the loader part measures'
            )
        sampler = self.cfg.get('frame_sampler') or dict(type='QualityFrames')
        crops = [step for step in pipeline if step['type'] in ('SiameseCrop', 'PackSOTInputs')]
        for what, steps, stage in (
            ('crops, naive stage', crops, 'naive'),
            ('crops and augmentation, naive stage', pipeline, 'naive'),
            ('crops and augmentation, cycle stage', pipeline, 'cycle'),
        ):
            dataset = PseudoBoxDataset(
                table=table,
                frame_sampler=dict(sampler),
                samples_per_epoch=1 << 20,
                pipeline=[dict(s) for s in steps],
                stage=stage,
            )
            indices = itertools.count()

            def load(dataset: PseudoBoxDataset = dataset, indices: Iterator[int] = indices) -> int:
                dataset[next(indices)]
                return 1

            self.add('loader', what, 'samples/s/core', load, warm_up=5)

    def _model(self) -> USOT:
        torch.manual_seed(0)
        model = MODELS.build(self.cfg.model).to(self.device)
        if not isinstance(model, USOT):
            raise ConfigError(
                f'{self.args.config}: measured is USOT, the model is {type(model).__name__}'
            )
        return model

    def measure_train(self) -> None:
        """Forward, backward and optimizer step on random groups; loading is not part of it."""
        model = self._model().train()
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-6))
        start = model.train_cfg['cycle_start_epoch']
        stages = (
            [('naive stage', 0)] if start is None else [('naive stage', 0), ('cycle stage', start)]
        )
        memory = (self.cfg.get('frame_sampler') or {}).get('memory', 4)
        batch = self.args.train_batch
        for what, epoch in stages:
            model.set_epoch(epoch)
            data = pseudo_collate(
                [random_group(seed, memory if epoch else 0) for seed in range(batch)]
            )

            def step(data: dict = data) -> int:
                model.train_step(data, wrapper)
                return 1

            self.add('train', f'{what}, {batch} groups a step', 'steps/s', step)

    def measure_track(self) -> None:
        """Updates over a rendered clip, to and fro, with the memory full."""
        torch.manual_seed(0)
        model = MODELS.build(self.cfg.model).to(self.device)
        options = dict(self.cfg.model.get('test_cfg') or dict(type='USOTTracker'))
        known = {key: value for key, value in options.items() if key != 'type'}
        frames, boxes = render_clip(0, frames=30, size_wh=(640, 360))
        if isinstance(model, USOT):
            self._track(
                'every encoding anew, 1 target',
                USOTTracker(EncodingAnew(model), **known),
                frames,
                boxes[0],
                1,
            )
        elif isinstance(model, DCFNet):
            plain = copy.deepcopy(model)
            plain.backbone.norm = torch.nn.LocalResponseNorm(plain.backbone.norm.size)
            self._track(
                "PyTorch's response normalisation, 1 target",
                build_tracker(plain, options),
                frames,
                boxes[0],
                1,
            )
        for count in self.args.track_batch:
            self._track(
                f'{count} target{"s" * (count > 1)} at once',
                build_tracker(model, options),
                frames,
                boxes[0],
                count,
            )

    def _track(
        self, what: str, tracker: Tracker, frames: np.ndarray, boxes: np.ndarray, count: int
    ) -> None:
        order = itertools.cycle([*range(1, len(frames)), *range(len(frames) - 2, -1, -1)])
        state = tracker.init(frames[0], np.tile(boxes[0], (count, 1)))

        def update() -> int:
            nonlocal state
            _, state = tracker.update(frames[next(order)], state)
            return count

        self.add('track', what, 'updates/s', update, warm_up=2 * getattr(tracker, 'memory_size', 1))


class EncodingAnew(TorchNetwork):
    """The baseline: gives the same boxes, but encodes template and memory in every frame, the
    search area once for each branch, and does not merge equal memory entries. One target."""

    def look(self, crops, template, memories):
        size = self.model.train_cfg['pool_size']
        pooled = template.cls[0].new_zeros(1, template.cls[0].shape[1], size, size)
        self.model.head.encode_template(pooled)
        if memories is not None:
            (counts,) = memories.multiplicity
            codes = [code.repeat_interleave(counts, dim=1) for code in memories.codes]
            memories = Memories(codes, counts.new_ones(1, codes[0].shape[1]))
            self.model.head.encode_memory(pooled.repeat(codes[0].shape[1], 1, 1, 1))
        view = super().look(crops, template, memories)
        if memories is not None:
            self.model.head.cls_search(view.features)
        return view


def machine(device: torch.device, threads: int) -> dict[str, str]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        names = [
            line.split(':', 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith('model name')
        ]
        model = names[0] if names else model
    load = f', load {os.getloadavg()[0]:.1f}' if hasattr(os, 'getloadavg') else ''
    facts = {
        'CPU': f'{model}, {os.cpu_count()} cores, {threads} threads used{load}',
        'torch': torch.__version__,
        'OpenCV': cv2.__version__,
    }
    if device.type == 'cuda':
        facts['GPU'] = torch.cuda.get_device_name(device)
    return facts


def as_text(rows: list[Row], facts: dict[str, str]) -> str:
    """The table."""
    head = ('part', 'what', 'speed', 'unit', 'ratio', 'peak MB')
    body = [
        (r.part, r.what, f'{r.value:.1f}', r.unit, f'{r.ratio:.2f}', f'{r.peak_memory_mb:.0f}')
        for r in rows
    ]
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    numbers = (2, 4, 5)
    lines = [
        '  '.join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (head, *body)
    ]
    return '\n'.join(
        [
            *(f'{key}: {value}' for key, value in facts.items()),
            '',
            lines[0],
            '-' * len(lines[0]),
            *lines[1:],
        ]
    )


def measure(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    check_inputs(config=args.config, input=args.clips, outputs=[args.json])
    cfg = load_config(args.config, args.cfg_options)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args, cfg, Path(work))
        bench.run()
    facts = {
        'config': args.config,
        'clips': ', '.join(args.clips or ['rendered, 640x360']),
        **machine(bench.device, args.threads),
    }
    print(as_text(bench.rows, facts))
    if args.json:
        write_text(
            args.json,
            json.dumps({'machine': facts, 'rows': [asdict(row) for row in bench.rows]}, indent=1)
            + '\n',
        )


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: measure(args), (ClipError,), args.json)


if __name__ == '__main__':
    sys.exit(main())
