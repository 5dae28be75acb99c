"""On-line tracking with USOT: an off-line template and a memory queue that follows the target's
appearance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from usot_plugin.models.heads.usot_head import HeadCodes
from usot_plugin.models.usot import USOT
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.structures.crops import crop_region, mean_color
from usot_plugin.structures.trajectory import Prediction

from ..base import Tracker, checked_boxes, frames_per_target, target_count
from ..siamese_geometry import SearchWindow, hann_window, scale_ratio_penalty, search_window
from .memory_queue import MemoryQueue, check_options, merge_multiplicity
from .network import Memories, TorchNetwork, USOTNetwork

#: Codes of one memory entry: three maps ``(C, h, w)``.
Entry = tuple[Tensor, ...]


@dataclass(frozen=True)
class TargetState:
    """All that is known of one target.

    Attributes:
        box_cxcywh: ``(4,)`` float64, frame pixels.
        crop_px: Side of its search crop.
        fill: Padding colour, the first frame's mean, ``(3,)`` BGR.
        template: Codes of the template, batch of 1.
        memory: Queue of memory entries; None for a model without memory branch.
        weak_frames: Frames in a row with a score below ``lost_score``.
    """

    box_cxcywh: np.ndarray
    crop_px: int
    fill: np.ndarray
    template: HeadCodes
    memory: MemoryQueue[Entry] | None
    weak_frames: int = 0


@dataclass(frozen=True)
class _Choice:
    """The chosen cell of one search area, in crop pixels."""

    box_xyxy: np.ndarray
    score: float
    penalty: float


@TASK_UTILS.register_module()
class USOTTracker(Tracker):
    """Tracker of :class:`USOT` models; all hyper-parameters are those of the paper's release.

    The template's and the memory's encodings are computed once and kept, the search area's encoding
    serves both branches, and equal memory entries are computed once. State is bounded by
    ``memory_size``.

    Args:
        model: A USOT model, which is put into eval mode, or what runs one (:class:`USOTNetwork`).
        exemplar_px: Side of the template crop.
        instance_px: Side of the search crop.
        small_instance_px: Side of the search crop of targets that cover less than
            ``small_target_share`` of the first frame.
        small_target_share: Area share below which a target counts as small.
        context: Context share of the crops.
        penalty_k: Strength of the scale and ratio penalty.
        size_lr: Learning rate of the size.
        window_influence: Share of the Hann window in the final score.
        memory_size: ``N_q``.
        memory_weight: ``w``, share of the memory branch in the score; 0 tracks off-line only.
        memory_rule: ``'segments'``, ``'top_scores'`` or ``'legacy'``; see :class:`MemoryQueue`.
            Default: legacy for legacy models.
        memory_margin_cells: How far outside the map a box may be pooled.
        double_damping: Smooth the size twice, as the release does.
        min_size_px: Smallest side of a box.
        lost_score: Score below which a frame is weak.
        lost_frames: Weak frames in a row after which the target is called lost.

    Raises:
        ValueError: An unknown memory rule, or a memory of less than four entries.

    Reference:
        USOT, Sec. 3.3 and 4.1.
    """

    def __init__(
        self,
        model: USOT | USOTNetwork,
        exemplar_px: int = 127,
        instance_px: int = 255,
        small_instance_px: int = 271,
        small_target_share: float = 0.004,
        context: float = 0.5,
        penalty_k: float = 0.021,
        size_lr: float = 0.730,
        window_influence: float = 0.321,
        memory_size: int = 7,
        memory_weight: float = 0.7,
        memory_rule: str | None = None,
        memory_margin_cells: float = 1.0,
        double_damping: bool = True,
        min_size_px: float = 10.0,
        lost_score: float = 0.3,
        lost_frames: int = 3,
    ) -> None:
        self.model = model
        self.network: USOTNetwork = TorchNetwork(model) if isinstance(model, USOT) else model
        self.legacy = self.network.legacy
        self.exemplar_px = exemplar_px
        self.instance_px = instance_px
        self.small_instance_px = small_instance_px
        self.small_target_share, self.context = small_target_share, context
        self.penalty_k, self.size_lr, self.window_influence = penalty_k, size_lr, window_influence
        self.memory_size, self.memory_margin_cells = memory_size, memory_margin_cells
        self.memory_weight = memory_weight if self.network.has_memory else 0.0
        self.memory_rule = memory_rule or ('legacy' if self.legacy else 'segments')
        if self.memory_weight:
            check_options(memory_size, self.memory_rule)
        self.double_damping, self.min_size_px = double_damping, min_size_px
        self.lost_score, self.lost_frames = lost_score, lost_frames

    def _window(self, box_cxcywh: np.ndarray, crop_px: int) -> SearchWindow:
        return search_window(box_cxcywh, self.context, self.exemplar_px, crop_px, self.legacy)

    def _crop(self, frame: np.ndarray, window: SearchWindow, fill: np.ndarray) -> np.ndarray:
        return crop_region(frame, window.region, (window.crop_px, window.crop_px), fill)

    @torch.inference_mode()
    def init(
        self, frames: np.ndarray | Sequence[np.ndarray], boxes_xyxy: np.ndarray
    ) -> list[TargetState]:
        """See :meth:`Tracker.init`; returns one state per target."""
        count = target_count(boxes_xyxy)
        per_target = frames_per_target(frames, count)
        boxes = checked_boxes(boxes_xyxy, per_target)
        return [self._init_target(frame, box) for frame, box in zip(per_target, boxes, strict=True)]

    def _init_target(self, frame: np.ndarray, box_xyxy: np.ndarray) -> TargetState:
        box = xyxy_to_cxcywh(box_xyxy)
        fill = mean_color(frame)
        share = box[2] * box[3] / (frame.shape[0] * frame.shape[1])
        crop_px = self.small_instance_px if share < self.small_target_share else self.instance_px

        window = self._window(box, self.exemplar_px)
        template = self.network.encode_template(
            [self._crop(frame, window, fill)], window.to_crop(box_xyxy)[None]
        )
        memory = (
            self._init_memory(frame, box, crop_px, fill, template) if self.memory_weight else None
        )
        return TargetState(box, crop_px, fill, template, memory)

    def _init_memory(
        self,
        frame: np.ndarray,
        box_cxcywh: np.ndarray,
        crop_px: int,
        fill: np.ndarray,
        template: HeadCodes,
    ) -> MemoryQueue[Entry]:
        window = self._window(box_cxcywh, crop_px)
        crop = self._crop(frame, window, fill)
        box = window.to_crop(cxcywh_to_xyxy(box_cxcywh))
        mirrored = box.copy()
        mirrored[[0, 2]] = crop_px - box[[2, 0]]
        features = self.network.look(
            [crop, np.ascontiguousarray(crop[:, ::-1])], template.repeat(2), None
        ).features
        first, flipped = self._encode_entries(features, np.stack([box, mirrored]), crop_px)
        return MemoryQueue(first, flipped, self.memory_size, self.memory_rule)

    def _encode_entries(
        self, features: Tensor, boxes_xyxy: np.ndarray, crop_px: int
    ) -> list[Entry]:
        """Memory entries from search features ``(B, C, h, w)`` and boxes ``(B, 4)`` in crop
        pixels."""
        codes = self.network.encode_memory(features, boxes_xyxy, crop_px, self.memory_margin_cells)
        # Copies: a view would keep the codes of the whole batch alive as long as one target's entry
        # is remembered.
        return list(zip(*([one.clone() for one in code] for code in codes), strict=True))

    @torch.inference_mode()
    def update(
        self, frames: np.ndarray | Sequence[np.ndarray], state: Sequence[TargetState]
    ) -> tuple[Prediction, list[TargetState]]:
        """See :meth:`Tracker.update`; targets with equal crop size run as one batch."""
        per_target = frames_per_target(frames, len(state))
        new_state: list[TargetState] = list(state)
        scores = np.zeros(len(state))
        for crop_px in sorted({target.crop_px for target in state}):
            group = [index for index, target in enumerate(state) if target.crop_px == crop_px]
            updated, group_scores = self._update_group(
                [per_target[i] for i in group], [state[i] for i in group], crop_px
            )
            for index, target, score in zip(group, updated, group_scores, strict=True):
                new_state[index], scores[index] = target, score
        boxes = cxcywh_to_xyxy(np.stack([target.box_cxcywh for target in new_state]))
        lost = np.array([target.weak_frames >= self.lost_frames for target in new_state])
        return Prediction(boxes, scores, lost), new_state

    def _update_group(
        self, frames: list[np.ndarray], targets: list[TargetState], crop_px: int
    ) -> tuple[list[TargetState], list[float]]:
        windows = [self._window(target.box_cxcywh, crop_px) for target in targets]
        crops = [
            self._crop(frame, window, target.fill)
            for frame, window, target in zip(frames, windows, targets, strict=True)
        ]
        template = HeadCodes(
            [torch.cat(parts) for parts in zip(*(t.template.cls for t in targets), strict=True)],
            [
                torch.cat(parts)
                for parts in zip(*(t.template.reg or [] for t in targets), strict=True)
            ],
        )
        view = self.network.look(
            crops, template, self._memories(targets) if self.memory_weight else None
        )
        scores = view.scores
        if view.memory_scores is not None:
            scores = (1 - self.memory_weight) * scores + self.memory_weight * view.memory_scores
        choices = self._choose(
            scores[:, 0].float().cpu().numpy(),
            view.boxes_xyxy.float().cpu().numpy(),
            windows,
            targets,
        )
        entries: list[Entry | None] = [None] * len(targets)
        if self.memory_weight:
            entries = list(
                self._encode_entries(
                    view.features, np.stack([choice.box_xyxy for choice in choices]), crop_px
                )
            )
        updated = [
            self._move(*parts)
            for parts in zip(frames, targets, windows, choices, entries, strict=True)
        ]
        return updated, [choice.score for choice in choices]

    def _memories(self, targets: list[TargetState]) -> Memories:
        """Queues of different length as one batch: shorter ones are filled up with entries of
        multiplicity 0."""
        queues = [
            merge_multiplicity(target.memory.entries())
            for target in targets
            if target.memory is not None
        ]
        longest = max(len(queue) for queue in queues)
        filled = [queue + [(queue[0][0], 0)] * (longest - len(queue)) for queue in queues]
        codes = [
            torch.stack(parts).unflatten(0, (len(targets), longest))
            for parts in zip(*(entry for queue in filled for entry, _ in queue), strict=True)
        ]
        return Memories(
            codes,
            torch.tensor(
                [[count for _, count in queue] for queue in filled], device=codes[0].device
            ),
        )

    def _choose(
        self,
        scores: np.ndarray,
        boxes_xyxy: np.ndarray,
        windows: list[SearchWindow],
        targets: list[TargetState],
    ) -> list[_Choice]:
        """Best cell of each response map, ``(B, H, W)``, after penalty and window."""
        target_wh = np.stack(
            [t.box_cxcywh[2:] * window.scale for t, window in zip(targets, windows, strict=True)]
        )
        boxes_wh = np.stack(
            [boxes_xyxy[:, 2] - boxes_xyxy[:, 0], boxes_xyxy[:, 3] - boxes_xyxy[:, 1]], axis=1
        )
        with np.errstate(invalid='ignore', over='ignore', divide='ignore'):
            penalty = scale_ratio_penalty(boxes_wh, target_wh, self.penalty_k, self.context)
            blended = (
                penalty * scores * (1 - self.window_influence)
                + hann_window(scores.shape[-1]) * self.window_influence
            )
        # A diverged network predicts sizes of exp(large); no such cell is ever chosen.
        usable = np.isfinite(blended) & np.isfinite(boxes_xyxy).all(axis=1)
        best = np.where(usable, blended, -np.inf).reshape(len(scores), -1).argmax(axis=1)
        rows, columns = np.unravel_index(best, scores.shape[1:])
        choices = []
        for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
            if usable[i, row, column]:
                box = boxes_xyxy[i, :, row, column].astype(np.float64)
                choices.append(
                    _Choice(box, float(scores[i, row, column]), float(penalty[i, row, column]))
                )
            else:
                choices.append(
                    _Choice(
                        windows[i].to_crop(cxcywh_to_xyxy(targets[i].box_cxcywh)),
                        score=0.0,
                        penalty=0.0,
                    )
                )
        return choices

    def _move(
        self,
        frame: np.ndarray,
        target: TargetState,
        window: SearchWindow,
        choice: _Choice,
        entry: Entry | None,
    ) -> TargetState:
        """The target after the chosen box: centre taken over, size smoothed, both kept inside the
        frame."""
        height, width = frame.shape[:2]
        found = xyxy_to_cxcywh(window.to_frame(choice.box_xyxy))
        rate = choice.penalty * choice.score * self.size_lr
        if self.double_damping:
            rate = rate**2
        size = (1 - rate) * target.box_cxcywh[2:] + rate * found[2:]
        centre = np.clip(found[:2], 0, (width, height))
        box = np.concatenate([centre, np.clip(size, self.min_size_px, (width, height))])
        memory = target.memory
        if memory is not None and entry is not None:
            memory = memory.push(entry, choice.score)
        weak = target.weak_frames + 1 if choice.score < self.lost_score else 0
        return replace(target, box_cxcywh=box, memory=memory, weak_frames=weak)
