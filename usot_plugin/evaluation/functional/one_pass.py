"""One-pass measures: success, precision and normalised precision.

References:
    Success and precision: OTB (Wu et al., CVPR 2013 and TPAMI 2015). Normalised precision:
    TrackingNet (arXiv:1803.10794), Sec. 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from usot_plugin.structures.boxes import iou, is_valid, xyxy_to_xywh

#: Overlaps that a frame has to exceed (strictly): 0, 0.05, ..., 1.
SUCCESS_THRESHOLDS = np.linspace(0, 1, 21)
#: Centre errors in pixels that a frame may reach: 0, 1, ..., 50.
PRECISION_THRESHOLDS_PX = np.arange(51.0)
#: Centre errors in target sizes that a frame may reach: 0, 0.01, ..., 0.5.
NORMALISED_THRESHOLDS = np.arange(51) / 100
#: The error at which the precision of a tracker is quoted.
PRECISION_PX = 20
#: The normalised error at which pysot and MMTracking quote the normalised precision.
NORMALISED_PRECISION = 0.20

#: MATLAB counts the second half of ``0:0.05:1`` down from its end, which moves some thresholds by
#: one unit in the last place.
_MATLAB_SUCCESS_THRESHOLDS = np.concatenate([np.arange(11) * 0.05, 1 - np.arange(9, -1, -1) * 0.05])


@dataclass(frozen=True)
class Convention:
    """What toolkits do differently with the same boxes.

    Attributes:
        absent: Frames without annotation: ``drop`` leaves them out; ``failure`` counts them as
            missed in every measure; ``minus_one`` sets overlap and error to -1, so that they fail
            in success and **pass** in precision, as the MATLAB toolkit does.
        start_from_annotation: Replace the first predicted box by the annotation before anything is
            measured.
        repeat_invalid: Replace a predicted box that is nan or has no area by the one before it;
            otherwise it is a miss.
        matlab: Thresholds, overlaps and centres computed with the MATLAB toolkit's rounding, and
            overlap and error -1 where the four annotation values, 1-based, are not all positive.
    """

    absent: Literal['drop', 'failure', 'minus_one'] = 'drop'
    start_from_annotation: bool = False
    repeat_invalid: bool = False
    matlab: bool = False


CONVENTIONS = {
    'got10k': Convention(absent='drop'),
    'pysot': Convention(absent='failure'),
    'otb_matlab': Convention(
        absent='minus_one', start_from_annotation=True, repeat_invalid=True, matlab=True
    ),
    # LaSOT_Evaluation_Toolkit, calc_seq_err_robust.m and eval_tracker.m: frames with an absent flag
    # are removed, and the counts of the others are divided by the number of all frames.
    'lasot': Convention(
        absent='failure', start_from_annotation=True, repeat_invalid=True, matlab=True
    ),
}


@dataclass(frozen=True)
class OnePassScore:
    """Curves of one sequence, or their mean over sequences; all values are shares in [0, 1].

    Attributes:
        success: ``(21,)`` share of frames whose overlap exceeds each of :data:`SUCCESS_THRESHOLDS`.
        precision: ``(51,)`` share of frames whose centre error is within each of
            :data:`PRECISION_THRESHOLDS_PX`.
        normalised_precision: ``(51,)`` the same for errors in target sizes,
            :data:`NORMALISED_THRESHOLDS`.
    """

    success: np.ndarray
    precision: np.ndarray
    normalised_precision: np.ndarray

    @property
    def auc(self) -> float:
        """Mean of the success curve."""
        return float(self.success.mean())

    @property
    def precision_at_20px(self) -> float:
        return float(self.precision[PRECISION_PX])

    @property
    def normalised_precision_at_020(self) -> float:
        """Normalised precision as pysot and MMTracking quote it."""
        return float(self.normalised_precision[int(NORMALISED_PRECISION * 100)])

    @property
    def normalised_precision_auc(self) -> float:
        """Normalised precision as the got10k toolkit and the TrackingNet server quote it: mean over
        0..0.5."""
        return float(self.normalised_precision.mean())


def success_curve(overlaps: np.ndarray, thresholds: np.ndarray = SUCCESS_THRESHOLDS) -> np.ndarray:
    """Share of frames whose overlap ``(T,)`` is strictly above each threshold,
    ``(len(thresholds),)``; nan is a miss.

    Raises:
        ValueError: There is no frame.
    """
    known = np.sort(overlaps[~np.isnan(overlaps)])
    return (len(known) - np.searchsorted(known, thresholds, side='right')) / _frame_count(overlaps)


def precision_curve(
    errors: np.ndarray, thresholds: np.ndarray = PRECISION_THRESHOLDS_PX
) -> np.ndarray:
    """Share of frames whose error ``(T,)`` is at most each threshold, ``(len(thresholds),)``; nan
    is a miss.

    Raises:
        ValueError: There is no frame.
    """
    known = np.sort(errors[~np.isnan(errors)])
    return np.searchsorted(known, thresholds, side='right') / _frame_count(errors)


def success_auc(overlaps: np.ndarray) -> float:
    """Mean of the success curve at the 21 thresholds."""
    return float(success_curve(overlaps).mean())


def centre_errors(predicted_xyxy: np.ndarray, annotated_xyxy: np.ndarray) -> np.ndarray:
    """Distances between box centres ``(..., )`` in pixels; nan where a box is nan."""
    return np.hypot(*np.moveaxis(_centre_offsets(predicted_xyxy, annotated_xyxy), -1, 0))


def normalised_centre_errors(predicted_xyxy: np.ndarray, annotated_xyxy: np.ndarray) -> np.ndarray:
    """Distances between box centres ``(..., )`` with each axis in units of the annotated width or
    height."""
    size = annotated_xyxy[..., 2:] - annotated_xyxy[..., :2]
    return np.hypot(*np.moveaxis(_centre_offsets(predicted_xyxy, annotated_xyxy) / size, -1, 0))


def score_one_pass(
    predicted_xyxy: np.ndarray,
    annotated_xyxy: np.ndarray,
    convention: Convention | str = CONVENTIONS['got10k'],
    frames: np.ndarray | None = None,
) -> OnePassScore:
    """Score one sequence.

    Args:
        predicted_xyxy: ``(T, 4)`` boxes, 0-based pixels; nan where the tracker gave none.
        annotated_xyxy: ``(T, 4)`` boxes, nan where the target is absent.
        convention: What to do in the cases that toolkits treat differently, or a key of
            :data:`CONVENTIONS`.
        frames: ``(T,)`` bool, the frames to score; all by default.

    Raises:
        ValueError: Different lengths, or no frame is left to score.
    """
    rules = CONVENTIONS[convention] if isinstance(convention, str) else convention
    predicted = np.asarray(predicted_xyxy, np.float64)
    annotated = np.asarray(annotated_xyxy, np.float64)
    if predicted.shape != annotated.shape or predicted.ndim != 2 or predicted.shape[1] != 4:
        raise ValueError(
            f'predicted and annotated boxes are (T, 4) with the same T, got {predicted.shape} '
            f'and {annotated.shape}'
        )
    predicted = _repaired(predicted, annotated, rules)
    present = _present(annotated, rules)
    if frames is not None:
        predicted, annotated, present = predicted[frames], annotated[frames], present[frames]
    if rules.absent == 'drop':
        predicted, annotated = predicted[present], annotated[present]
        present = present[present]
    absent_value = -1.0 if rules.absent == 'minus_one' else np.nan
    measures = []
    overlap, centre_error = (
        (_matlab_overlaps, _matlab_centre_errors) if rules.matlab else (_overlaps, centre_errors)
    )
    for measure in (overlap, centre_error, normalised_centre_errors):
        values = np.full(len(annotated), absent_value)
        values[
            is_valid(annotated) & ~present
        ] = -1.0  # the toolkits' own rule, whatever is done with frames without annotation
        values[present] = measure(predicted[present], annotated[present])
        measures.append(values)
    overlaps, errors, normalised_errors = measures
    return OnePassScore(
        success_curve(overlaps, _MATLAB_SUCCESS_THRESHOLDS if rules.matlab else SUCCESS_THRESHOLDS),
        precision_curve(errors),
        precision_curve(normalised_errors, NORMALISED_THRESHOLDS),
    )


def mean_score(scores: Sequence[OnePassScore]) -> OnePassScore:
    """Curves averaged over sequences, every sequence with the same weight.

    Raises:
        ValueError: There is no sequence.
    """
    if not scores:
        raise ValueError('no sequence to average over')
    curves = [
        np.mean([getattr(score, name) for score in scores], axis=0)
        for name in ('success', 'precision', 'normalised_precision')
    ]
    return OnePassScore(*curves)


def _frame_count(values: np.ndarray) -> int:
    if not len(values):
        raise ValueError('no frame to score')
    return len(values)


def _centre_offsets(predicted_xyxy: np.ndarray, annotated_xyxy: np.ndarray) -> np.ndarray:
    # Sums before the difference: equal boxes have exactly no error, which the threshold 0 asks for.
    return (
        (predicted_xyxy[..., :2] + predicted_xyxy[..., 2:])
        - (annotated_xyxy[..., :2] + annotated_xyxy[..., 2:])
    ) / 2


def _overlaps(predicted_xyxy: np.ndarray, annotated_xyxy: np.ndarray) -> np.ndarray:
    """IoU without the rounding that lifts equal boxes above 1, which would pass the last
    threshold."""
    return np.minimum(iou(predicted_xyxy, annotated_xyxy), 1)


def _one_based_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    boxes = xyxy_to_xywh(boxes_xyxy)
    boxes[:, :2] += 1
    return boxes


def _matlab_overlaps(predicted_xyxy: np.ndarray, annotated_xyxy: np.ndarray) -> np.ndarray:
    """Overlaps by the toolkit's order of operations on 1-based inclusive corners; only the last
    bits differ from :func:`iou`."""
    predicted = _one_based_xywh(predicted_xyxy)
    annotated = _one_based_xywh(annotated_xyxy)
    right_bottom = np.minimum(
        predicted[:, :2] + predicted[:, 2:] - 1, annotated[:, :2] + annotated[:, 2:] - 1
    )
    sides = np.maximum(0, right_bottom - np.maximum(predicted[:, :2], annotated[:, :2]) + 1)
    inter = sides[:, 0] * sides[:, 1]
    return inter / (predicted[:, 2] * predicted[:, 3] + annotated[:, 2] * annotated[:, 3] - inter)


def _matlab_centre_errors(predicted_xyxy: np.ndarray, annotated_xyxy: np.ndarray) -> np.ndarray:
    """Centre errors with centres as the toolkit computes them, ``x + (w - 1) / 2``; only the last
    bits differ."""
    centres = [
        boxes[:, :2] + (boxes[:, 2:] - 1) / 2
        for boxes in (_one_based_xywh(predicted_xyxy), _one_based_xywh(annotated_xyxy))
    ]
    return np.sqrt(((centres[0] - centres[1]) ** 2).sum(1))


def _repaired(predicted: np.ndarray, annotated: np.ndarray, rules: Convention) -> np.ndarray:
    """The predicted boxes after the replacements that the convention asks for; boxes without area
    become nan."""
    boxes = predicted.copy()
    if rules.start_from_annotation and len(boxes):
        boxes[0] = annotated[0]
    valid = is_valid(boxes)
    if rules.repeat_invalid:
        source = np.maximum.accumulate(np.where(valid, np.arange(len(boxes)), 0))
        boxes, valid = boxes[source], valid[source]
    boxes[~valid] = np.nan
    return boxes


def _present(annotated: np.ndarray, rules: Convention) -> np.ndarray:
    present = is_valid(annotated)
    if rules.matlab:
        present &= (annotated[:, :2] + 1 > 0).all(1)
    return present
