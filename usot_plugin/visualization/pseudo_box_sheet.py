"""One picture that shows why a clip got its pseudo boxes: frames, flow, distance maps, candidates,
path and quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..discovery.config import DiscoveryConfig, QualityConfig
from ..discovery.discover import FrameEvidence, evaluated_frames, watch, window_spans
from ..discovery.flow import FlowEstimator, build_flow
from ..discovery.motion_map import MapGeometry, map_geometry
from ..discovery.table.reading import PseudoBoxRow
from ..structures import Clip, PseudoTrack
from ..utils.progress import counted
from .flow_color import color_wheel, flow_to_color

PICKED, FILLED, CANDIDATE, INK, FAINT = '#17b169', '#ff8c1a', '#9aa4b2', '#1f2733', '#d7dce3'
STATUS_COLORS = {'kept': '#178a50', 'dropped': '#c26a00', 'skipped': '#6b7280'}
#: Frames are shrunk to this before they are put on the sheet.
THUMBNAIL_PX = 420
COLUMN_IN = 2.9
MARGIN_IN = 0.35
CURVES_IN = 2.6
HEADER_IN = 0.95
DPI = 100


def legend_entries(config: QualityConfig) -> list[tuple[str, str]]:
    """Words of sheets and gallery, and what they mean, with the numbers of a table's config."""
    return [
        (
            'kept, dropped, skipped',
            'Kept: the table has boxes of a moving object. Dropped: something was found, but it '
            'is not '
            'trusted. Skipped: nothing moved, or the clip could not be read.',
        ),
        (
            'picked, interpolated',
            'Flow is looked at on some frames only. Green box: discovery saw a moving region '
            'there and '
            'picked it. Orange, dashed: no fitting region, the box lies between its neighbours.',
        ),
        (
            'flow, peak x mean',
            'Second row: flow, the colour is the direction. Third row: how differently each '
            'place moves '
            'from the rest; the peak says how clearly one region stands out. White: its '
            'candidates.',
        ),
        (
            'sequence quality Q_v',
            'Share of the looked-at frames of the whole clip with a picked box, from 0 to 1. '
            f'Kept from {config.min_sequence_quality:g}.',
        ),
        (
            'frame quality Q_f',
            'The same share near one frame. Training draws frames between which it stays high.',
        ),
        (
            'corner share',
            'How often the box sits in a corner of the picture (counted in full) or at one border '
            f'(counted {config.edge_weight:g}). High values are mostly motion of the camera. '
            f'Kept up to {config.max_corner_share:g}.',
        ),
        (
            'sequence quality less corner share',
            f'Q_v minus {config.corner_discount:.2g} times the corner share. It ranks the '
            'objects. Kept '
            f'from {config.min_value:g}, good enough for training from '
            f'{config.sample_min_value:g} with '
            f'a corner share below {config.sample_max_corner_share:g}.',
        ),
        (
            'What quality does not say',
            'Quality says how steadily something moved, not what it was: no picture is compared '
            'with '
            'another. The box may wander from the face of an animal to its belly, or hold a '
            'shadow or '
            'two people, and the clip is kept with a Q_v of 0.98. Only a look at the boxes shows '
            'that.',
        ),
    ]


@dataclass(frozen=True)
class ClipEvidence:
    """What discovery saw in a clip; only the frames that are shown keep their maps.

    Attributes:
        shown: Evidence by frame of the clip.
        frames: ``(N,)`` frames of all candidates.
        boxes_xyxy: ``(N, 4)`` all candidates.
    """

    shown: dict[int, FrameEvidence]
    frames: np.ndarray
    boxes_xyxy: np.ndarray


def frames_to_show(clip: Clip, config: DiscoveryConfig, count: int) -> list[int]:
    """Evaluated frames, evenly spread over what discovery looks at; any frames where the clip is
    too short to have some."""
    windows = window_spans(clip.frame_count, config.frames)
    frames = np.unique(
        np.concatenate(
            [
                start + evaluated_frames(stop - start, config.frames.eval_gap)
                for start, stop in windows
            ]
        )
    )
    if not len(frames):
        frames = np.arange(windows[-1][1])
    return np.unique(
        frames[np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)]
    ).tolist()


def gather_evidence(
    clip: Clip,
    config: DiscoveryConfig,
    shown: Sequence[int],
    estimator: FlowEstimator | None = None,
) -> ClipEvidence:
    """Run the first half of discovery again, exactly as it was run.

    Args:
        clip: The clip.
        config: The config of the table.
        shown: Frames whose maps are wanted, of :func:`frames_to_show`.
        estimator: Flow that is already built.

    Raises:
        ClipError: A frame cannot be decoded.
    """
    estimator = estimator or build_flow(config.flow)
    geometry = map_geometry(clip.size_wh, config.map)
    kept: dict[int, FrameEvidence] = {}
    frames: list[int] = []
    boxes = [np.empty((0, 4))]
    if min(geometry.map_wh) >= estimator.min_side_px:
        for start, stop in window_spans(clip.frame_count, config.frames):
            for evidence in watch(clip, start, stop, config, estimator, geometry):
                index = start + evidence.frame
                frames += [index] * len(evidence.boxes_xyxy)
                boxes.append(evidence.boxes_xyxy)
                if index in shown:
                    kept[index] = evidence
    return ClipEvidence(kept, np.asarray(frames, int), np.concatenate(boxes))


