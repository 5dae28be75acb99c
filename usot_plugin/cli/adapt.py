"""Fine-tune a tracker on your own unlabeled clips, and say whether it helped.

Finds what moves in the clips, trains the weights that ship with the package a little further on
them, and follows the same objects before and after, there and back: a score that needs no
annotation. A stopped run goes on; a finished one prints its result again.

    usot adapt my_videos/ --out work_dirs/adapt
    usot track my_videos/dog.mp4 --checkpoint work_dirs/adapt/adapted.pth

Written are DIR/table (pseudo boxes), DIR/adapted.pth (weights with their config, for usot track),
DIR/before_after.png (the same frames before and after) and DIR/before_after.json (the scores).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import init_tracker
from usot_plugin.apis.packed_weights import DEFAULT_PRETRAINED, packed_file, packed_record
from usot_plugin.apis.training_record import file_hash
from usot_plugin.cli import pack_pretrained
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.datasets.frames.video_sources import VideoSourceError, find_clips
from usot_plugin.discovery.config_file import load_discovery
from usot_plugin.discovery.many_clips.pipeline import RunOptions, TableWriteError, discover_clips
from usot_plugin.discovery.reasons import FAILED_REASONS
from usot_plugin.discovery.table.format import TableError
from usot_plugin.discovery.table.reading import PseudoBoxTable, read_table
from usot_plugin.engine.training_loops import use_resumable_loop
from usot_plugin.engine.training_run import MENDABLE, build_runner, latest_checkpoint
from usot_plugin.self_training.agreement import (
    Difference,
    Target,
    choose_targets,
    confirmed_agreement,
    difference_of,
    follow_target,
)
from usot_plugin.self_training.relabelling import Pass
from usot_plugin.structures import ClipError, open_clip
from usot_plugin.utils.atomic import remove_abandoned, write_bytes, write_text
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config
from usot_plugin.utils.names import shown_name
from usot_plugin.utils.packaged import find_config
from usot_plugin.utils.progress import ProgressLines, counted
from usot_plugin.utils.worker_pool import WorkerStartError
from usot_plugin.visualization.before_after import Shown, before_after_sheet

#: Objects on the picture, those that differ most, and frames of each.
SHOWN_OBJECTS, SHOWN_FRAMES = 4, 4
#: Files of a result.
WEIGHTS, PICTURE, SCORES = 'adapted.pth', 'before_after.png', 'before_after.json'
VERDICTS = {
    'better': 'better after than before',
    'worse': 'WORSE after than before',
    'unclear': 'no clear difference between before and after',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        'clips', nargs='+', metavar='CLIPS', help='videos, folders of frames, or folders of those'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/adapt'),
        metavar='DIR',
        help='where everything goes (default: %(default)s)',
    )
    parser.add_argument(
        '--checkpoint',
        default=DEFAULT_PRETRAINED,
        help='weights to begin with: a packed file, or weights that ship (default: %(default)s)',
    )
    parser.add_argument(
        '--config',
        default='configs/quick/usot_finetune.py',
        help='config of the training (default: %(default)s)',
    )
    parser.add_argument(
        '--discovery',
        default='configs/discovery/default.py',
        metavar='CONFIG',
        help='config of discovery (default: %(default)s)',
    )
    parser.add_argument(
        '--limit',
        type=int,
        default=12,
        metavar='N',
        help='use N clips at most, evenly spread over the sorted names (default: %(default)s)',
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=300,
        metavar='N',
        help='look at the first N frames of a clip (default: %(default)s)',
    )
    parser.add_argument(
        '--objects',
        type=int,
        default=6,
        metavar='N',
        help='follow N objects before and after (default: %(default)s)',
    )
    parser.add_argument(
        '--workers', type=int, metavar='N', help='clips at once (default: one per CPU)'
    )
    add_config_options(parser, 'override keys of the training config')
    args = parser.parse_args(argv)
    for name in ('limit', 'frames', 'objects'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, not {getattr(args, name)}')
    if args.workers is not None and args.workers < 0:
        parser.error(f'--workers must be 0 or more, not {args.workers}')
    return args


@contextlib.contextmanager
def stage(title: str) -> Iterator[None]:
    """Say what begins, and afterwards what it took."""
    say(f'\n== {title}')
    began = time.monotonic()
    yield
    say(f'   {time.monotonic() - began:.0f} s')


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def spread(clips: Mapping[str, Path], limit: int) -> dict[str, Path]:
    """At most ``limit`` clips, evenly spread over the sorted names."""
    names = sorted(clips)
    if len(names) > limit:
        say(f'{limit} of {len(names)} clips, evenly spread; --limit N uses more')
        names = [names[at] for at in np.linspace(0, len(names) - 1, limit).round().astype(int)]
    return {name: clips[name] for name in names}


def discover(args: argparse.Namespace) -> PseudoBoxTable:
    """The pseudo boxes of the clips.

    Raises:
        ConfigError: No clip can be read, or nothing in them is good enough to train on.
    """
    clips = spread(find_clips(args.clips), args.limit)
    path = find_config(args.discovery)
    config, imports = load_discovery(path, {'discovery.frames.max_count': args.frames})
    options = RunOptions(workers=args.workers, imports=imports)
    discover_clips(clips, config, args.out / 'table', options)
    table = read_table(args.out / 'table')
    table = table.where(np.isin(table.column('clip'), sorted(clips)))
    if not table.samplable():
        raise ConfigError(why_nothing(table))
    return table


def why_nothing(table: PseudoBoxTable) -> str:
    """Why there is nothing to learn from in any clip, in one line."""
    reasons = {row.clip: str(row.reason) or 'boxes too unreliable' for row in table}
    counts = Counter(reasons.values()).most_common()
    details = ', '.join(f'{number} {reason}' for reason, number in counts)
    clips = counted(len(reasons), 'clip')
    if all(reason in FAILED_REASONS for reason in reasons.values()):
        return f'none of {clips} can be read ({details})'
    return (
        f'nothing to learn from in {clips} ({details}): each should have one clearly moving thing'
    )


class TrainingProgress(Hook):
    """A bar, or lines with a time left."""

    def before_train(self, runner: Runner) -> None:
        """Begin where the run is."""
        self._lines = ProgressLines(runner.max_iters, 'step', every_s=5.0)
        self._lines.done = self._lines.earlier = runner.iter

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict | None = None,
    ) -> None:
        """One step is done."""
        loss = torch.as_tensor((outputs or {}).get('loss', np.nan)).detach()
        self._lines.advance(f'loss {float(loss):.3f}')

    def after_train(self, runner: Runner) -> None:
        """All are done."""
        self._lines.close()


def training_config(
    args: argparse.Namespace, table: PseudoBoxTable, targets: Sequence[Target], weights: Path
) -> tuple[Config, Path]:
    """The config of the run and its folder, whose name says what it was made from.

    Raises:
        ConfigError: The config cannot be read.
    """
    cfg = load_config(find_config(args.config), args.cfg_options)
    clips = {row.path: row.fingerprint for row in table.samplable()}
    cfg.train_dataloader.dataset.clips = sorted(clips)
    cfg.load_from = str(weights)
    starts = [(t.path, t.start.frame, t.start.until, t.start.box_xyxy.tolist()) for t in targets]
    made_from = [cfg.to_dict(), file_hash(weights), clips, starts]
    text = json.dumps(made_from, sort_keys=True, default=str)
    folder = args.out / f'train-{hashlib.sha256(text.encode()).hexdigest()[:10]}'
    cfg.work_dir = str(folder)
    return cfg, folder


def train(cfg: Config, folder: Path, name: str) -> Path:
    """Train, or go on where an earlier run was stopped; its log goes to a file.

    Returns:
        The last checkpoint.
    """
    finished = folder / 'trained'
    if finished.exists():
        return folder / finished.read_text(encoding='utf-8').strip()
    cfg.resume = latest_checkpoint(folder) is not None
    if cfg.resume:
        cfg.load_from = None
    use_resumable_loop(cfg)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(folder / 'train.log', 'a', encoding='utf-8') as log,
        contextlib.redirect_stdout(log),
    ):
        runner = build_runner(cfg, name)
        runner.register_hook(TrainingProgress())
        runner.train()
    last = latest_checkpoint(folder)
    assert last is not None  # a training that ends has saved its last epoch
    write_text(finished, last.name)
    return last


def pack(checkpoint: Path, clips: Sequence[str], out: Path) -> Path:
    """The trained weights with their config and what they come from, in one file.

    Raises:
        CheckpointError, ConfigError: See ``usot pack``.
    """
    command = [str(checkpoint), '--out', str(out), '--max-mb', '1000']
    for clip in clips:
        command += ['--clips', clip]
    with contextlib.redirect_stdout(sys.stderr):
        pack_pretrained.pack(pack_pretrained.parse_args(command))
    return out


def compare(
    targets: Sequence[Target], before: str | Path, after: Path
) -> tuple[list[tuple[Pass, Pass]], list[tuple[float, float]]]:
    """Both trackers on every target: their ways, and their scores."""
    trackers = [init_tracker(None, weights) for weights in (before, after)]
    lines = ProgressLines(len(targets), 'object', every_s=5.0)
    seen, scores = [], []
    for target in targets:
        first, second = (follow_target(tracker, target) for tracker in trackers)
        seen.append((first, second))
        scores.append(
            (
                confirmed_agreement(first, target.track),
                confirmed_agreement(second, target.track),
            )
        )
        lines.advance()
    lines.close()
    return seen, scores


def picture(
    targets: Sequence[Target],
    seen: Sequence[tuple[Pass, Pass]],
    scores: Sequence[tuple[float, float]],
) -> np.ndarray:
    """The objects that differ most, before above after."""
    order = sorted(range(len(targets)), key=lambda at: -abs(np.subtract(*scores[at])))
    shown = []
    for at in order[:SHOWN_OBJECTS]:
        target, (first, second) = targets[at], seen[at]
        picks = np.linspace(0, len(first.frames) - 1, SHOWN_FRAMES + 1).round().astype(int)[1:]
        picks = np.unique(picks)
        numbers = first.frames[picks].tolist()
        wanted: dict[int, np.ndarray] = {}
        clip = open_clip(target.path)
        for number, image in clip.iter_frames(min(numbers), max(numbers) + 1):
            if number in numbers:
                wanted[number] = image
        title = f'{shown_name(target.clip)}: followed from frame {first.start}; white: discovery'
        rows = [
            (f'{word} {score:.2f}', one.boxes_xyxy[picks])
            for word, score, one in zip(
                ('before', 'after'), scores[at], (first, second), strict=True
            )
        ]
        found = np.asarray(target.track.boxes_xyxy, np.float64)[
            np.array(numbers) - target.track.first_frame
        ]
        shown.append(Shown(title, [wanted[n] for n in numbers], numbers, found, rows))
    return before_after_sheet(shown)


def report_of(
    targets: Sequence[Target], scores: Sequence[tuple[float, float]], difference: Difference
) -> dict[str, Any]:
    """The scores as plain values."""
    return {
        'score': 'agreement there and back, where the box lies on what moves; 0 to 1',
        'objects': [
            {
                'clip': shown_name(target.clip),
                'from_frame': target.start.frame,
                'to_frame': target.start.until,
                'before': round(first, 4),
                'after': round(second, 4),
            }
            for target, (first, second) in zip(targets, scores, strict=True)
        ],
        'mean': {key: round(value, 4) for key, value in asdict(difference).items()},
        'verdict': difference.verdict,
    }


def report_text(report: Mapping[str, Any]) -> str:
    """The scores as a table, and in words what they say."""
    rows = report['objects']
    title = 'agreement there and back'
    width = max(len(title), *(len(row['clip']) for row in rows))
    lines = [f'{title:{width}s}  before  after']
    lines += [f'{row["clip"]:{width}s}  {row["before"]:6.3f}  {row["after"]:5.3f}' for row in rows]
    mean = report['mean']
    lines += [f'{"mean":{width}s}  {mean["before"]:6.3f}  {mean["after"]:5.3f}', '']
    gain, error = mean['after'] - mean['before'], mean['error']
    noise = f' (standard error {error:.3f})' if np.isfinite(error) else ''
    objects = counted(len(rows), 'object')
    lines.append(f'{VERDICTS[report["verdict"]]}: {gain:+.3f}{noise} on {objects} without labels')
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    """Discover, train, compare; what is done already is not done again."""
    configs = [args.config, args.discovery]
    check_inputs(config=configs, input=args.clips, outputs=[args.out])
    weights = Path(packed_file(args.checkpoint))
    packed_record(weights)  # refused now, not after the training
    args.out.mkdir(parents=True, exist_ok=True)
    remove_abandoned(args.out)
    with stage('1/3 find what moves'):
        table = discover(args)
        targets = choose_targets(table, args.objects)
    if not targets:
        raise ConfigError('no discovered object that a tracker can be started on')
    cfg, folder = training_config(args, table, targets, weights)
    result = folder / SCORES
    if not result.exists():
        with stage('2/3 train on it'):
            checkpoint = train(cfg, folder, args.config)
            clips = cfg.train_dataloader.dataset.clips
            after = pack(checkpoint, clips, folder / WEIGHTS)
        with stage('3/3 follow the same objects before and after, there and back'):
            seen, scores = compare(targets, weights, after)
        _, png = cv2.imencode('.png', picture(targets, seen, scores))
        write_bytes(folder / PICTURE, png.tobytes())
        difference = difference_of(*zip(*scores, strict=True))
        write_text(result, json.dumps(report_of(targets, scores, difference), indent=1))
    publish(folder, args.out)
    report = json.loads(result.read_text(encoding='utf-8'))
    print(report_text(report))
    print(f'side by side   {args.out / PICTURE}')
    print(f'after          {args.out / WEIGHTS}')
    print(f'to be used     usot track VIDEO --checkpoint {better_of(report, args)}')


def publish(folder: Path, out: Path) -> None:
    """Copy the result of these settings to where users look; another one may lie there."""
    for name in (WEIGHTS, PICTURE, SCORES):
        made = (folder / name).read_bytes()
        if not (out / name).exists() or (out / name).read_bytes() != made:
            write_bytes(out / name, made)


def better_of(report: Mapping[str, Any], args: argparse.Namespace) -> str:
    """The weights to go on with: the adapted ones only where they are clearly better."""
    if report['verdict'] == 'better':
        return str(args.out / WEIGHTS)
    return (
        f'{args.checkpoint}   (the weights that you had: the adapted ones are not clearly better)'
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    errors = (*MENDABLE, VideoSourceError, TableError, TableWriteError, WorkerStartError, ClipError)
    return exit_status(lambda: run(args), errors, args.out, 'interrupted; the same command goes on')


if __name__ == '__main__':
    sys.exit(main())
