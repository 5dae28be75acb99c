"""On-line tracking with SiamRPN++ and SiamMask: one template, the best anchor, and the mask of its
cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from usot_plugin.models.siamrpn import FeatureMaps, SiamRPN, TemplateCodes
from usot_plugin.models.task_modules.anchors import AnchorChoice, choose_anchors
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.box_masks import paste_in_box
from usot_plugin.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.structures.crops import crop_region, mean_color
from usot_plugin.structures.regions import BoxRegion, MaskRegion, PolygonRegion, Region
from usot_plugin.structures.trajectory import Prediction

from ..base import Tracker, checked_boxes, frames_per_target, target_count
from ..siamese_geometry import SearchWindow, search_window

REGIONS = ('box', 'mask', 'rotated_box')
#: A mask with fewer pixels is noise: the box is reported instead of a rotated one.
LEAST_MASK_PX = 16


@dataclass(frozen=True)
class SiamRPNState:
    """All that is known of one target.

    Attributes:
        box_cxcywh: ``(4,)`` float64, frame pixels.
        fill: Padding colour, the first frame's mean, ``(3,)`` BGR.
        template: Codes of the template, batch of 1.
        weak_frames: Frames in a row with a score below ``lost_score``.
    """

    box_cxcywh: np.ndarray
    fill: np.ndarray
    template: TemplateCodes
    weak_frames: int = 0


@TASK_UTILS.register_module()
class SiamRPNTracker(Tracker):
    """Tracker of :class:`SiamRPN` and :class:`CycleSiam` models; all targets of a frame run as one
    batch.

    Args:
        model: The model; it is put into eval mode.
        exemplar_px: Side of the template crop.
        instance_px: Side of the search crop.
        context: Context share of the crops.
        penalty_k: Strength of the scale and ratio penalty.
        window_influence: Share of the Hann window.
        size_lr: Learning rate of the size.
        min_size_px: Least side of a box.
        region: What is reported beside the box: nothing ('box'), the mask, or the smallest rotated
            rectangle around its largest part ('rotated_box', for VOT2016-2019). Both need a model
            with a mask head.
        mask_threshold: Probability from which a pixel belongs to the target; 0.5 in CycleSiam, 0.3
            in SiamMask's tracker for VOT.
        refine: Use the refined masks of a model that has them.
        lost_score: Score below which a frame is weak.
        lost_frames: Weak frames in a row after which the target is called lost.

    Raises:
        ValueError: An unknown region, or masks from a model without them.

    Reference:
        SiamRPN (CVPR 2018), Sec. 4.2; SiamMask (arXiv:1812.05050), Sec. 4; CycleSiam (IROS 2020),
        Sec. V-A.
    """

    def __init__(
        self,
        model: SiamRPN,
        exemplar_px: int = 127,
        instance_px: int = 255,
        context: float = 0.5,
        penalty_k: float = 0.09,
        window_influence: float = 0.39,
        size_lr: float = 0.38,
        min_size_px: float = 10.0,
        region: str = 'box',
        mask_threshold: float = 0.5,
        refine: bool = True,
        lost_score: float = 0.3,
        lost_frames: int = 3,
    ) -> None:
        if region not in REGIONS:
            raise ValueError(
                f'SiamRPNTracker: region is one of {", ".join(REGIONS)}, got {region!r}'
            )
        if region != 'box' and model.mask_head is None:
            raise ValueError(f'SiamRPNTracker: region={region!r} needs a model with a mask_head')
        self.model = model.eval()
        self.exemplar_px, self.instance_px, self.context = exemplar_px, instance_px, context
        self.penalty_k, self.window_influence, self.size_lr = penalty_k, window_influence, size_lr
        self.min_size_px = min_size_px
        self.region = region
        self.mask_threshold = mask_threshold
        self.refine = refine
        self.lost_score, self.lost_frames = lost_score, lost_frames

    def _crops(
        self,
        frames: Sequence[np.ndarray],
        windows: Sequence[SearchWindow],
        fills: Sequence[np.ndarray],
    ) -> Tensor:
        """Normalised crops ``(B, 3, S, S)`` of one window a target."""
        parts = zip(frames, windows, fills, strict=True)
        crops = np.stack(
            [
                crop_region(frame, window.region, (window.crop_px,) * 2, fill)
                for frame, window, fill in parts
            ]
        )
        device = next(self.model.parameters()).device
        return self.model.data_preprocessor.normalise(
            torch.from_numpy(crops).to(device).movedim(-1, 1)
        )

    def _window(self, box_cxcywh: np.ndarray, crop_px: int) -> SearchWindow:
        return search_window(box_cxcywh, self.context, self.exemplar_px, crop_px)

    @torch.inference_mode()
    def init(
        self, frames: np.ndarray | Sequence[np.ndarray], boxes_xyxy: np.ndarray
    ) -> list[SiamRPNState]:
        """See :meth:`Tracker.init`; returns one state per target."""
        per_target = frames_per_target(frames, target_count(boxes_xyxy))
        boxes = xyxy_to_cxcywh(checked_boxes(boxes_xyxy, per_target))
        fills = [mean_color(frame) for frame in per_target]
        windows = [self._window(box, self.exemplar_px) for box in boxes]
        codes = self.model.encode_template(self._crops(per_target, windows, fills))
        return [
            SiamRPNState(box, fill, codes.item(index))
            for index, (box, fill) in enumerate(zip(boxes, fills, strict=True))
        ]

    @torch.inference_mode()
    def update(
        self, frames: np.ndarray | Sequence[np.ndarray], state: Sequence[SiamRPNState]
    ) -> tuple[Prediction, list[SiamRPNState]]:
        """See :meth:`Tracker.update`."""
        per_target = frames_per_target(frames, len(state))
        windows = [self._window(target.box_cxcywh, self.instance_px) for target in state]
        search = self.model.extract(
            self._crops(per_target, windows, [target.fill for target in state])
        )
        template = TemplateCodes.concat([target.template for target in state])
        logits, codes = self.model.predict(template, search)
        scores = logits.double().softmax(1)[:, 1]
        sizes = np.stack(
            [
                target.box_cxcywh[2:] * window.scale
                for target, window in zip(state, windows, strict=True)
            ]
        )
        target_wh = torch.from_numpy(sizes).to(scores)
        boxes = self.model.boxes(codes, self.instance_px).double()
        choice = choose_anchors(
            scores, boxes, target_wh, self.penalty_k, self.window_influence, self.context
        )
        found = [
            part.cpu().numpy()
            for part in (choice.boxes_cxcywh, choice.scores, choice.penalties, choice.usable)
        ]
        new_state = [
            self._move(*parts) for parts in zip(per_target, state, windows, *found, strict=True)
        ]
        regions = (
            None
            if self.region == 'box'
            else self._regions(template, search, choice, per_target, windows, new_state)
        )
        lost = np.array([target.weak_frames >= self.lost_frames for target in new_state])
        boxes_xyxy = cxcywh_to_xyxy(np.stack([target.box_cxcywh for target in new_state]))
        return Prediction(boxes_xyxy, np.where(found[3], found[1], 0.0), lost, regions), new_state

    def _move(
        self,
        frame: np.ndarray,
        target: SiamRPNState,
        window: SearchWindow,
        box_cxcywh: np.ndarray,
        score: float,
        penalty: float,
        usable: bool,
    ) -> SiamRPNState:
        """The target at the chosen box, its size smoothed; where the network gave no number it
        stays."""
        weak = target.weak_frames + 1 if not usable or score < self.lost_score else 0
        if not usable:
            return replace(target, weak_frames=weak)
        limit = (frame.shape[1], frame.shape[0])
        seen = xyxy_to_cxcywh(window.to_frame(cxcywh_to_xyxy(box_cxcywh)))
        rate = penalty * score * self.size_lr
        size = np.clip(
            (1 - rate) * target.box_cxcywh[2:] + rate * seen[2:],
            self.min_size_px,
            np.maximum(limit, self.min_size_px),
        )
        return replace(
            target, box_cxcywh=np.concatenate([np.clip(seen[:2], 0, limit), size]), weak_frames=weak
        )

    def _regions(
        self,
        template: TemplateCodes,
        search: FeatureMaps,
        choice: AnchorChoice,
        frames: Sequence[np.ndarray],
        windows: Sequence[SearchWindow],
        state: Sequence[SiamRPNState],
    ) -> list[Region | None]:
        """The masks of the chosen cells in their frames, in the form that was asked for; None for
        an empty mask."""
        images = torch.arange(len(frames), device=choice.rows.device)
        masks = (
            self.model.masks(template, search, images, choice.rows, choice.columns, self.refine)[-1]
            .float()
            .sigmoid()
            .cpu()
            .numpy()
        )
        axis = (
            self.model.anchors.axis(
                self.model.grid.response_cells(self.instance_px), self.instance_px, choice.scores
            )
            .cpu()
            .numpy()
        )
        centres = np.stack([axis[choice.columns.cpu().numpy()], axis[choice.rows.cpu().numpy()]], 1)
        half = self.exemplar_px / 2
        regions: list[Region | None] = []
        for mask, centre, frame, window, target in zip(
            masks, centres, frames, windows, state, strict=True
        ):
            box = window.to_frame(np.concatenate([centre - half, centre + half]))
            left, top, seen = paste_in_box(mask, box, frame.shape[1], frame.shape[0])
            region = MaskRegion(seen > self.mask_threshold, left, top)
            if self.region == 'rotated_box':
                regions.append(rotated_box(region) or BoxRegion(cxcywh_to_xyxy(target.box_cxcywh)))
            else:
                regions.append(region if region.mask.any() else None)
        return regions


def rotated_box(region: MaskRegion) -> PolygonRegion | None:
    """The smallest rotated rectangle around the largest connected part of a mask; None for a mask
    of next to no pixels.

    Corners are in the frame's continuous coordinates, where pixel ``(x, y)`` covers ``[x, x + 1) x
    [y, y + 1)``.
    """
    if region.mask.sum() < LEAST_MASK_PX:  # OpenCV would crash on an array without elements
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        region.mask.astype(np.uint8), connectivity=8
    )
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    if stats[largest, cv2.CC_STAT_AREA] < LEAST_MASK_PX:
        return None
    y, x = np.nonzero(labels == largest)
    corners = np.concatenate([np.stack([x + dx, y + dy], 1) for dx in (0, 1) for dy in (0, 1)])
    points = cv2.boxPoints(cv2.minAreaRect(corners.astype(np.float32)))
    return PolygonRegion(points + (region.left, region.top))
