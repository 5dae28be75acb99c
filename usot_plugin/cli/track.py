"""Track targets and write the result as a video and as files.

    usot track VIDEO --box 120,80,60,40 --out DIR
    usot track VIDEO --boxes boxes.json --config CONFIG --checkpoint FILE --out DIR
    usot track 0 --show

The input is a video, a folder of images, a camera or a network stream; without boxes they are
drawn with the mouse.

With neither config nor checkpoint the weights that ship with the package are used; a packed
checkpoint (tools/pack_pretrained.py) carries its config. Written are ``DIR/<name>.mp4`` (boxes
drawn in), ``DIR/<name>_target<i>.txt`` (``x,y,w,h`` a frame) and ``DIR/<name>.json`` (boxes,
scores, lost); --sheet FILE.jpg adds a picture of evenly spaced frames. Each file is there whole or
not at all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import RANDOM_WEIGHTS, init_tracker, onnx_tracker
from usot_plugin.apis.known_models import weights_table
from usot_plugin.apis.sources import TIMEOUT_S, FrameSource, SourceError, open_source
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.clip import ClipError
from usot_plugin.structures.trajectory import Prediction, Trajectory
from usot_plugin.tracking import Tracker
from usot_plugin.tracking.box_input import (
    InputError,
    boxes_from_json,
    check_boxes_in_frame,
    has_display,
    parse_box_xywh,
    select_boxes,
)
from usot_plugin.tracking.video import track_frames
from usot_plugin.utils.atomic import remove_abandoned, whole_file, write_text
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.cli import FINE, exit_status, note, tool_parser
from usot_plugin.utils.config import add_config_options
from usot_plugin.utils.progress import with_progress
from usot_plugin.visualization.contact_sheet import ContactSheet, check_image_suffix
from usot_plugin.visualization.overlay import draw_targets
from usot_plugin.visualization.video_writer import VideoWriteError, VideoWriter


class ListModels(argparse.Action):
    """``--list-models``: the table, then the end, as ``--help`` does."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        print(weights_table())
        parser.exit(FINE)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; a box with a negative corner is written ``--box=-5,10,40,30``."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        'input', help='video file, folder of images, number of a camera, or URL (rtsp, http ...)'
    )
    parser.add_argument(
        '--config',
        help='config of the model (default: the one in the checkpoint, or beside it)',
    )
    parser.add_argument(
        '--checkpoint',
        help='weights of the model, or the name of weights that ship (default without --config: '
        "usot_mobile; 'none': random ones)",
    )
    parser.add_argument(
        '--runtime',
        choices=['torch', 'onnx'],
        default='torch',
        help='onnx: --checkpoint is a folder of tools/export_onnx.py',
    )
    parser.add_argument(
        '--tracker',
        help="replaces the config's tracker, e.g. StandStill, which needs neither config nor "
        'checkpoint',
    )
    add_config_options(parser)
    parser.add_argument(
        '--box',
        action='append',
        default=[],
        metavar='x,y,w,h',
        help='a target in the first frame; repeatable',
    )
    parser.add_argument('--boxes', metavar='FILE', help='JSON file with [[x, y, w, h], ...]')
    parser.add_argument(
        '--out', default='demo_out', metavar='DIR', help='output folder (default: %(default)s)'
    )
    parser.add_argument('--no-video', action='store_true', help='write the result files only')
    parser.add_argument(
        '--sheet',
        metavar='FILE',
        help='also write evenly spaced frames as one picture, e.g. sheet.jpg',
    )
    parser.add_argument(
        '--sheet-frames',
        type=int,
        default=8,
        metavar='N',
        help='frames on the sheet (default: %(default)s)',
    )
    parser.add_argument(
        '--show', action='store_true', help='show the frames in a window; q or ESC ends'
    )
    parser.add_argument('--max-frames', type=int, metavar='N', help='stop after N frames')
    parser.add_argument(
        '--drop-frames',
        action=argparse.BooleanOptionalAction,
        default=None,
        help='drop frames of a live source when too slow',
    )
    parser.add_argument(
        '--reconnect',
        type=int,
        default=0,
        metavar='N',
        help='open a camera or stream that breaks off again, N times in a row (default: 0, end '
        'there and keep what was tracked)',
    )
    parser.add_argument(
        '--stream-timeout',
        type=float,
        default=TIMEOUT_S,
        metavar='SECONDS',
        help='how long a camera or stream may be silent (default: %(default)g)',
    )
    parser.add_argument(
        '--list-models',
        action=ListModels,
        nargs=0,
        help='show the models of this package and which of them have weights here, then end',
    )
    parser.add_argument('--device', help='cpu, cuda:0, ... (default: the GPU if there is one)')
    parser.add_argument('--threads', type=int, help='CPU threads of PyTorch')
    args = parser.parse_args(argv)
    if args.reconnect < 0 or not 0 < args.stream_timeout < float('inf'):
        parser.error(
            f'needs --reconnect >= 0 and --stream-timeout > 0, got {args.reconnect} and '
            f'{args.stream_timeout:g}'
        )
    if args.max_frames is not None and args.max_frames < 1:
        parser.error(f'--max-frames has to be at least 1, got {args.max_frames}')
    if args.sheet_frames < 1:
        parser.error(f'--sheet-frames has to be at least 1, got {args.sheet_frames}')
    if args.box and args.boxes:
        parser.error('give --box or --boxes, not both')
    return args


