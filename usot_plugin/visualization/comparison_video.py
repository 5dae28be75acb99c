"""Trackers side by side in one video: a panel for each of them, and their overlaps over time
below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.structures.boxes import iou

from .overlay import ANNOTATION_BGR, draw_box, write_plate
from .plots import new_figure, tracker_bgr, tracker_color
from .video_writer import VideoWriter

#: Width of the whole picture, and panels in a row at most.
WIDTH_PX, COLUMNS = 1280, 3
CURVES_PX, DPI = 240, 100
#: Share of white over what is still to come.
VEIL = 0.72


def write_comparison(
    path: str | Path, sequence: AnnotatedSequence, boxes_xyxy: Mapping[str, np.ndarray]
) -> None:
    """Write the video of :func:`comparison_frames`; it is there whole or not at all.

    Raises:
        ClipError: A frame cannot be decoded.
        VideoWriteError: The video cannot be written.
        ValueError: See :func:`comparison_frames`.
    """
    with VideoWriter(path, sequence.clip.fps) as writer:
        for picture in comparison_frames(sequence, boxes_xyxy):
            writer.write(picture)


def comparison_frames(
    sequence: AnnotatedSequence, boxes_xyxy: Mapping[str, np.ndarray]
) -> Iterator[np.ndarray]:
    """Pictures of several trackers on one clip.

    A panel holds the tracker's box in its colour, the annotation in white, and the overlap. Below
    them are the overlaps of all frames; what is still to come is pale.

    Args:
        sequence: ``T`` frames with their annotation.
        boxes_xyxy: ``(T, 4)`` boxes of each tracker, by its name; nan where it has none.

    Yields:
        ``(H, W, 3)`` uint8 BGR, one for each frame.

    Raises:
        ClipError: A frame cannot be decoded.
        ValueError: No tracker, or not one box a frame.
    """
    if not boxes_xyxy:
        raise ValueError('no tracker to show')
    overlaps = {name: overlaps_of(sequence, boxes) for name, boxes in boxes_xyxy.items()}
    strip, pale, places = _curves(overlaps, f'{sequence.name}, {len(sequence)} frames')
    for frame, image in sequence.clip.iter_frames():
        if frame >= len(sequence):
            return
        panels = []
        for index, (name, boxes) in enumerate(boxes_xyxy.items()):
            words = f'{name}: {_overlap_text(overlaps[name][frame])}'
            both = (boxes[frame], sequence.boxes_xyxy[frame])
            panels.append(_panel(image, *both, words, tracker_bgr(index), len(boxes_xyxy)))
        here = round(places[frame])
        curves = strip.copy()
        curves[:, here + 1 :] = pale[:, here + 1 :]
        cv2.line(curves, (here, 24), (here, CURVES_PX - 40), (60, 60, 60), 1)
        yield np.concatenate([_grid(panels), curves])


def overlaps_of(sequence: AnnotatedSequence, boxes_xyxy: np.ndarray) -> np.ndarray:
    """Overlap of every frame, ``(T,)``: nan without an annotation, 0 without a prediction.

    Raises:
        ValueError: Not one box a frame.
    """
    if boxes_xyxy.shape != sequence.boxes_xyxy.shape:
        raise ValueError(
            f'{sequence.name}: {len(boxes_xyxy)} boxes for {len(sequence.boxes_xyxy)} frames'
        )
    overlaps = np.nan_to_num(iou(boxes_xyxy, sequence.boxes_xyxy))
    overlaps[~sequence.present] = np.nan
    return overlaps


def _overlap_text(overlap: float) -> str:
    return 'target not in sight' if np.isnan(overlap) else f'overlap {overlap:.2f}'


def _panel(
    image: np.ndarray,
    box_xyxy: np.ndarray,
    annotated_xyxy: np.ndarray,
    words: str,
    color: tuple[int, int, int],
    count: int,
) -> np.ndarray:
    """One tracker's picture, as wide as there is room for."""
    width = WIDTH_PX // min(count, COLUMNS)
    scale = width / image.shape[1]
    height = max(1, round(scale * image.shape[0]))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = cv2.resize(image, (width, height), interpolation=way)
    draw_box(canvas, np.asarray(annotated_xyxy, np.float64) * scale, ANNOTATION_BGR, thickest=1)
    draw_box(canvas, np.asarray(box_xyxy, np.float64) * scale, color)
    write_plate(canvas, words, (0, 0), color)
    return canvas


def _grid(panels: list[np.ndarray]) -> np.ndarray:
    """Panels in rows of equal length; the last row is filled with grey."""
    columns = min(len(panels), COLUMNS)
    rows = []
    for begin in range(0, len(panels), columns):
        row = panels[begin : begin + columns]
        row += [np.full_like(panels[0], 128)] * (columns - len(row))
        rows.append(np.concatenate(row, axis=1))
    grid = np.concatenate(rows)
    missing = WIDTH_PX - grid.shape[1]
    return cv2.copyMakeBorder(grid, 0, 0, 0, missing, cv2.BORDER_CONSTANT, value=(128, 128, 128))


def _curves(
    overlaps: Mapping[str, np.ndarray], title: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture of all curves, BGR, the same with pale curves, and the horizontal place of each
    frame in them."""
    figure, axes = new_figure((WIDTH_PX / DPI, CURVES_PX / DPI), DPI)
    count = len(next(iter(overlaps.values())))
    for index, (name, values) in enumerate(overlaps.items()):
        known = values[~np.isnan(values)]
        label = f'{name} [{known.mean():.2f}]' if len(known) else name
        axes.plot(np.arange(count), values, color=tracker_color(index), linewidth=1.5, label=label)
    axes.set(xlim=(0, max(count - 1, 1)), ylim=(0, 1.02), ylabel='overlap', xlabel='frame')
    axes.set_title(f'{title}; in brackets the mean overlap', fontsize=10)
    axes.grid(alpha=0.3)
    figure.legend(loc='outside right upper', fontsize=9)
    figure.canvas.draw()
    rgba = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    points = np.stack([np.arange(count), np.zeros(count)], axis=1)
    places = axes.transData.transform(points)[:, 0]
    picture = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR)
    pale = picture.copy()
    inside = axes.get_window_extent()
    # Matplotlib counts rows from below. Labels and legend stay as they are.
    rows = slice(CURVES_PX - int(inside.y1), CURVES_PX - int(inside.y0))
    part = pale[rows, : int(inside.x1)]
    part[:] = cv2.addWeighted(part, 1 - VEIL, np.full_like(part, 255), VEIL, 0)
    return picture, pale, np.clip(places, 0, WIDTH_PX - 1)
