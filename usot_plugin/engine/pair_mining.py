"""Stage 2 of PUL-style training: the network that knows an instance from its background searches
the next frames for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from usot_plugin.datasets.samplers.mined_pairs import MinedChain
from usot_plugin.models.pul import BackgroundDiscriminator
from usot_plugin.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.structures.clip import Clip
from usot_plugin.structures.crops import CONTEXT, crop_region, mean_color
from usot_plugin.tracking.siamese_geometry import SearchWindow, hann_window, search_window

#: Sides of template and search crop in pixels.
EXEMPLAR_PX, SEARCH_PX = 127, 255
#: Similarities that differ less than this over a whole map say nothing.
FLAT_SIMILARITY = 1e-4
#: Similarity maps are up-sampled by this factor.
UPSAMPLING = 8
#: Why a chain is not longer.
FULL_LENGTH = 'full length'
CLIP_END = 'end of the clip'
FLAT = 'flat response'
UNLIKE = 'too little similarity'
NO_WAY_BACK = 'no way back'
LEFT = 'left the frame'


@dataclass(frozen=True)
class MiningConfig:
    """How pairs are mined and which are kept.

    Attributes:
        anchors: Instances of each track, evenly spread over its frames.
        clip_frames: An instance is searched in at most so many frames after its own.
        step_frames: Only every so-manieth frame of a clip is looked at.
        min_similarity: A patch less similar to its instance than this ends the chain ...
        max_return_px: ... and so does one from which the search back ends farther than this from
            the instance, pixels of the search crop.
        window_influence: Share of a Hann window in the score of a place; the similarity itself is
            compared without it.
        wanted_pairs: Fewer pairs than this are worth a warning.

    Raises:
        ValueError: An impossible number.
    """

    anchors: int = 4
    clip_frames: int = 30
    step_frames: int = 1
    min_similarity: float = 0.5
    max_return_px: float = 16.0
    window_influence: float = 0.1
    wanted_pairs: int = 1000

    def __post_init__(self) -> None:
        whole = (self.anchors, self.clip_frames, self.step_frames)
        if (
            min(whole) < 1
            or self.max_return_px <= 0
            or not -1 <= self.min_similarity < 1
            or not 0 <= self.window_influence < 1
        ):
            raise ValueError(f'mining: impossible numbers in {self}')


@dataclass
class _Search:
    """One instance that is being searched for."""

    window: SearchWindow
    box_cxcywh: np.ndarray
    fill: np.ndarray
    kernel: Tensor
    kernel_offset_px: np.ndarray
    surroundings: Tensor
    frames: list[int]
    boxes: list[np.ndarray]
    similarity: list[float] = field(default_factory=list)
    return_px: list[float] = field(default_factory=list)
    end: str = CLIP_END

    def chain(self) -> MinedChain:
        boxes = cxcywh_to_xyxy(np.stack(self.boxes))
        return MinedChain(
            np.array(self.frames),
            boxes,
            np.array(self.similarity),
            np.array(self.return_px),
            self.end,
        )


class PairMiner:
    """Searches instances forward through a clip and keeps what is similar and leads back.

    Args:
        model: Trained for background discrimination; it is put into eval mode and not changed.
        config: See above.
    """

    def __init__(self, model: BackgroundDiscriminator, config: MiningConfig) -> None:
        self.model, self.config = model.eval(), config

    @torch.inference_mode()
    def mine(self, clip: Clip, anchors: Mapping[int, Sequence[np.ndarray]]) -> list[MinedChain]:
        """The chains of a clip, in order of their first frames; some may hold no pair.

        Args:
            clip: Its frames; each is decoded at most once.
            anchors: Boxes ``(4,)`` ``x1, y1, x2, y2`` of the instances of each frame.

        Raises:
            ClipError: A frame cannot be decoded.
        """
        if not anchors:
            return []
        searches: list[_Search] = []
        running: list[_Search] = []
        stop = min(max(anchors) + self.config.clip_frames + 1, clip.frame_count)
        for index, frame in clip.iter_frames(min(anchors), stop):
            if running and index % self.config.step_frames == 0:
                running = self._advance(running, index, frame)
            if index in anchors:
                started = self._start(index, frame, anchors[index])
                searches += started
                running = running + started
            if not running and index >= max(anchors):
                break
        return [search.chain() for search in searches]

    def _start(
        self, index: int, frame: np.ndarray, boxes_xyxy: Sequence[np.ndarray]
    ) -> list[_Search]:
        boxes = [xyxy_to_cxcywh(np.asarray(box, np.float64)) for box in boxes_xyxy]
        fill = mean_color(frame)
        kernels, offsets = self._templates(frame, boxes, [fill] * len(boxes))
        windows = [search_window(box, CONTEXT, EXEMPLAR_PX, SEARCH_PX) for box in boxes]
        surroundings = self._features(frame, windows, [fill] * len(boxes))
        parts = zip(windows, boxes, kernels.split(1), offsets, surroundings.split(1), strict=True)
        return [
            _Search(window, box, fill, kernel, offset, around, [index], [box])
            for window, box, kernel, offset, around in parts
        ]

    def _advance(self, running: list[_Search], index: int, frame: np.ndarray) -> list[_Search]:
        """One more frame; returns the searches that go on after it."""
        windows = [
            search_window(search.boxes[-1], CONTEXT, EXEMPLAR_PX, SEARCH_PX) for search in running
        ]
        fills = [search.fill for search in running]
        kernels = torch.cat([search.kernel for search in running])
        places = self._places(self._features(frame, windows, fills), kernels)
        found = []
        for search, window, shift in zip(running, windows, places.shifts_px, strict=True):
            point = SEARCH_PX / 2 + shift + search.kernel_offset_px
            centre = window.to_frame(np.concatenate([point, point]))[:2]
            found.append(np.concatenate([centre, search.box_cxcywh[2:]]))
        returns = self._returns(running, frame, found)
        for number, search in enumerate(running):
            self._judge(search, index, frame, found[number], places, number, returns[number])
        return [search for search in running if search.end == CLIP_END]

    def _judge(
        self,
        search: _Search,
        index: int,
        frame: np.ndarray,
        box_cxcywh: np.ndarray,
        places: _Places,
        number: int,
        return_px: float,
    ) -> None:
        """Take the patch into the chain, or end the chain before it."""
        height, width = frame.shape[:2]
        if places.flat[number]:
            search.end = FLAT
        elif not (0 <= box_cxcywh[0] < width and 0 <= box_cxcywh[1] < height):
            search.end = LEFT
        elif places.similarity[number] < self.config.min_similarity:
            search.end = UNLIKE
        elif not return_px <= self.config.max_return_px:
            search.end = NO_WAY_BACK
        else:
            search.frames.append(index)
            search.boxes.append(box_cxcywh)
            search.similarity.append(float(places.similarity[number]))
            search.return_px.append(return_px)
            if index + self.config.step_frames > search.frames[0] + self.config.clip_frames:
                search.end = FULL_LENGTH

    def _returns(
        self, running: list[_Search], frame: np.ndarray, found: list[np.ndarray]
    ) -> list[float]:
        """How far from each instance the search back from its patch ends, pixels of the search
        crop; inf where that search says nothing."""
        kernels, offsets = self._templates(frame, found, [search.fill for search in running])
        places = self._places(torch.cat([search.surroundings for search in running]), kernels)
        distances = []
        for search, shift, offset, flat in zip(
            running, places.shifts_px, offsets, places.flat, strict=True
        ):
            true = xyxy_to_cxcywh(search.window.to_crop(cxcywh_to_xyxy(search.box_cxcywh)))[:2]
            distances.append(
                float('inf') if flat else float(np.hypot(*(SEARCH_PX / 2 + shift + offset - true)))
            )
        return distances

    def _templates(
        self, frame: np.ndarray, boxes: Sequence[np.ndarray], fills: Sequence[np.ndarray]
    ) -> tuple[Tensor, list[np.ndarray]]:
        """Features of template crops, and where the boxes' centres lie in them, counted from the
        middle of the crop."""
        windows = [search_window(box, CONTEXT, EXEMPLAR_PX, EXEMPLAR_PX) for box in boxes]
        centres = [
            xyxy_to_cxcywh(window.to_crop(cxcywh_to_xyxy(box)))[:2]
            for window, box in zip(windows, boxes, strict=True)
        ]
        return self._features(frame, windows, fills), [
            centre - EXEMPLAR_PX / 2 for centre in centres
        ]

    def _features(
        self, frame: np.ndarray, windows: Sequence[SearchWindow], fills: Sequence[np.ndarray]
    ) -> Tensor:
        size = (windows[0].crop_px, windows[0].crop_px)
        crops = np.stack(
            [
                crop_region(frame, window.region, size, fill)
                for window, fill in zip(windows, fills, strict=True)
            ]
        )
        device = next(self.model.parameters()).device
        return self.model.extract(
            self.model.data_preprocessor.normalise(
                torch.from_numpy(crops).to(device).movedim(-1, 1)
            )
        )

    def _places(self, search: Tensor, kernels: Tensor) -> _Places:
        """Where each template is found in its search area."""
        maps = self.model.compare(search, kernels)
        flat = maps.amax((1, 2, 3)) - maps.amin((1, 2, 3)) < FLAT_SIMILARITY
        side = maps.shape[-1] * UPSAMPLING
        fine = (
            F.interpolate(maps, size=(side, side), mode='bicubic', align_corners=False)[:, 0]
            .double()
            .cpu()
            .numpy()
        )
        influence = self.config.window_influence
        best = (
            ((1 - influence) * fine + influence * hann_window(side))
            .reshape(len(fine), -1)
            .argmax(1)
        )
        row, column = np.divmod(best, side)
        shifts = (np.stack([column, row], -1) - (side - 1) / 2) * (self.model.stride / UPSAMPLING)
        return _Places(
            shifts,
            fine.reshape(len(fine), -1)[np.arange(len(fine)), best],
            flat.cpu().numpy() | ~np.isfinite(fine).all((1, 2)),
        )


@dataclass(frozen=True)
class _Places:
    """Best places of ``B`` searches: shifts ``(B, 2)`` from the middle of the crop, similarity
    ``(B,)``, flat ``(B,)`` bool."""

    shifts_px: np.ndarray
    similarity: np.ndarray
    flat: np.ndarray


def anchor_frames(usable: np.ndarray, config: MiningConfig) -> Iterator[int]:
    """Frames of the instances of a track: evenly spread, on frames that are looked at, none so late
    that nothing follows.

    Args:
        usable: Frames with a box, ascending.
        config: Number of anchors and the step.
    """
    fitting = usable[usable % config.step_frames == 0]
    fitting = fitting[:-1] if len(fitting) > 1 else fitting[:0]
    count = min(config.anchors, len(fitting))
    # The middle of each of ``count`` equal parts.
    yield from (int(fitting[(2 * part + 1) * len(fitting) // (2 * count)]) for part in range(count))
