"""Track many objects: detections get identities, a single-object tracker carries each object
through missed detections.

    usot objects CONFIG VIDEO --checkpoint FILE --cfg-options detections.path=FILE --out DIR

CONFIG names the tracker (``model``), where detections come from (``detections``) and how
identities are kept (``multi_object``); see configs/mixed/. Written are ``DIR/<name>.txt`` in
MOTChallenge's form (``frame, id, x, y, w, h, score, class, carried``; frames and pixels from 1)
and ``DIR/<name>.mp4``, carried boxes dashed.
"""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis.inference import init_tracker
from usot_plugin.apis.sources import SourceError, open_source
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.cli.track import expected_frames
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.clip import ClipError
from usot_plugin.structures.detections import TrackedObjects
from usot_plugin.tracking.multi_object import CarriedTracks
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.checkpoint import CheckpointError
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError, add_config_options, load_config
from usot_plugin.utils.host import HostError
from usot_plugin.utils.progress import with_progress
from usot_plugin.visualization.overlay import draw_targets
from usot_plugin.visualization.video_writer import VideoWriteError, VideoWriter


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_parser(__doc__)
    parser.add_argument('config', help='config with model, detections and multi_object')
    parser.add_argument('input', help='video file, folder of images, number of a camera, or URL')
    parser.add_argument('--checkpoint', help='weights of the single-object tracker')
    parser.add_argument(
        '--tracker', help="replaces the config's single-object tracker, e.g. StandStill"
    )
    parser.add_argument(
        '--out', default='objects_out', metavar='DIR', help='output folder (default: %(default)s)'
    )
    parser.add_argument('--no-video', action='store_true', help='write the text file only')
    parser.add_argument('--max-frames', type=int, metavar='N', help='stop after N frames')
    parser.add_argument(
        '--device', help='of the single-object tracker (default: the GPU if there is one)'
    )
    add_config_options(parser)
    return parser.parse_args(argv)


def mot_rows(frame_index: int, objects: TrackedObjects) -> list[str]:
    """Lines of one frame."""
    boxes_xywh = xyxy_to_xywh(objects.found.boxes_xyxy) + (1, 1, 0, 0)
    columns = zip(
        objects.ids,
        boxes_xywh,
        objects.found.scores,
        objects.found.labels,
        objects.carried,
        strict=True,
    )
    return [
        f'{frame_index + 1},{number + 1},{",".join(f"{value:.2f}" for value in box)},'
        f'{score:.4f},{label},{int(carried)}'
        for number, box, score, label, carried in columns
    ]


def track(args: argparse.Namespace) -> None:
    """Everything between the command line and the files."""
    check_inputs(config=args.config, input=args.input, outputs=[args.out])
    if not args.tracker:
        check_inputs(checkpoint=args.checkpoint)
    cfg = load_config(args.config, args.cfg_options)
    missing = [key for key in ('detections', 'multi_object') if key not in cfg]
    if missing:
        raise ConfigError(
            f'{args.config}: there is no {missing[0]!r} in it (see '
            'configs/mixed/carried-tracks_usot.py)'
        )
    detector = TASK_UTILS.build(cfg.detections)
    replaced = dict(type=args.tracker) if args.tracker else None
    tracker = init_tracker(
        args.config, args.checkpoint, args.device, replaced, cfg_options=args.cfg_options
    )
    objects: CarriedTracks = TASK_UTILS.build(dict(cfg.multi_object, tracker=tracker))
    rows: list[str] = []
    carried = frames = 0
    identities: set[int] = set()
    with ExitStack() as stack:
        source = stack.enter_context(open_source(args.input))
        name = re.sub(r'[^\w.-]', '_', source.name)
        writer = (
            None
            if args.no_video
            else stack.enter_context(VideoWriter(Path(args.out, f'{name}.mp4'), source.fps))
        )
        limited = islice(source, args.max_frames)
        expected = expected_frames(source, args.max_frames)
        for index, (_, frame) in enumerate(with_progress(limited, expected, 'frame')):
            found = objects.update(frame, detector.detect(index, frame))
            rows += mot_rows(index, found)
            frames, carried = frames + 1, carried + int(found.carried.sum())
            identities |= set(found.ids.tolist())
            if writer is not None:
                writer.write(draw(frame, found, index))
        write_text(Path(args.out, f'{name}.txt'), ''.join(f'{row}\n' for row in rows))
    print(
        f'{args.input}: {frames} frames, {len(identities)} objects, {len(rows)} boxes, {carried} '
        f'of them carried; wrote {args.out}'
    )


def draw(frame: np.ndarray, found: TrackedObjects, index: int) -> np.ndarray:
    """The frame with its objects; a carried one is grey and dashed."""
    return draw_targets(
        frame,
        found.found.boxes_xyxy,
        found.found.scores,
        found.carried,
        [number + 1 for number in found.ids.tolist()],
        caption=f'frame {index}',
        lost_label='carried',
    )


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    mendable = (ClipError, SourceError, CheckpointError, VideoWriteError, HostError)
    return exit_status(lambda: track(args), mendable, args.out)


if __name__ == '__main__':
    sys.exit(main())
