"""What a training step is made of: loading, forward, backward, optimizer, and the all-reduce of
several processes.

    usot measure-step CONFIG --batch 4 --steps 10 --json FILE
    usot measure-step CONFIG --gpus 4 8 64 --bandwidth-gbytes 20 --workers 8

Each part is the median over the steps, one thread; on a CPU it is processor time, which other
programs do not lengthen. All-reduce is the fastest of several, measured alone, on a buffer of the
model's gradients between two processes of this machine (Gloo on the CPU). The second form prints,
below what was measured, what N GPUs would do by

    step(N) = max(load / workers, forward + backward + optimizer + 2 (N - 1) / N * bytes /
    bandwidth)

which neither hides communication behind the backward pass nor knows of stragglers: real runs lie a
little on either side.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import usable_device
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.datasets import PseudoBoxDataset
from usot_plugin.registry import MODELS
from usot_plugin.structures.clip import ClipError
from usot_plugin.testing.groups import rendered_groups, rendered_table
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config
from usot_plugin.utils.worker_pool import end_with_parent

#: Steps that are not counted: caches and memory pools fill.
WARM_UP = 2


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step of one process; ``load_s`` is that of one loader process for the whole
    batch."""

    stage: str
    batch: int
    load_s: float
    forward_s: float
    backward_s: float
    optimizer_s: float
    gradient_bytes: int

    @property
    def compute_s(self) -> float:
        """Everything but loading."""
        return self.forward_s + self.backward_s + self.optimizer_s


def all_reduce_seconds(gradient_bytes: int, gpus: int, bandwidth_bytes_s: float) -> float:
    """Time of a ring all-reduce.

    Args:
        gradient_bytes: Bytes of all gradients.
        gpus: Processes in the ring.
        bandwidth_bytes_s: Of the slowest link.

    Reference:
        Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009: 2 (N - 1) / N of the
        buffer over each link.
    """
    return 2 * (gpus - 1) / gpus * gradient_bytes / bandwidth_bytes_s


def step_seconds(times: StepTimes, gpus: int, workers: int, bandwidth_bytes_s: float) -> float:
    """A step of ``gpus`` processes, by the formula at the head of this file."""
    return max(
        times.load_s / workers,
        times.compute_s + all_reduce_seconds(times.gradient_bytes, gpus, bandwidth_bytes_s),
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='training config')
    parser.add_argument(
        '--batch', type=int, default=4, help='groups of a process in a step (default: %(default)s)'
    )
    parser.add_argument(
        '--steps', type=int, default=10, help='steps that are measured (default: %(default)s)'
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the GPU if there is one)')
    parser.add_argument(
        '--no-all-reduce', action='store_true', help='do not start the two processes'
    )
    parser.add_argument(
        '--gpus',
        type=int,
        nargs='+',
        default=[],
        metavar='N',
        help='compute a step of so many GPUs',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=8,
        help='loader processes of a GPU, for that (default: %(default)s)',
    )
    parser.add_argument(
        '--bandwidth-gbytes',
        type=float,
        default=20.0,
        help='GB/s of the slowest link, for that (default: %(default)s)',
    )
    parser.add_argument('--json', metavar='FILE', help='write the numbers to a file, too')
    parser.add_argument(
        '--measured', metavar='FILE', help='measure nothing, compute from such a file'
    )
    add_config_options(parser)
    args = parser.parse_args(argv)
    if min([args.batch, args.steps, args.workers, *args.gpus]) < 1 or args.bandwidth_gbytes <= 0:
        parser.error(
            '--batch, --steps, --workers, --gpus and --bandwidth-gbytes have to be positive'
        )
    return args


def training_groups(cfg: Config, folder: Path, stage: str) -> PseudoBoxDataset:
    """The config's crops and augmentation on rendered clips of 640x360."""
    if 'train_pipeline' not in cfg:
        raise ConfigError('there is no train_pipeline in the config')
    return rendered_groups(
        rendered_table(folder), cfg.train_pipeline, cfg.get('frame_sampler'), stage
    )


def measure_steps(cfg: Config, folder: Path, args: argparse.Namespace, epoch: int) -> StepTimes:
    """Medians of the parts of a step in the stage of ``epoch``."""
    device = usable_device(args.device or get_device())
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device).train()
    model.set_epoch(epoch)
    stage = 'cycle' if model.in_cycle_stage else 'naive'
    groups = training_groups(cfg, folder, stage)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

    def now() -> float:
        if device.type == 'cpu':
            return time.process_time()
        torch.accelerator.synchronize(device)
        return time.perf_counter()

    rows = []
    for number in range(WARM_UP + args.steps):
        marks = [now()]
        data = pseudo_collate([groups[number * args.batch + i] for i in range(args.batch)])
        marks.append(now())
        losses = model(**model.data_preprocessor(data, True), mode='loss')
        loss = torch.stack([value for name, value in losses.items() if 'loss' in name]).sum()
        marks.append(now())
        loss.backward()
        marks.append(now())
        optimizer.step()
        optimizer.zero_grad()
        marks.append(now())
        rows.append([end - begin for begin, end in zip(marks, marks[1:], strict=False)])
    load, forward, backward, step = (
        statistics.median(column) for column in zip(*rows[WARM_UP:], strict=True)
    )
    gradient_bytes = sum(
        p.numel() * p.element_size() for p in model.parameters() if p.requires_grad
    )
    return StepTimes(stage, args.batch, load, forward, backward, step, gradient_bytes)


