"""Picture of a pseudo-box table: four frames of each found object with its box. Look at it before training.

    python tools/analysis/show_pseudo_boxes.py TABLE --out boxes.png

Coloured boxes come from a detection in that frame (picked), grey dashed ones are filled in. Under each row: clip, quality, and whether it
is good enough for training. With --start FILE the clip and first box of the best object are written as JSON, to try a tracker on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from usot_plugin.discovery.store import PseudoBoxRow, PseudoBoxTable, TableError, read_table
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.clip import ClipError, open_clip
from usot_plugin.utils.atomic import whole_file, write_text
from usot_plugin.visualization.overlay import draw_targets

#: Frames of each object, spread evenly.
FRAMES_PER_OBJECT = 4
TILE_WIDTH_PX = 320
#: Exit status when the table holds nothing to train on.
NOTHING_FOUND = 1
USER_ERROR = 2


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('table', help='folder of parts or merged .parquet file')
    parser.add_argument('--out', required=True, metavar='PNG', help='picture to write')
    parser.add_argument('--count', type=int, default=12, metavar='N', help='objects on the picture, best first (default: 12)')
    parser.add_argument(
        '--start', metavar='JSON', help='write {"clip": path, "box_xywh": [...]} of the best object that is there in frame 0'
    )
    args = parser.parse_args(argv)
    if args.count < 1:
        parser.error(f'--count must be at least 1, not {args.count}')
    return args


def best_rows(table: PseudoBoxTable) -> list[PseudoBoxRow]:
    """Kept rows, those for training first, then by quality."""
    return sorted(table.kept(), key=lambda row: (not row.samplable, -row.track.sequence_quality))


def draw_row(row: PseudoBoxRow) -> np.ndarray:
    """Frames of one object side by side, ``(H, FRAMES_PER_OBJECT * TILE_WIDTH_PX, 3)`` uint8.

    Raises:
        ClipError: The clip cannot be read any more.
    """
    track, clip = row.track, open_clip(row.path)
    tiles = []
    for offset in np.linspace(0, len(track) - 1, FRAMES_PER_OBJECT).round().astype(int):
        frame = track.first_frame + int(offset)
        picked = bool(track.picked[offset])
        caption = f'frame {frame}, {"picked" if picked else "filled"}'
        image = draw_targets(
            clip.read(frame), track.boxes_xyxy[offset][None], lost=np.array([not picked]), ids=[track.object_id], caption=caption
        )
        tiles.append(
            cv2.resize(image, (TILE_WIDTH_PX, round(TILE_WIDTH_PX * image.shape[0] / image.shape[1])), interpolation=cv2.INTER_AREA)
        )
    strip = np.hstack(tiles)
    label = np.full((20, strip.shape[1], 3), 32, np.uint8)
    use = 'for training' if row.samplable else 'kept, not for training'
    text = f'{row.clip}  object {track.object_id}  quality {track.sequence_quality:.2f}  {use}'
    cv2.putText(label, text, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (230, 230, 230), 1, cv2.LINE_AA)
    return np.vstack([strip, label])


def start_of(rows: list[PseudoBoxRow]) -> dict | None:
    """Clip and first box of the best object that is there in frame 0."""
    for row in rows:
        if row.track.first_frame == 0:
            return {'clip': row.path, 'box_xywh': xyxy_to_xywh(row.track.boxes_xyxy[:1].astype(float))[0].round(2).tolist()}
    return None


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    args = parse_args(argv)
    try:
        table = read_table(args.table)
        rows = best_rows(table)
        strips = [draw_row(row) for row in rows[: args.count]]
    except (TableError, ClipError) as error:
        print(f'error: {error}', file=sys.stderr)
        return USER_ERROR
    if not any(row.samplable for row in rows):
        reasons = sorted({f'{row.clip}: {row.detail or row.reason or "quality too low for training"}' for row in table})
        print(f'error: {args.table}: no object good enough to train on\n  ' + '\n  '.join(reasons[:20]), file=sys.stderr)
        return NOTHING_FOUND
    ok, png = cv2.imencode('.png', np.vstack(strips))
    if not ok:
        raise OSError(f'{args.out}: the picture could not be encoded')
    with whole_file(Path(args.out)) as temporary:
        temporary.write_bytes(png.tobytes())
    if args.start:
        write_text(Path(args.start), json.dumps(start_of(rows)) + '\n')
    print(f'{args.out}: {len(strips)} of {len(rows)} objects, {len(table.samplable())} good enough for training')
    return 0


if __name__ == '__main__':
    sys.exit(main())