def given_boxes(args: argparse.Namespace) -> np.ndarray | None:
    """Boxes of the command line, ``(B, 4)`` xyxy; None when they are to be drawn with the mouse."""
    if args.boxes:
        return boxes_from_json(args.boxes)
    if args.box:
        return np.stack([parse_box_xywh(text) for text in args.box])
    if not has_display():
        raise InputError(
            'no box given: use --box x,y,w,h or --boxes FILE (drawing with the mouse needs a '
            'display, DISPLAY is not set)'
        )
    return None


def build(args: argparse.Namespace) -> Tracker:
    """The tracker of the command line."""
    if args.runtime == 'onnx':
        return build_onnx(args)
    tracker = dict(type=args.tracker) if args.tracker else None
    return init_tracker(
        args.config, args.checkpoint, args.device, tracker, cfg_options=args.cfg_options
    )


def build_onnx(args: argparse.Namespace) -> Tracker:
    """The tracker around exported graphs, with the hyper-parameters that lie beside them.

    Raises:
        InputError: An option that the graphs leave no room for, or no folder of graphs.
    """
    for option in ('config', 'tracker', 'cfg_options'):
        if getattr(args, option):
            raise InputError(
                f'--{option.replace("_", "-")} is not read with --runtime onnx: the export holds '
                'all of it'
            )
    if not args.checkpoint:
        raise InputError(
            '--runtime onnx needs --checkpoint DIR, a folder that tools/export_onnx.py has written'
        )
    return onnx_tracker(args.checkpoint)


def show_frame(image: np.ndarray) -> bool:
    """Show a frame in a window; False when the user wants to stop."""
    import cv2

    cv2.imshow('usot_plugin', image)
    return cv2.waitKey(1) & 0xFF not in (ord('q'), 27)