def _reduce_in_process(
    rank: int, port: int, count: int, repeats: int, results: multiprocessing.SimpleQueue
) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
    buffer = torch.zeros(count)
    seconds = []
    for _ in range(WARM_UP + repeats):
        dist.barrier()
        begin = time.perf_counter()
        dist.all_reduce(buffer)
        seconds.append(time.perf_counter() - begin)
    if rank == 0:
        results.put(min(seconds[WARM_UP:]))
    dist.destroy_process_group()


def measure_all_reduce(gradient_bytes: int, repeats: int = 20) -> float:
    """Fewest seconds of an all-reduce of a float32 buffer between two processes over Gloo."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context('spawn')
    results = context.SimpleQueue()
    processes = [
        context.Process(
            target=_reduce_in_process, args=(rank, port, gradient_bytes // 4, repeats, results)
        )
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise ConfigError('the two processes of the all-reduce have failed; their errors are above')
    return float(results.get())


def report(times: list[StepTimes], all_reduce_s: float | None, args: argparse.Namespace) -> str:
    """The tables."""
    lines = [f'measured: {args.config}, {times[0].batch} groups a step, one thread, milliseconds']
    lines.append(
        f'{"stage":<6} {"load":>8} {"forward":>8} {"backward":>8} {"optimizer":>9} {"all":>8}  '
        'gradients'
    )
    for row in times:
        parts = (
            row.load_s,
            row.forward_s,
            row.backward_s,
            row.optimizer_s,
            row.load_s + row.compute_s,
        )
        numbers = '{:>8.1f} {:>8.1f} {:>8.1f} {:>9.1f} {:>8.1f}'.format(
            *(1000 * part for part in parts)
        )
        lines.append(f'{row.stage:<6} {numbers}  {row.gradient_bytes / 2**20:.1f} MiB')
    if all_reduce_s is not None:
        lines.append(
            f'all-reduce of the gradients, two processes over Gloo: {1000 * all_reduce_s:.1f} ms '
            '(fastest)'
        )
    if args.gpus:
        lines.append(
            f'computed (not measured): {args.workers} loader processes a GPU, '
            f'{args.bandwidth_gbytes:g} GB/s'
        )
        lines.append(f'{"stage":<6} {"GPUs":>5} {"step ms":>9} {"groups/s":>9} {"of ideal":>9}')
    for row in times if args.gpus else []:
        alone = step_seconds(row, 1, args.workers, args.bandwidth_gbytes * 1e9)
        for gpus in args.gpus:
            seconds = step_seconds(row, gpus, args.workers, args.bandwidth_gbytes * 1e9)
            lines.append(
                f'{row.stage:<6} {gpus:>5} {1000 * seconds:>9.1f} '
                f'{gpus * row.batch / seconds:>9.1f} {alone / seconds:>9.1%}'
            )
    return '\n'.join(lines)


def measured_before(path: str) -> tuple[list[StepTimes], float | None]:
    """What ``--json`` wrote.

    Raises:
        ConfigError: It is no such file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
        return [StepTimes(**row) for row in content['steps']], content['all_reduce_two_processes_s']
    except (UnicodeDecodeError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f'{path}: not a file that --json of this tool has written') from error


def measure(args: argparse.Namespace) -> None:
    """Measure, compute, print, write."""
    if args.measured:
        print(report(*measured_before(args.measured), args))
        return
    check_inputs(config=args.config, outputs=[args.json])
    cfg = load_config(args.config, args.cfg_options)
    torch.set_num_threads(1)
    start = (cfg.get('model', {}).get('train_cfg') or {}).get('cycle_start_epoch', 0)
    with tempfile.TemporaryDirectory() as folder:
        times = [
            measure_steps(cfg, Path(folder), args, epoch)
            for epoch in dict.fromkeys((0, start or 0))
        ]
    all_reduce_s = None if args.no_all_reduce else measure_all_reduce(times[0].gradient_bytes)
    print(report(times, all_reduce_s, args))
    if args.json:
        content = {
            'config': args.config,
            'steps': [asdict(row) for row in times],
            'all_reduce_two_processes_s': all_reduce_s,
        }
        write_text(args.json, json.dumps(content, indent=1) + '\n')


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns the exit status."""
    args = parse_args(argv)
    return exit_status(lambda: measure(args), (ClipError,), args.json)


if __name__ == '__main__':
    sys.exit(main())
