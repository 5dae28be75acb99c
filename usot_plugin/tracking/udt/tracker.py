"""On-line tracking with a correlation filter on learned features: UDT, UDT+ and DCFNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from usot_plugin.models.layers.dcf import gaussian_label, peak_shift
from usot_plugin.models.udt import UDT, DCFNet
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.structures.trajectory import Prediction

from ..base import Tracker, checked_boxes, frames_per_target, target_count
from ..siamese_geometry import hann_window
from ..window_crop import crop_window
from .few_shot import adapted
from .online_filter import OnlineFilter
from .scale_filter import ScaleFilter, ScaleState

#: Grey levels: windows with a smaller standard deviation in every channel show nothing but noise,
#: such as that of an encoded black frame.
FLAT_PIXELS = 2.0
#: Responses that differ less than this are equal but for rounding; the label is 1 at its peak.
FLAT_RESPONSE = 1e-4


@dataclass(frozen=True)
class TargetState:
    """All that is known of one target.

    Attributes:
        centre_xy: Frame pixels, float64.
        size_wh: Frame pixels.
        least_wh, most_wh: Limits of the size.
        network: Model that sees this target: the tracker's own, or one adapted to it.
        filter: State of the on-line filter.
        scale: State of the scale filter; None where a pyramid finds the scale.
        early_crops: Crops around the target in its first frames, kept until the network is adapted.
        weak_frames: Frames in a row with a score below ``lost_score``.
    """

    centre_xy: np.ndarray
    size_wh: np.ndarray
    least_wh: np.ndarray
    most_wh: np.ndarray
    network: DCFNet
    filter: Any
    scale: ScaleState | None = None
    early_crops: tuple[np.ndarray, ...] = ()
    weak_frames: int = 0


@TASK_UTILS.register_module()
class UDTTracker(Tracker):
    """Tracker of :class:`UDT` and :class:`DCFNet` models.

    Each frame is looked at through a pyramid of windows around the last place; the filter's highest
    response gives place and scale, and the filter then learns the new window. Where the window has
    no contrast, or the response is flat, not finite or nowhere above 0, nothing is
    seen: the box stays, the score is 0 and nothing is learned.

    With ``legacy`` in the model this does not hold, as in the release: a few black frames, once
    learned, give the highest responses, and the box runs out of the frame without being called
    lost.

    Args:
        model: The model; it is put into eval mode.
        crop_px: Side of the crops.
        online: How the filter is learned on: config of an :class:`OnlineFilter`;
            ``dict(type='LinearUpdate')`` for UDT, ``dict(type='SampleSpaceUpdate')`` for UDT+.
        scales: Windows in the pyramid, odd; 1 leaves the scale alone (or to ``scale_filter``).
        scale_step: Factor between neighbouring windows; 1.015 in the paper, 1.0275 in the PyTorch
            release.
        scale_penalty: Factor on the response of every window but the middle one.
        scale_filter: Config of a :class:`ScaleFilter` that finds the scale after the place; None to
            leave it to the pyramid.
        least_scale, most_scale: Limits of the size, in first sizes.
        min_size_px: Smallest side of a box.
        adapt_frames: Fine-tune the network for each target once so many frames were seen, the first
            included; 0: never. 5 in the paper.
        adapt_iterations: Steps of the fine-tuning.
        adapt_lr: Its learning rate.
        lost_score: Response below which a frame is weak.
        lost_frames: Weak frames in a row after which the target is called lost.

    Raises:
        ValueError: An even number of scales, two or fewer frames to adapt to, or a model without a
            label-free loss that is to be adapted.
        TypeError: The model is no correlation filter network.

    Reference:
        UDT, Sec. 3.5 and 4.2.
    """

    def __init__(
        self,
        model: DCFNet,
        crop_px: int = 125,
        online: dict | None = None,
        scales: int = 3,
        scale_step: float = 1.0275,
        scale_penalty: float = 0.9925,
        scale_filter: dict | None = None,
        least_scale: float = 0.2,
        most_scale: float = 5.0,
        min_size_px: float = 4.0,
        adapt_frames: int = 0,
        adapt_iterations: int = 100,
        adapt_lr: float = 1e-4,
        lost_score: float = 0.1,
        lost_frames: int = 3,
    ) -> None:
        if not isinstance(model, DCFNet):
            raise TypeError(
                f'UDTTracker tracks with UDT and DCFNet models, got {type(model).__name__}'
            )
        if scales < 1 or scales % 2 == 0:
            raise ValueError(f'UDTTracker: scales must be odd, got {scales}')
        if adapt_frames and adapt_frames <= 2:
            raise ValueError(f'UDTTracker: adapt_frames is 0 or at least 3, got {adapt_frames}')
        if adapt_frames and not isinstance(model, UDT):
            raise ValueError(
                f'UDTTracker: adapt_frames={adapt_frames} needs the label-free loss of a UDT '
                f'model, got {type(model).__name__}; '
                'its weights fit configs/udt/udt.py, which has one'
            )
        self.model = model.eval()
        self.crop_px, self.legacy = crop_px, model.legacy
        exponents = np.arange(scales) - scales // 2
        self.scale_factors = scale_step**exponents
        self.scale_weights = torch.tensor(scale_penalty ** np.abs(exponents))
        # Equal peaks go to the first in this order; the release has the smallest window first.
        self._scale_order = torch.from_numpy(
            np.arange(scales) if self.legacy else np.argsort(np.abs(exponents), kind='stable')
        )
        self.online: OnlineFilter = TASK_UTILS.build({'type': 'LinearUpdate', **(online or {})})
        self.scale_filter: ScaleFilter | None = (
            TASK_UTILS.build(scale_filter) if scale_filter else None
        )
        self.least_scale, self.most_scale, self.min_size_px = least_scale, most_scale, min_size_px
        self.adapt_frames = adapt_frames
        self.adapt_iterations = adapt_iterations
        self.adapt_lr = adapt_lr
        self.lost_score, self.lost_frames = lost_score, lost_frames
        self._window = torch.from_numpy(hann_window(crop_px)).float()
        self._label = torch.fft.rfft2(
            gaussian_label((crop_px, crop_px), model.label_sigma(crop_px))
        )[:, None]

    # --- crops and features -----------------------------------------------------------------------

    def _crop(self, frame: np.ndarray, centre_xy: np.ndarray, size_wh: np.ndarray) -> np.ndarray:
        side = (self.crop_px, self.crop_px)
        return crop_window(
            frame, centre_xy, size_wh * (1 + self.model.padding), side, legacy=self.legacy
        )

    def _spectra(self, network: DCFNet, crops: Sequence[np.ndarray]) -> Tensor:
        """Spectra ``(B, C, S, S // 2 + 1)`` of the windowed features of crops."""
        features = _features(network, crops)
        return torch.fft.rfft2(features.mul_(self._window.to(features.device)))

    def _learned(self, network: DCFNet, spectrum: Tensor) -> Any:
        kernel_size = network.filter.kernel_size(spectrum.shape[1], (self.crop_px, self.crop_px))
        return self.online.start(
            spectrum, self._label.to(spectrum.device), network.filter.regularisation, kernel_size
        )

    # --- first frame ------------------------------------------------------------------------------

    @torch.inference_mode()
    def init(
        self, frames: np.ndarray | Sequence[np.ndarray], boxes_xyxy: np.ndarray
    ) -> list[TargetState]:
        """See :meth:`Tracker.init`; returns one state per target."""
        count = target_count(boxes_xyxy)
        per_target = frames_per_target(frames, count)
        boxes = xyxy_to_cxcywh(checked_boxes(boxes_xyxy, per_target))
        crops = [
            self._crop(frame, box[:2], box[2:])
            for frame, box in zip(per_target, boxes, strict=True)
        ]
        spectra = self._spectra(self.model, crops)
        return [
            self._first_state(*parts)
            for parts in zip(per_target, boxes, crops, spectra.split(1), strict=True)
        ]

    def _first_state(
        self, frame: np.ndarray, box_cxcywh: np.ndarray, crop: np.ndarray, spectrum: Tensor
    ) -> TargetState:
        size = box_cxcywh[2:]
        height, width = frame.shape[:2]
        # The release limits the width by the frame's height and the height by its width.
        most = np.minimum(
            (height, width) if self.legacy else (width, height), self.most_scale * size
        )
        least = np.minimum(np.maximum(self.least_scale * size, self.min_size_px), most)
        scale = (
            self.scale_filter.start(frame, box_cxcywh[:2], size, self._patch_features(self.model))
            if self.scale_filter
            else None
        )
        early = (crop,) if self.adapt_frames else ()
        return TargetState(
            box_cxcywh[:2],
            size,
            least,
            most,
            self.model,
            self._learned(self.model, spectrum),
            scale,
            early,
        )

    def _patch_features(self, network: DCFNet):
        return lambda patches: _features(network, patches)

    # --- every other frame ------------------------------------------------------------------------

    @torch.inference_mode()
    def update(
        self, frames: np.ndarray | Sequence[np.ndarray], state: Sequence[TargetState]
    ) -> tuple[Prediction, list[TargetState]]:
        """See :meth:`Tracker.update`; targets that share a network run as one batch."""
        per_target = frames_per_target(frames, len(state))
        new_state: list[TargetState] = list(state)
        scores = np.zeros(len(state))
        for network in {id(target.network): target.network for target in state}.values():
            group = [index for index, target in enumerate(state) if target.network is network]
            updated, group_scores = self._update_group(
                network, [per_target[i] for i in group], [state[i] for i in group]
            )
            for index, target, score in zip(group, updated, group_scores, strict=True):
                new_state[index], scores[index] = target, score
        boxes = cxcywh_to_xyxy(
            np.stack([np.concatenate([target.centre_xy, target.size_wh]) for target in new_state])
        )
        lost = np.array([target.weak_frames >= self.lost_frames for target in new_state])
        return Prediction(boxes, scores, lost), new_state

    def _update_group(
        self, network: DCFNet, frames: list[np.ndarray], targets: list[TargetState]
    ) -> tuple[list[TargetState], list[float]]:
        crops = [
            self._crop(frame, target.centre_xy, target.size_wh * factor)
            for frame, target in zip(frames, targets, strict=True)
            for factor in self.scale_factors
        ]
        spectra = self._spectra(network, crops).split(len(self.scale_factors))
        found = [
            self._found(*parts, network) for parts in zip(frames, targets, spectra, strict=True)
        ]
        scores = [score for _, score in found]
        crops = [
            self._crop(frame, target.centre_xy, target.size_wh)
            for frame, (target, _) in zip(frames, found, strict=True)
        ]
        learned = self._spectra(network, crops).split(1)
        updated = [
            self._learn(target, crop, spectrum, score)
            if self._is_worth_learning(frame, target, score)
            else target
            for frame, (target, score), crop, spectrum in zip(
                frames, found, crops, learned, strict=True
            )
        ]
        return updated, scores

    def _found(
        self, frame: np.ndarray, target: TargetState, spectra: Tensor, network: DCFNet
    ) -> tuple[TargetState, float]:
        """The target at its new place with its new size, and the response there."""
        responses = self.online.respond(target.filter, spectra, (self.crop_px, self.crop_px))
        peaks = torch.nan_to_num(responses.flatten(1).amax(1), nan=0.0)
        weighted = peaks.cpu() * self.scale_weights
        best = int(self._scale_order[weighted[self._scale_order].argmax()])
        if not (self.legacy or (_has_peak(responses, best) and self._has_contrast(frame, target))):
            return self._rated(target, 0.0), 0.0
        rows, columns = peak_shift(responses[best : best + 1])[0].tolist()
        window = target.size_wh * (self.scale_factors[best] * (1 + self.model.padding))
        moved = (
            target.centre_xy
            + np.array([columns / responses.shape[2], rows / responses.shape[1]]) * window
        )
        if not self.legacy:
            moved = np.clip(
                moved, 0, frame.shape[1::-1]
            )  # the release lets the centre leave the frame
        size = np.clip(target.size_wh * self.scale_factors[best], target.least_wh, target.most_wh)
        scale = target.scale
        if self.scale_filter and scale is not None:
            factor, scale = self.scale_filter.update(
                scale, frame, moved, size, self._patch_features(network)
            )
            size = np.clip(size * factor, target.least_wh, target.most_wh)
        score = float(peaks[best].clamp(0, 1))
        return self._rated(
            replace(target, centre_xy=moved, size_wh=size, scale=scale), score
        ), score

    def _rated(self, target: TargetState, score: float) -> TargetState:
        return replace(target, weak_frames=target.weak_frames + 1 if score < self.lost_score else 0)

    def _has_contrast(self, frame: np.ndarray, target: TargetState) -> bool:
        """Whether the part of the window that lies in the frame shows anything; what is filled in
        outside does not count."""
        half = target.size_wh * (1 + self.model.padding) / 2
        left, top = np.floor(target.centre_xy - half).clip(0).astype(int)
        right, bottom = np.ceil(target.centre_xy + half).clip(0).astype(int)
        across, down = (max(1, int(side) // self.crop_px) for side in (right - left, bottom - top))
        seen = np.ascontiguousarray(frame[top:bottom:down, left:right:across])
        return seen.size > 0 and float(cv2.meanStdDev(seen)[1].max()) >= FLAT_PIXELS

    def _is_worth_learning(self, frame: np.ndarray, target: TargetState, score: float) -> bool:
        """A filter of features without contrast divides by next to nothing and would drown those of
        all frames before."""
        return self.legacy or (score > 0 and self._has_contrast(frame, target))

    def _learn(
        self, target: TargetState, crop: np.ndarray, spectrum: Tensor, score: float
    ) -> TargetState:
        """The target after its new crop was learned, and its network adapted where it is time."""
        if target.early_crops:
            early = (*target.early_crops, crop)
            if len(early) == self.adapt_frames:
                return self._adapt(replace(target, early_crops=()), early)
            target = replace(target, early_crops=early)
        return replace(target, filter=self.online.update(target.filter, spectrum, score))

    def _adapt(self, target: TargetState, crops: tuple[np.ndarray, ...]) -> TargetState:
        """A network of the target's own, and its filter learned again from all crops so far."""
        network = adapted(target.network, np.stack(crops), self.adapt_iterations, self.adapt_lr)
        spectra = self._spectra(network, crops).split(1)
        state = self._learned(network, spectra[0])
        for spectrum in spectra[1:]:
            state = self.online.update(state, spectrum, 1.0)
        return replace(target, network=network, filter=state)


def _has_peak(responses: Tensor, best: int) -> bool:
    """Whether maps ``(S, h, w)`` are finite and the best one is highest somewhere, above 0."""
    least, most = responses[best].aminmax()
    return bool(torch.isfinite(responses).all() and most > 0 and most - least > FLAT_RESPONSE)


def _features(network: DCFNet, crops: Sequence[np.ndarray]) -> Tensor:
    """Features ``(B, C, h, w)`` of equal-sized uint8 crops, padded to their size."""
    device = next(network.parameters()).device
    images = torch.from_numpy(np.stack(crops)).to(device).movedim(-1, 1)
    return network.backbone(network.data_preprocessor.normalise(images), padding=1)
