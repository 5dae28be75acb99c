"""On-line tracking with SiamFC: a scale pyramid around the last place, one response map for each
scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from usot_plugin.models.siamfc import SiamFC
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.structures.crops import context_side, crop_region, mean_color
from usot_plugin.structures.trajectory import Prediction

from ..base import Tracker, checked_boxes, frames_per_target, target_count
from ..siamese_geometry import SearchWindow, hann_window, search_window
from .first_frame import FirstFrameTuning, tune_on_first_frame

#: The target may shrink and grow by these factors of its first size (SiamFC's own limits) ...
SIZE_LIMITS = (0.2, 5.0)
#: ... but its box with context stays this large: smaller regions have no pixels to look at.
LEAST_CONTEXT_PX = 4.0
#: Logits that differ less than this are equal but for rounding.
FLAT_LOGITS = 1e-4


@dataclass(frozen=True)
class SiamFCState:
    """All that is known of one target.

    Attributes:
        box_cxcywh: ``(4,)`` float64, frame pixels.
        first_wh: Size in the first frame.
        fill: Padding colour, the first frame's mean, ``(3,)`` BGR.
        template: Features ``(1, C, h, w)``.
        offset_xy: Where the target's centre lies in the template crop, counted from the crop's
            middle, crop pixels: regions are rounded to whole pixels of the frame.
        model: The network; a copy of its own for a target that it was fine-tuned on.
        weak_frames: Frames in a row with a score below ``lost_score``.
    """

    box_cxcywh: np.ndarray
    first_wh: np.ndarray
    fill: np.ndarray
    template: Tensor
    offset_xy: np.ndarray
    model: SiamFC
    weak_frames: int = 0


@dataclass(frozen=True)
class ResponsePeak:
    """The best place among the response maps of one target.

    Attributes:
        scale: Index of the map.
        shift_px: ``(2,)`` x, y from the middle of the search crop, crop pixels.
        score: Probability at the highest place of that map before the window, in [0, 1].
        flat: The map says nothing: constant, or not finite.
    """

    scale: int
    shift_px: np.ndarray
    score: float
    flat: bool = False


def find_peak(
    logits: np.ndarray, window: np.ndarray, penalties: np.ndarray, influence: float, cell_px: float
) -> ResponsePeak:
    """Best scale by its highest logit, then the best place after the window.

    Args:
        logits: Up-sampled maps ``(scales, h, w)``.
        window: ``(h, w)``, sums to 1.
        penalties: ``(scales,)`` in (0, 1].
        influence: Share of the window.
        cell_px: Crop pixels per cell of these maps.

    Reference:
        SiamFC (arXiv:1606.09549), Sec. 3.1 and its published tracker.
    """
    middle = len(logits) // 2
    if not np.isfinite(logits).all():
        return ResponsePeak(middle, np.zeros(2), 0.0, flat=True)
    peaks = logits.reshape(len(logits), -1).max(axis=1)
    # A penalty makes a score worse: below zero that is away from it.
    scale = int(np.argmax(np.where(peaks > 0, peaks * penalties, peaks / penalties)))
    chosen = logits[scale] - logits[scale].min()
    if chosen.max() < FLAT_LOGITS:
        return ResponsePeak(middle, np.zeros(2), 0.0, flat=True)
    blended = (1 - influence) * chosen / chosen.sum() + influence * window
    row, column = np.unravel_index(blended.argmax(), blended.shape)
    shift = (np.array([column, row]) - (np.array(blended.shape[::-1]) - 1) / 2) * cell_px
    return ResponsePeak(scale, shift, float(1 / (1 + np.exp(-np.clip(peaks[scale], -50, 50)))))


@TASK_UTILS.register_module()
class SiamFCTracker(Tracker):
    """Tracker of :class:`SiamFC` models; defaults are those of SiamFC's published tracker with
    three scales.

    Args:
        model: A SiamFC model; it is put into eval mode and not changed.
        exemplar_px: Side of the template crop.
        instance_px: Side of the search crop.
        context: Context share of the crops.
        scales: Number of scales, odd.
        scale_step: Ratio between neighbouring scales.
        scale_lr: Learning rate of the scale.
        scale_penalty: Factor on the peak of every scale but the middle one.
        window_influence: Share of the Hann window.
        upsampling: The response map is up-sampled by this factor (bicubic).
        template_rate: Share of the new template in each update; 0 keeps the first, 0.0102 is
            S2SiamFC's "Linear".
        tuning: Fine-tune a copy of the model on the first frame: options of
            :class:`FirstFrameTuning`. Its targets run one at a time.
        tuning_search_px: Side of the search crops of fine-tuning.
        lost_score: Score below which a frame is weak.
        lost_frames: Weak frames in a row after which the target is called lost.

    Raises:
        ValueError: An impossible number.

    Reference:
        SiamFC (arXiv:1606.09549), Sec. 3.1; S2SiamFC (ACM MM 2020), Sec. 4.1 and 4.5.
    """

    def __init__(
        self,
        model: SiamFC,
        exemplar_px: int = 127,
        instance_px: int = 255,
        context: float = 0.5,
        scales: int = 3,
        scale_step: float = 1.0375,
        scale_lr: float = 0.59,
        scale_penalty: float = 0.9745,
        window_influence: float = 0.176,
        upsampling: int = 16,
        template_rate: float = 0.0,
        tuning: Mapping[str, Any] | None = None,
        tuning_search_px: int = 239,
        lost_score: float = 0.3,
        lost_frames: int = 3,
    ) -> None:
        if scales < 1 or scales % 2 == 0 or scale_step <= 0 or upsampling < 1:
            raise ValueError(
                f'SiamFCTracker: needs an odd number of scales, got scales={scales}, '
                f'{scale_step=}, {upsampling=}'
            )
        if (
            not all(0 <= share <= 1 for share in (scale_lr, window_influence, template_rate))
            or not 0 < scale_penalty <= 1
        ):
            raise ValueError(
                f'SiamFCTracker: not in [0, 1]: {scale_lr=}, {window_influence=}, '
                f'{template_rate=} or {scale_penalty=}'
            )
        self.model = model.eval()
        self.exemplar_px, self.instance_px, self.context = exemplar_px, instance_px, context
        self.factors = scale_step ** (np.arange(scales) - scales // 2).astype(float)
        self.penalties = np.where(self.factors == 1, 1.0, scale_penalty)
        self.scale_lr = scale_lr
        self.window_influence = window_influence
        self.upsampling = upsampling
        self.template_rate = template_rate
        self.tuning, self.tuning_search_px = FirstFrameTuning(**(tuning or {})), tuning_search_px
        self.lost_score, self.lost_frames = lost_score, lost_frames

    def init(
        self, frames: np.ndarray | Sequence[np.ndarray], boxes_xyxy: np.ndarray
    ) -> list[SiamFCState]:
        """See :meth:`Tracker.init`; returns one state per target."""
        per_target = frames_per_target(frames, target_count(boxes_xyxy))
        boxes = checked_boxes(boxes_xyxy, per_target)
        models = [self._tuned(frame, box) for frame, box in zip(per_target, boxes, strict=True)]
        fills = [mean_color(frame) for frame in per_target]
        centred = [xyxy_to_cxcywh(box) for box in boxes]
        templates, offsets = self._encode_templates(models, per_target, centred, fills)
        columns = zip(centred, fills, templates, offsets, models, strict=True)
        return [
            SiamFCState(box, box[2:], fill, template, offset, model)
            for box, fill, template, offset, model in columns
        ]

    def _tuned(self, frame: np.ndarray, box_xyxy: np.ndarray) -> SiamFC:
        if not self.tuning.iterations:
            return self.model
        return tune_on_first_frame(
            self.model, frame, box_xyxy, self.tuning, self.exemplar_px, self.tuning_search_px
        )

    def _window(self, box_cxcywh: np.ndarray, crop_px: int, factor: float = 1.0) -> SearchWindow:
        return search_window(
            box_cxcywh * (1, 1, factor, factor), self.context, self.exemplar_px, crop_px
        )

    def _to_batch(self, crops: Sequence[np.ndarray]) -> Tensor:
        device = next(self.model.parameters()).device
        return self.model.data_preprocessor.normalise(
            torch.from_numpy(np.stack(crops)).to(device).movedim(-1, 1)
        )

    @torch.inference_mode()
    def _encode_templates(
        self,
        models: Sequence[SiamFC],
        frames: Sequence[np.ndarray],
        boxes_cxcywh: Sequence[np.ndarray],
        fills: Sequence[np.ndarray],
    ) -> tuple[list[Tensor], list[np.ndarray]]:
        """Features of each target's template, and where the target's centre lies in it."""
        windows = [self._window(box, self.exemplar_px) for box in boxes_cxcywh]
        size = (self.exemplar_px, self.exemplar_px)
        crops = [
            crop_region(frame, w.region, size, fill)
            for frame, w, fill in zip(frames, windows, fills, strict=True)
        ]
        offsets = [
            xyxy_to_cxcywh(w.to_crop(cxcywh_to_xyxy(box)))[:2] - self.exemplar_px / 2
            for w, box in zip(windows, boxes_cxcywh, strict=True)
        ]
        templates: list[Tensor] = [torch.empty(0)] * len(frames)
        for model, group in _groups(models):
            features = model.extract(self._to_batch([crops[i] for i in group]))
            for place, index in enumerate(group):
                templates[index] = features[place : place + 1].clone()
        return templates, offsets

    @torch.inference_mode()
    def update(
        self, frames: np.ndarray | Sequence[np.ndarray], state: Sequence[SiamFCState]
    ) -> tuple[Prediction, list[SiamFCState]]:
        """See :meth:`Tracker.update`; all scales of all targets that share a model run as one
        batch."""
        per_target = frames_per_target(frames, len(state))
        windows = [
            [self._window(target.box_cxcywh, self.instance_px, factor) for factor in self.factors]
            for target in state
        ]
        peaks: list[ResponsePeak] = [ResponsePeak(0, np.zeros(2), 0.0)] * len(state)
        for model, group in _groups([target.model for target in state]):
            maps = self._responses(
                model,
                [per_target[i] for i in group],
                [windows[i] for i in group],
                [state[i] for i in group],
            )
            hann = hann_window(maps.shape[-1])
            for index, logits in zip(group, maps, strict=True):
                cell_px = model.stride / self.upsampling
                peaks[index] = find_peak(
                    logits, hann / hann.sum(), self.penalties, self.window_influence, cell_px
                )
        new_state = [
            self._move(*parts) for parts in zip(per_target, state, windows, peaks, strict=True)
        ]
        if self.template_rate:
            new_state = self._update_templates(per_target, new_state, peaks)
        boxes = cxcywh_to_xyxy(np.stack([target.box_cxcywh for target in new_state]))
        lost = np.array([target.weak_frames >= self.lost_frames for target in new_state])
        return Prediction(boxes, np.array([peak.score for peak in peaks]), lost), new_state

    def _responses(
        self,
        model: SiamFC,
        frames: list[np.ndarray],
        windows: list[list[SearchWindow]],
        targets: list[SiamFCState],
    ) -> np.ndarray:
        """Up-sampled logits ``(targets, scales, h, w)``."""
        size = (self.instance_px, self.instance_px)
        crops = [
            crop_region(frame, window.region, size, target.fill)
            for frame, pyramid, target in zip(frames, windows, targets, strict=True)
            for window in pyramid
        ]
        templates = torch.cat([target.template for target in targets]).repeat_interleave(
            len(self.factors), dim=0
        )
        logits = model.respond(model.extract(self._to_batch(crops)), templates)
        side = logits.shape[-1] * self.upsampling
        fine = F.interpolate(logits, size=(side, side), mode='bicubic', align_corners=False)
        return fine.reshape(len(targets), len(self.factors), side, side).double().cpu().numpy()

    def _move(
        self,
        frame: np.ndarray,
        target: SiamFCState,
        windows: Sequence[SearchWindow],
        peak: ResponsePeak,
    ) -> SiamFCState:
        """The target at the peak, its size smoothed; where the maps say nothing it stays."""
        weak = target.weak_frames + 1 if peak.score < self.lost_score else 0
        if peak.flat:
            return replace(target, weak_frames=weak)
        window = windows[peak.scale]
        found = self.instance_px / 2 + peak.shift_px + target.offset_xy
        centre = np.clip(
            window.to_frame(np.concatenate([found, found]))[:2], 0, (frame.shape[1], frame.shape[0])
        )
        growth = 1 + self.scale_lr * (self.factors[peak.scale] - 1)
        low = max(
            SIZE_LIMITS[0],
            LEAST_CONTEXT_PX / context_side(target.first_wh[0], target.first_wh[1], self.context),
        )
        total = np.clip(
            growth * target.box_cxcywh[2] / target.first_wh[0], min(low, 1.0), SIZE_LIMITS[1]
        )
        return replace(
            target, box_cxcywh=np.concatenate([centre, total * target.first_wh]), weak_frames=weak
        )

    def _update_templates(
        self,
        frames: Sequence[np.ndarray],
        state: Sequence[SiamFCState],
        peaks: Sequence[ResponsePeak],
    ) -> list[SiamFCState]:
        """Templates moved towards what is seen now (Sec. 4.1 of S2SiamFC); a target without a peak
        keeps its own."""
        boxes = [target.box_cxcywh for target in state]
        fills = [target.fill for target in state]
        seen, _ = self._encode_templates([target.model for target in state], frames, boxes, fills)
        rate = self.template_rate
        return [
            target
            if peak.flat
            else replace(target, template=(1 - rate) * target.template + rate * new)
            for target, peak, new in zip(state, peaks, seen, strict=True)
        ]


def _groups(models: Sequence[SiamFC]) -> list[tuple[SiamFC, list[int]]]:
    """Each model with the positions of its targets."""
    found: dict[int, tuple[SiamFC, list[int]]] = {}
    for index, model in enumerate(models):
        found.setdefault(id(model), (model, []))[1].append(index)
    return list(found.values())
