"""Training groups rendered when they are asked for: a data set without end out of a few minutes of
video, with exact boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from ...registry import DATASETS, FUNCTIONS
from ...structures.crops import context_side
from ...structures.sot_sample import SOTSample, StackedSamples
from ..frames.clip_bank import LONGER_PX, MAX_FRAMES, ClipBank
from ..transforms.formatting import image_to_tensor
from .canvas import Canvas, box_to_crop, moved_extent, random_outline, turned_scale, warp
from .photometry import change_light
from .region_tracks import RegionTrack, random_region, read_tracks

#: A target is absent where less than this share of it is visible.
LEAST_VISIBLE = 0.3


@dataclass(frozen=True)
class Recipe:
    """How groups are drawn; every number is a probability or a pair ``(least, greatest)`` unless it
    says otherwise.

    Attributes:
        kinds: Weights of the three kinds: a piece of one clip pasted into another (``composite``),
            one frame twice under a known motion (``affine``), and two frames of a followed region
            (``track``).
        search_scale: Greatest log factor on the size of the target in the search area.
        search_aspect: Greatest log factor on its aspect ratio.
        search_shift_px: Greatest shift of the target from the middle of the search area, on each
            axis.
        turn: Standard deviation of its turn, radians.
        part: A pasted target is part of a larger piece.
        distractors: Probabilities of 0, 1, 2 ... further pieces.
        twin: One of them looks like the target: cut from the same clip.
        occluder: Something covers part of the target.
        absent: The target is not in the search area.
        low_resolution: Both crops are seen through fewer pixels, as those of a small target are.
        gray: Both crops are gray.
        frame_gap: Greatest distance in frames between template and search of a followed region or
            of a background.
    """

    kinds: tuple[float, float, float] = (0.4, 0.25, 0.35)
    search_scale: float = 0.35
    search_aspect: float = 0.18
    search_shift_px: float = 68.0
    turn: float = 0.12
    part: float = 0.35
    distractors: tuple[float, ...] = (0.25, 0.3, 0.25, 0.2)
    twin: float = 0.55
    occluder: float = 0.25
    absent: float = 0.05
    low_resolution: float = 0.35
    gray: float = 0.12
    frame_gap: int = 30


@dataclass
class _Look:
    """A region of a frame in two states, and its size relative to the crop in each.

    ``boxes`` are those of template and search in frame pixels; ``frames`` the frames they lie in.
    """

    frames: tuple[np.ndarray, np.ndarray]
    boxes: tuple[np.ndarray, np.ndarray]
    fills: tuple[tuple, tuple]


@DATASETS.register_module()
class CompositeDataset(Dataset):
    """Template and search area, rendered directly at crop size from frames in memory.

    A group is a pure function of (seed, epoch, index): it does not depend on the number of workers,
    and a resumed run that sets the epoch goes on as if it had never stopped. Three kinds of groups
    are mixed, see :class:`Recipe`: pasted pieces with look-alikes, occluders and parts as targets;
    one frame under a known motion; and two frames of a region that was followed there and back
    (:mod:`usot_plugin.datasets.synthetic.region_tracks`).

    Args:
        clips: Video files, folders of frames, or folders of those.
        tracks: File of :mod:`usot_plugin.datasets.synthetic.region_tracks`; without it no group is
            of the kind ``track``.
        samples_per_epoch: Groups of an epoch.
        seed: Of all random numbers.
        recipe: Overrides of :class:`Recipe`.
        template_px: Side of the template crop.
        search_px: Side of the search crop.
        longer_px: Frames are kept with this longer side.
        max_frames: Frames kept of each clip.
        clip_weights: Weight of the clips whose name begins so (1 for the others): to draw less of
            what is over-represented.

    Raises:
        ClipError, VideoSourceError: A clip cannot be read, or there is none.
        ValueError: A key of the recipe is unknown, or the tracks are of other clips.
    """

    def __init__(
        self,
        clips: str | Path | Sequence[str],
        tracks: str | Path | None = None,
        samples_per_epoch: int = 6400,
        seed: int = 0,
        recipe: dict[str, Any] | None = None,
        template_px: int = 127,
        search_px: int = 255,
        longer_px: int = LONGER_PX,
        max_frames: int = MAX_FRAMES,
        clip_weights: dict[str, float] | None = None,
    ) -> None:
        unknown = set(recipe or {}) - set(Recipe.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f'CompositeDataset: unknown keys in recipe: {sorted(unknown)}; known are '
                f'{sorted(Recipe.__dataclass_fields__)}'
            )
        if samples_per_epoch < 1:
            raise ValueError(f'samples_per_epoch must be positive, got {samples_per_epoch}')
        self.recipe = Recipe(**(recipe or {}))
        self.bank = ClipBank(clips, longer_px, max_frames)
        self.samples_per_epoch, self.seed = samples_per_epoch, seed
        self.template_px, self.search_px = template_px, search_px
        self.tracks = self._usable_tracks(tracks)
        weights = np.array([self._weight(name, clip_weights or {}) for name in self.bank.names])
        self._share = weights / weights.sum()
        self._tracked = np.array([len(found) > 0 for found in self.tracks])
        kinds = np.array(self.recipe.kinds, float)
        if not self._tracked.any():
            kinds[2] = 0
        self._kinds = kinds / kinds.sum()
        self._shared = torch.zeros(1, dtype=torch.int64).share_memory_()

    @staticmethod
    def _weight(name: str, weights: dict[str, float]) -> float:
        return next((weight for start, weight in weights.items() if name.startswith(start)), 1.0)

    def _usable_tracks(self, path: str | Path | None) -> list[list[RegionTrack]]:
        if path is None:
            return [[] for _ in self.bank.names]
        found = read_tracks(path)
        if not set(found) & set(self.bank.names):
            raise ValueError(
                f'{path}: its tracks are of other clips, e.g. {next(iter(found), "none")!r}, not '
                f'{self.bank.names[0]!r}'
            )
        return [
            [
                track
                for track in found.get(name, ())
                if track.first_frame + len(track.boxes_xyxy) <= len(frames)
            ]
            for name, frames in zip(self.bank.names, self.bank.frames, strict=True)
        ]

    def __len__(self) -> int:
        """Groups of one epoch."""
        return self.samples_per_epoch

    @property
    def epoch(self) -> int:
        """Epoch, 0-based, that groups are drawn for."""
        return int(self._shared[0])

    def set_epoch(self, epoch: int) -> None:
        """Draw the groups of this epoch from now on, in running workers too."""
        self._shared[0] = epoch

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """``{'inputs': {'template': (3, S, S), 'search': (3, S, S)} uint8 BGR, 'data_samples':
        SOTSample}``."""
        if not 0 <= idx < len(self):
            raise IndexError(f'group {idx} is outside 0..{len(self) - 1}')
        rng = np.random.default_rng([self.seed, self.epoch, idx])
        template, search, boxes, clip = self.render(rng)
        sample = SOTSample(metainfo={'clip': clip, 'object_id': 0, 'frame_index': 0})
        sample.set_boxes('template_box_xyxy', boxes[0])
        sample.set_boxes('search_box_xyxy', boxes[1])
        return {
            'inputs': {'template': image_to_tensor(template), 'search': image_to_tensor(search)},
            'data_samples': sample,
        }

    # --- drawing ----------------------------------------------------------------------------------

    def render(
        self, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], str]:
        """Template and search crop, their boxes (nan for an absent target), and the clip of the
        target."""
        kind = int(rng.choice(3, p=self._kinds))
        clip = self._clip(rng, tracked=kind == 2)
        look = self._look(rng, clip, kind)
        canvases, boxes = (
            self._composite(rng, look, clip) if kind == 0 else self._real(rng, look, clip)
        )
        if canvases[1].visible < LEAST_VISIBLE:
            boxes[1] = np.full(4, np.nan)
        images = change_light(
            rng, self.recipe.low_resolution, self.recipe.gray, canvases[0].image, canvases[1].image
        )
        if rng.random() < 0.5:
            images = [np.ascontiguousarray(image[:, ::-1]) for image in images]
            for image, box in zip(images, boxes, strict=True):
                box[[0, 2]] = image.shape[1] - box[[2, 0]]
        return images[0], images[1], boxes, self.bank.names[clip]

    def _clip(self, rng: np.random.Generator, tracked: bool = False) -> int:
        share = self._share * self._tracked if tracked else self._share
        return int(
            np.searchsorted(np.cumsum(share), rng.random() * share.sum(), side='right').clip(
                0, len(share) - 1
            )
        )

    def _look(self, rng: np.random.Generator, clip: int, kind: int) -> _Look:
        frames, fill = self.bank.frames[clip], self.bank.fills[clip]
        if kind == 2 or (kind == 0 and self._tracked[clip] and rng.random() < 0.6):
            track = self.tracks[clip][int(rng.integers(len(self.tracks[clip])))]
            i = int(rng.integers(len(track.boxes_xyxy)))
            gap = self.recipe.frame_gap
            j = int(rng.integers(max(0, i - gap), min(len(track.boxes_xyxy), i + gap + 1)))
            pair = (frames[track.first_frame + i], frames[track.first_frame + j])
            boxes = (track.boxes_xyxy[i], track.boxes_xyxy[j])
            # Another region that moves along: a part, or the region with what is around it.
            if rng.random() < 0.3:
                boxes = _neighbour(rng, boxes)
            return _Look(pair, boxes, (fill, fill))
        frame = frames[int(rng.integers(len(frames)))]
        box = random_region(rng, frame)
        return _Look((frame, frame), (box, box), (fill, fill))

    def _halves(self, box: np.ndarray) -> np.ndarray:
        """Half sides of a box in a crop that shows it at the tracker's scale."""
        width, height = box[2:] - box[:2]
        return np.array([width, height]) / 2 * self.template_px / context_side(width, height)

    def _poses(self, rng: np.random.Generator, look: _Look) -> list[tuple[np.ndarray, np.ndarray]]:
        """Linear part and centre of the target in both crops."""
        recipe = self.recipe
        small = np.exp(rng.uniform(-0.05, 0.05, 2))
        first = (
            turned_scale(self._halves(look.boxes[0]) * small, 0.0),
            self.template_px / 2 + rng.uniform(-4, 4, 2),
        )
        aspect = rng.uniform(-recipe.search_aspect, recipe.search_aspect)
        scale = np.exp(
            rng.uniform(-recipe.search_scale, recipe.search_scale) + np.array([aspect, -aspect]) / 2
        )
        angle = float(np.clip(rng.normal(0, recipe.turn), -0.35, 0.35))
        reach = recipe.search_shift_px
        # Most targets are near the middle, as in tracking, and all of the reach is seen.
        shift = (
            rng.uniform(-reach, reach, 2)
            if rng.random() < 0.6
            else np.clip(rng.normal(0, reach / 3, 2), -reach, reach)
        )
        return [
            first,
            (turned_scale(self._halves(look.boxes[1]) * scale, angle), self.search_px / 2 + shift),
        ]

    def _real(
        self, rng: np.random.Generator, look: _Look, clip: int
    ) -> tuple[list[Canvas], list[np.ndarray]]:
        """Both crops show the frames themselves."""
        poses = self._poses(rng, look)
        canvases, boxes = [], []
        for view, size in enumerate((self.template_px, self.search_px)):
            linear, centre = poses[view]
            matrix = box_to_crop(look.boxes[view], linear, centre)
            canvas = Canvas(
                warp(look.frames[view], matrix, size, size, cv2.BORDER_CONSTANT, look.fills[view])
            )
            box = moved_extent(linear, centre, None)
            canvas.mark_box(box)
            canvases.append(canvas)
            boxes.append(box)
        if rng.random() < self.recipe.absent:
            canvases[1] = self._background(rng, self.search_px, self._clip(rng))[0]
        elif rng.random() < 0.4:
            self._distractors(rng, canvases[1], look, clip, poses[1], in_front=False)
        if canvases[1].target is not None and rng.random() < self.recipe.occluder * 0.8:
            self._occlude(rng, canvases[1], poses[1])
        return canvases, boxes

    def _composite(
        self, rng: np.random.Generator, look: _Look, clip: int
    ) -> tuple[list[Canvas], list[np.ndarray]]:
        """The target is a piece pasted over other clips."""
        recipe, poses = self.recipe, self._poses(rng, look)
        behind = self._clip(rng)
        template, window = self._background(rng, self.template_px, behind)
        search, _ = self._background(
            rng, self.search_px, behind if rng.random() < 0.7 else self._clip(rng), window
        )
        outline = random_outline(rng)
        whole = np.array([-1.0, -1, 1, 1])
        if rng.random() < recipe.part:  # the target is a part of the piece that is drawn
            share = rng.uniform(0.35, 0.8, 2)
            middle = rng.uniform(-1, 1, 2) * (1 - share)
            whole = np.concatenate([(-1 - middle) / share, (1 - middle) / share])
        drawn_outline = (outline + 1) / 2 * (whole[2:] - whole[:2]) + whole[:2]
        is_part = whole[0] < -1 or whole[2] > 1
        soft = rng.uniform(0, 1.2)
        gain = np.exp(rng.normal(0, 0.12, 3))
        wobble = (
            1
            + rng.normal(0, 0.05, (1, 2))
            * np.sin(np.linspace(0, 2 * np.pi, len(outline)) * 2 + rng.uniform(0, 6.3))[:, None]
        )
        boxes = []
        for view, canvas in enumerate((template, search)):
            shape = drawn_outline if view == 0 or is_part else drawn_outline * wobble
            linear, centre = poses[view]
            box = moved_extent(linear, centre, None if is_part else shape)
            boxes.append(box)
            if view == 1 and rng.random() < recipe.absent:
                self._distractors(rng, canvas, look, clip, poses[1], in_front=False)
                continue
            if view == 1:
                self._distractors(rng, canvas, look, clip, poses[1], in_front=False)
            drawn = canvas.paste(
                look.frames[view], look.boxes[view], linear, centre, shape, soft, gain
            )
            if is_part:
                canvas.mark_box(box)
            else:
                canvas.mark_target(drawn)
            if view == 1 and rng.random() < recipe.occluder:
                self._occlude(rng, canvas, poses[1])
        return [template, search], boxes

    def _background(
        self,
        rng: np.random.Generator,
        size: int,
        clip: int,
        near: tuple[int, np.ndarray, float] | None = None,
    ) -> tuple[Canvas, tuple[int, np.ndarray, float]]:
        """A crop of a clip, and (frame, centre, crop pixels per pixel) of it; ``near`` asks for
        about the same place and time."""
        frames = self.bank.frames[clip]
        height, width = frames.shape[1:3]
        if near is None:
            index = int(rng.integers(len(frames)))
            zoom = size / (min(height, width) * rng.uniform(0.25, 0.9))
            centre = rng.uniform(0.15, 0.85, 2) * (width, height)
        else:
            gap = self.recipe.frame_gap
            index = int(np.clip(near[0] + rng.integers(-gap, gap + 1), 0, len(frames) - 1))
            zoom = near[2] * np.exp(rng.uniform(-0.2, 0.2))
            centre = near[1] + rng.normal(0, 20, 2)
        matrix = np.array(
            [[zoom, 0, size / 2 - zoom * centre[0]], [0, zoom, size / 2 - zoom * centre[1]]]
        )
        border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REFLECT_101
        return Canvas(warp(frames[index], matrix, size, size, border, self.bank.fills[clip])), (
            index,
            centre,
            zoom,
        )

    def _distractors(
        self,
        rng: np.random.Generator,
        canvas: Canvas,
        look: _Look,
        clip: int,
        pose: tuple[np.ndarray, np.ndarray],
        in_front: bool,
    ) -> None:
        """Further pieces around the target, some of which look like it."""
        linear, centre = pose
        own = np.sqrt((linear**2).sum(1))
        for _ in range(int(rng.choice(len(self.recipe.distractors), p=self.recipe.distractors))):
            if rng.random() < self.recipe.twin:
                frames = self.bank.frames[clip]
                frame = frames[int(rng.integers(len(frames)))]
                box = look.boxes[1].copy()
                if rng.random() < 0.5:  # beside the target in its own clip
                    box += np.tile(
                        rng.choice([-1, 1], 2) * rng.uniform(0.4, 1.0, 2) * (box[2:] - box[:2]), 2
                    )
                size = own * np.exp(rng.uniform(-0.3, 0.3))
                gain = np.exp(rng.normal(0, 0.35, 3))
            else:
                frames = self.bank.frames[self._clip(rng)]
                frame = frames[int(rng.integers(len(frames)))]
                box = random_region(rng, frame)
                size = self._halves(box) * np.exp(rng.uniform(-0.7, 0.5))
                gain = np.ones(3)
            angle = rng.uniform(0, 2 * np.pi)
            reach = (own + size) * rng.uniform(0.75, 2.2)
            at = centre + reach * (np.cos(angle), np.sin(angle))
            mirrored = size * (rng.choice([-1, 1]), 1)
            drawn = canvas.paste(
                frame,
                box,
                turned_scale(mirrored, rng.normal(0, 0.3)),
                at,
                random_outline(rng),
                rng.uniform(0, 1.2),
                gain,
            )
            canvas.cover(drawn)

    def _occlude(
        self, rng: np.random.Generator, canvas: Canvas, target: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Something in front of a part of the target."""
        linear, centre = target
        own = np.sqrt((linear**2).sum(1))
        frames = self.bank.frames[self._clip(rng)]
        frame = frames[int(rng.integers(len(frames)))]
        size = own * np.exp(rng.uniform(-0.9, 0.6, 2))
        at = (
            centre
            + rng.uniform(-1, 1, 2) * own
            + np.sign(rng.uniform(-1, 1, 2)) * size * rng.uniform(0, 0.6)
        )
        drawn = canvas.paste(
            frame,
            random_region(rng, frame),
            turned_scale(size, rng.normal(0, 0.5)),
            at,
            random_outline(rng),
            0.6,
            np.ones(3),
        )
        canvas.cover(drawn)


def _neighbour(
    rng: np.random.Generator, boxes: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    share = np.exp(rng.uniform(-0.7, 0.3, 2))
    shift = rng.uniform(-0.25, 0.25, 2)
    moved = []
    for box in boxes:
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
        middle, half = middle + shift * half, np.maximum(half * share, 4)
        moved.append(np.concatenate([middle - half, middle + half]))
    return moved[0], moved[1]


@FUNCTIONS.register_module()
def stack_groups(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collate groups in the loader process: one tensor for each view and each box field."""
    names, fields = groups[0]['inputs'], groups[0]['data_samples'].keys()
    return {
        'inputs': {
            name: torch.stack([group['inputs'][name] for group in groups]) for name in names
        },
        'data_samples': StackedSamples(
            {
                f: torch.stack([getattr(group['data_samples'], f) for group in groups])
                for f in fields
            }
        ),
    }