def limited(
    frames: Iterator[tuple[int, np.ndarray]],
    source: FrameSource,
    last: int | None,
    indices: list[int],
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames until the source ends.

    A source that breaks off or is damaged, or Ctrl-C on a live one, ends the frames; what was
    tracked so far is kept."""
    try:
        for count, (index, frame) in enumerate(frames, 1):
            indices.append(index)
            yield index, frame
            if count == last:
                return
    except (SourceError, ClipError) as error:
        if not indices:
            raise
        print(f'warning: {error}; keeping {len(indices)} frames', file=sys.stderr)
    except KeyboardInterrupt:
        if not source.live:
            raise
        print(f'stopped; keeping {len(indices)} frames', file=sys.stderr)


def expected_frames(source: FrameSource, last: int | None) -> int | None:
    """How many frames will be tracked, None where nobody knows."""
    known = [count for count in (last, source.frame_count) if count is not None]
    return min(known, default=None)


def output_files(args: argparse.Namespace, name: str, targets: int) -> list[Path]:
    """All files that a run writes."""
    names = [f'{name}.mp4'] * (not args.no_video) + [
        f'{name}.json',
        *(f'{name}_target{target}.txt' for target in range(targets)),
    ]
    return [*(Path(args.out, file) for file in names), *([Path(args.sheet)] if args.sheet else [])]


def refuse_to_replace(given: list[str | None], files: list[Path]) -> None:
    """Results of an earlier run are replaced, but never what the user gave.

    Raises:
        InputError: One of the files is the video or the box file itself.
    """
    for path in given:
        if path and any(
            os.path.exists(path) and file.exists() and file.samefile(path) for file in files
        ):
            raise InputError(f'{path}: the result would replace it; choose another --out')


def write_results(
    folder: Path,
    name: str,
    source: FrameSource,
    tracker: Tracker,
    tracks: list[Trajectory],
    indices: list[int],
    size: tuple[int, int],
) -> None:
    """The result files beside the video."""
    targets = []
    for target, track in enumerate(tracks):
        boxes_xywh = xyxy_to_xywh(track.boxes_xyxy)
        with whole_file(folder / f'{name}_target{target}.txt') as temporary:
            np.savetxt(temporary, boxes_xywh, fmt='%.4f', delimiter=',')
        boxes = [
            np.round(box, 4).tolist() if np.isfinite(box).all() else None for box in boxes_xywh
        ]
        targets.append(
            {
                'id': target,
                'boxes_xywh': boxes,
                'scores': np.round(track.scores, 6).tolist(),
                'lost': track.lost.tolist(),
            }
        )
    content = {
        'input': source.label,
        'tracker': type(tracker).__name__,
        'size_wh': list(size),
        'fps': source.fps or None,
        'frames': indices,
        'targets': targets,
    }
    write_text(folder / f'{name}.json', json.dumps(content) + '\n')


def track(args: argparse.Namespace) -> None:
    """Everything between the command line and the files."""
    check_inputs(input=args.input, file=args.boxes, outputs=[args.out, args.sheet])
    if args.checkpoint != RANDOM_WEIGHTS and not args.tracker:
        check_inputs(checkpoint=args.checkpoint)
    boxes = given_boxes(args)
    if args.show and not has_display():
        raise InputError('--show needs a display (DISPLAY is not set)')
    if args.threads:
        torch.set_num_threads(args.threads)
    folder = Path(args.out)
    if args.sheet:
        check_image_suffix(args.sheet)
        if (
            Path(args.input).is_dir()
            and Path(args.sheet).resolve().parent == Path(args.input).resolve()
        ):
            raise InputError(
                f'{args.sheet}: would lie among the frames of the input; choose another --sheet'
            )
    if folder.exists() and not folder.is_dir():
        raise InputError(f'{folder}: is a file, not an output folder')
    remove_abandoned(folder)  # what a killed run has left
    tracker = build(
        args
    )  # before the first frame: a camera does not wait, and the boxes are those of its first frame
    with open_source(args.input, args.drop_frames, args.reconnect, args.stream_timeout) as source:
        frames = iter(source)
        first = next(frames, None)
        if first is None:
            raise InputError(f'{args.input}: no frame')
        if boxes is None:
            boxes = select_boxes(first[1])
        size = (first[1].shape[1], first[1].shape[0])
        check_boxes_in_frame(boxes, size, args.input)
        name = re.sub(r'[^\w.-]', '_', source.name)
        files = output_files(args, name, len(boxes))
        refuse_to_replace([args.input, args.boxes], files)
        indices: list[int] = []
        tracked = limited(chain([first], frames), source, args.max_frames, indices)
        stream = with_progress(tracked, expected_frames(source, args.max_frames), 'frame')
        sheet = ContactSheet(args.sheet_frames) if args.sheet else None
        if args.no_video:
            tracks = track_frames(tracker, stream, boxes, on_frame_for(args, None, sheet))
            write_results(folder, name, source, tracker, tracks, indices, size)
        else:
            with VideoWriter(folder / f'{name}.mp4', source.fps) as writer:
                tracks = track_frames(tracker, stream, boxes, on_frame_for(args, writer, sheet))
                write_results(folder, name, source, tracker, tracks, indices, size)
    if sheet is not None:
        sheet.write(args.sheet)
    for remark in source.notes:
        note(f'note: {source.label}: {remark}')
    seconds = float(tracks[0].seconds[1:].sum())
    speed = f', {(len(indices) - 1) / seconds:.1f} frames/s' if seconds > 0 else ''
    lost = ', '.join(
        f'#{target} lost in {int(track.lost.sum())}' for target, track in enumerate(tracks)
    )
    print(
        f'{source.label}: {len(indices)} frames{speed}; {lost}; wrote {", ".join(map(str, files))}'
    )


def on_frame_for(args: argparse.Namespace, writer: VideoWriter | None, sheet: ContactSheet | None):
    """What happens to every tracked frame: drawn, written, kept for the sheet, shown."""

    def on_frame(index: int, frame: np.ndarray, prediction: Prediction) -> bool | None:
        if writer is None and sheet is None and not args.show:
            return None
        image = draw_targets(
            frame,
            prediction.boxes_xyxy,
            prediction.scores,
            prediction.lost,
            caption=f'frame {index}',
            regions=prediction.regions,
        )
        if writer is not None:
            writer.write(image)
        if sheet is not None:
            sheet.add(image)
        return show_frame(image) if args.show else None

    return on_frame


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    mendable = (ClipError, SourceError, CheckpointError, VideoWriteError)
    return exit_status(lambda: track(args), mendable, args.out, 'interrupted, nothing written')


if __name__ == '__main__':
    sys.exit(main())