def draw_sheet(
    clip: Clip,
    rows: Sequence[PseudoBoxRow],
    config: DiscoveryConfig,
    columns: int = 6,
    maps: bool = True,
) -> Figure:
    """The sheet of one clip.

    Args:
        clip: Its frames.
        rows: All its rows in the table, in the table's order.
        config: The config of the table.
        columns: Frames to show.
        maps: Compute flow again and show flow, distance map and candidates, which takes as long as
            discovery itself.

    Raises:
        ClipError: A frame cannot be decoded.
        ValueError: The flow of the config cannot be built.
    """
    tracks = [row.track for row in rows if row.track is not None]
    frames = frames_to_show(clip, config, columns)
    evidence = (
        gather_evidence(clip, config, frames)
        if maps
        else ClipEvidence({}, np.empty(0, int), np.empty((0, 4)))
    )
    return _Sheet(clip, rows, tracks, config, evidence, frames).draw()


class _Sheet:
    """Lays the panels out; every method draws one of them."""

    def __init__(
        self,
        clip: Clip,
        rows: Sequence[PseudoBoxRow],
        tracks: list[PseudoTrack],
        config: DiscoveryConfig,
        evidence: ClipEvidence,
        frames: list[int],
    ) -> None:
        self.clip = clip
        self.rows = rows
        self.tracks = tracks
        self.config = config
        self.evidence = evidence
        self.frames = frames
        self.geometry: MapGeometry = map_geometry(clip.size_wh, config.map)

    def draw(self) -> Figure:
        """Header, frames, flow, distance maps, curves."""
        columns = len(self.frames)
        map_rows = 2 if self.evidence.shown else 0
        tile_in = COLUMN_IN * self.clip.size_wh[1] / self.clip.size_wh[0]
        width = max(COLUMN_IN * columns, 11.0) + 2 * MARGIN_IN
        heights = [HEADER_IN] + [tile_in + 0.36] * (1 + map_rows) + [CURVES_IN + 0.85]
        figure = Figure(figsize=(width, sum(heights)), dpi=DPI, facecolor='white')
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(
            len(heights),
            1,
            height_ratios=heights,
            left=MARGIN_IN / width,
            right=1 - MARGIN_IN / width,
            top=1,
            bottom=0.45 / sum(heights),
        )
        self._header(figure.add_subplot(grid[0]))
        for row in range(1 + map_rows):
            tiles = grid[1 + row].subgridspec(1, columns, wspace=0.03)
            for column, frame in enumerate(self.frames):
                axes = figure.add_subplot(tiles[column])
                (self._frame, self._flow, self._distance)[row](axes, frame)
        curves = grid[len(heights) - 1].subgridspec(
            1, 3, width_ratios=[1.15, 1.5, 1.5], wspace=0.16
        )
        self._path(figure.add_subplot(curves[0]))
        self._positions(figure.add_subplot(curves[1]))
        self._quality(figure.add_subplot(curves[2]))
        return figure

    def _header(self, axes: Axes) -> None:
        axes.axis('off')
        head = self.rows[0]
        words = head.status.upper() + (f'  ({head.reason})' if head.reason else '')
        axes.text(
            0,
            0.62,
            self.clip_title(),
            fontsize=17,
            weight='bold',
            color=INK,
            va='center',
            transform=axes.transAxes,
        )
        status = axes.text(
            0,
            0.1,
            words,
            fontsize=13,
            weight='bold',
            color=STATUS_COLORS[head.status],
            va='baseline',
            transform=axes.transAxes,
        )
        axes.annotate(
            self._numbers(),
            (1, 0),
            (18, 2.5),
            xycoords=status,
            textcoords='offset points',
            fontsize=12,
            color=INK,
        )
        handles = [
            Line2D([], [], color=PICKED, lw=2.5, label='picked'),
            Line2D([], [], color=FILLED, lw=2.5, ls='--', label='interpolated'),
            Line2D([], [], color=CANDIDATE, lw=1.5, label='candidate (white on maps)'),
        ]
        axes.legend(
            handles=handles, loc='upper right', ncols=3, frameon=False, fontsize=12, borderaxespad=0
        )

    def clip_title(self) -> str:
        """Name of the clip, its end where it is long."""
        name = self.rows[0].clip
        return name if len(name) <= 90 else '…' + name[-89:]

    def _numbers(self) -> str:
        width, height = self.clip.size_wh
        parts = [
            f'{width} x {height}',
            f'{self.clip.frame_count} frames'
            + (f' at {self.clip.fps:.3g} fps' if self.clip.fps else ''),
        ]
        if self.tracks:
            best = self.tracks[0]
            parts += [
                f'sequence quality Q_v {best.sequence_quality:.2f}',
                f'corner share {best.corner_share:.2f}',
            ]
            usable = any(row.samplable for row in self.rows)
            parts.append('good enough for training' if usable else 'not used for training')
        if len(self.tracks) > 1:
            parts.append(f'{len(self.tracks)} objects')
        if not self.tracks:
            parts.append(self.rows[0].detail.removeprefix(f'{self.rows[0].path}: '))
        return '   |   '.join(parts)

    def _tile(self, axes: Axes, title: str = '') -> None:
        axes.set_xlim(0, self.clip.size_wh[0])
        axes.set_ylim(self.clip.size_wh[1], 0)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(FAINT)
        axes.set_title(title, fontsize=12, color=INK, pad=4)

    def _image(
        self,
        axes: Axes,
        image: np.ndarray,
        box: tuple[float, float, float, float] | None = None,
        **options,
    ) -> None:
        """An image that covers ``box`` (the whole frame by default) of the frame's pixels."""
        x1, y1, x2, y2 = box or (0, 0, *self.clip.size_wh)
        axes.imshow(
            image, extent=(x1, x2, y2, y1), interpolation='bilinear', aspect='auto', **options
        )

    def _thumbnail(self, frame: int) -> np.ndarray:
        image = self.clip.read(frame)
        scale = min(1.0, THUMBNAIL_PX / image.shape[1])
        return cv2.cvtColor(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
            cv2.COLOR_BGR2RGB,
        )

    def _boxes(self, axes: Axes, frame: int) -> None:
        for track in self.tracks:
            at = frame - track.first_frame
            if 0 <= at < len(track):
                picked = bool(track.picked[at])
                _rectangle(
                    axes,
                    track.boxes_xyxy[at],
                    PICKED if picked else FILLED,
                    2.2,
                    '-' if picked else (0, (4, 2)),
                )
                if len(self.tracks) > 1:
                    x1, y1 = track.boxes_xyxy[at][:2]
                    plate = {
                        'facecolor': PICKED if picked else FILLED,
                        'edgecolor': 'none',
                        'pad': 1,
                    }
                    axes.text(
                        x1,
                        y1,
                        f'#{track.object_id}',
                        fontsize=10,
                        color='white',
                        va='bottom',
                        bbox=plate,
                    )

    def _frame(self, axes: Axes, frame: int) -> None:
        self._image(axes, self._thumbnail(frame))
        self._boxes(axes, frame)
        covering = [t for t in self.tracks if 0 <= frame - t.first_frame < len(t)]
        quality = (
            f'   Q_f {covering[0].frame_quality[frame - covering[0].first_frame]:.2f}'
            if covering
            else ''
        )
        self._tile(axes, f'frame {frame}{quality}')

    def _flow(self, axes: Axes, frame: int) -> None:
        evidence = self.evidence.shown[frame]
        speed = float(
            np.percentile(np.hypot(evidence.flow_uv[..., 0], evidence.flow_uv[..., 1]), 99)
        )
        self._image(axes, flow_to_color(evidence.flow_uv, speed))
        if frame == self.frames[0]:
            wheel = axes.inset_axes(
                (0.01, 0.02, 0.2 * self.clip.size_wh[1] / self.clip.size_wh[0], 0.2)
            )
            wheel.imshow(color_wheel(64))
            wheel.axis('off')
        gap = f'{evidence.interval} frame{"s" if evidence.interval > 1 else ""}'
        self._tile(axes, f'flow over {gap}, up to {speed:.1f} px')

    def _distance(self, axes: Axes, frame: int) -> None:
        evidence = self.evidence.shown[frame]
        scale_x, scale_y = self.geometry.frame_per_map_xy
        cut_x, cut_y = self.geometry.inner_xyxy[:2]
        height, width = evidence.distance.shape
        inner = (
            cut_x * scale_x,
            cut_y * scale_y,
            (cut_x + width) * scale_x,
            (cut_y + height) * scale_y,
        )
        axes.set_facecolor('black')
        self._image(axes, evidence.distance, inner, cmap='magma')
        for box in evidence.boxes_xyxy:
            _rectangle(axes, box, 'white', 1.0)
        for track in self.tracks:
            at = frame - track.first_frame
            if 0 <= at < len(track) and track.picked[at]:
                _rectangle(axes, track.boxes_xyxy[at], PICKED, 2.2)
        mean = float(evidence.distance.mean())
        peak = float(evidence.distance.max())
        count = len(evidence.boxes_xyxy)
        candidates = counted(count, 'candidate') if count else 'no candidates'
        self._tile(axes, f'peak {peak / max(mean, 1e-9):.1f} x mean, {candidates}')

    def _path(self, axes: Axes) -> None:
        middle = self.frames[len(self.frames) // 2]
        gray = self._thumbnail(middle).mean(2)
        self._image(axes, 0.55 * gray + 110, cmap='gray', vmin=0, vmax=255)
        for track in self.tracks:
            centres = (track.boxes_xyxy[:, :2] + track.boxes_xyxy[:, 2:]) / 2
            index = np.arange(len(track)) + track.first_frame
            axes.plot(*centres.T, color=INK, lw=0.8, alpha=0.5)
            x, y = centres[track.picked].T
            axes.scatter(
                x,
                y,
                c=index[track.picked],
                cmap='viridis',
                s=16,
                lw=0,
                vmin=0,
                vmax=self.clip.frame_count,
            )
        axes.set_aspect('equal')
        self._tile(axes, 'box centres, dark: early, bright: late')

    def _positions(self, axes: Axes) -> None:
        """Horizontal centre of candidates and chosen boxes over time, vertical below it."""
        width, height = self.clip.size_wh
        centres = (self.evidence.boxes_xyxy[:, :2] + self.evidence.boxes_xyxy[:, 2:]) / 2
        # The vertical half is drawn downwards like the picture.
        for axis, (scale, offset) in enumerate(((1 / width, 1.08), (-1 / height, 1.0))):
            axes.scatter(
                self.evidence.frames, centres[:, axis] * scale + offset, s=7, color=CANDIDATE, lw=0
            )
            for track in self.tracks:
                middle = (
                    track.boxes_xyxy[:, axis] + track.boxes_xyxy[:, axis + 2]
                ) / 2 * scale + offset
                index = np.arange(len(track)) + track.first_frame
                axes.plot(index, middle, color=FILLED, lw=1.2)
                axes.scatter(
                    index[track.picked], middle[track.picked], s=13, color=PICKED, lw=0, zorder=3
                )
        axes.axhline(1.04, color=INK, lw=0.6)
        axes.set_ylim(0, 2.08)
        axes.set_yticks(
            [0.5, 1.58], ['bottom - top', 'left - right'], fontsize=11, rotation=90, va='center'
        )
        self._curve(axes, 'candidates and chosen path')

    def _quality(self, axes: Axes) -> None:
        for track in self.tracks:
            index = np.arange(len(track)) + track.first_frame
            axes.plot(
                index,
                track.frame_quality,
                color=INK,
                lw=1.4,
                alpha=1 if track is self.tracks[0] else 0.4,
            )
        if self.tracks:
            best = self.tracks[0]
            index = np.arange(len(best)) + best.first_frame
            missed = best.evaluated & ~best.picked
            bad = best.frame_quality <= self.config.fragments.min_quality
            axes.fill_between(
                index, 0, 1, where=bad.tolist(), color='#e5484d', alpha=0.10, lw=0, step='mid'
            )
            axes.scatter(
                index[best.picked],
                np.full(best.picked.sum(), -0.06),
                marker='|',
                s=40,
                color=PICKED,
            )
            axes.scatter(
                index[missed], np.full(missed.sum(), -0.06), marker='|', s=40, color=FILLED
            )
            axes.axhline(
                best.sequence_quality,
                color='#3e63dd',
                lw=1,
                ls='-',
                label=f'Q_v {best.sequence_quality:.2f}',
            )
        axes.axhline(
            self.config.fragments.min_quality,
            color='#e5484d',
            lw=1,
            ls='--',
            label='fragments end below',
        )
        axes.set_ylim(-0.12, 1.05)
        axes.legend(
            loc='lower right',
            bbox_to_anchor=(1, 0.09),
            fontsize=11,
            frameon=True,
            framealpha=0.85,
            edgecolor='none',
            ncols=2,
        )
        self._curve(axes, 'frame quality Q_f; ticks: picked or not')

    def _curve(self, axes: Axes, title: str) -> None:
        axes.set_xlim(0, max(self.clip.frame_count - 1, 1))
        axes.set_title(title, fontsize=12, color=INK, pad=4)
        axes.set_xlabel('frame', fontsize=11, labelpad=1)
        axes.tick_params(labelsize=10, length=2)
        for frame in self.frames:
            axes.axvline(frame, color=FAINT, lw=0.8, zorder=0)
        for side in ('top', 'right'):
            axes.spines[side].set_visible(False)


def _rectangle(
    axes: Axes, box_xyxy: np.ndarray, color: str, width: float, style: str | tuple = '-'
) -> None:
    x1, y1, x2, y2 = box_xyxy
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=color, lw=width, ls=style))
