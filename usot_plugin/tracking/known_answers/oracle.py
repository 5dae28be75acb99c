"""Trackers that know the answer: what protocols and measures are tried on before any real tracker
is.

They are told the annotation by :meth:`Tracker.for_run` and cannot run outside a protocol.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import cxcywh_to_xyxy, is_valid, xyxy_to_cxcywh
from usot_plugin.structures.trajectory import Prediction

from ..base import Tracker, checked_boxes, frames_per_target, target_count


@dataclass(frozen=True)
class ToldTarget:
    """State of one target: the answers, and how far the run is.

    Attributes:
        answers_xyxy: ``(L, 4)`` boxes in the order of the run's frames; nan = absent.
        repetition: Number of the run among several over the same frames.
        index: The frame of the run that was seen last.
        last_xyxy: ``(4,)`` last known box.
    """

    answers_xyxy: np.ndarray
    repetition: int
    index: int
    last_xyxy: np.ndarray


@TASK_UTILS.register_module()
class Oracle(Tracker):
    """Repeats the annotation; where the target is absent, the last box with score 0, and it calls
    the target lost."""

    _annotation: np.ndarray | None = None
    _repetition = 0

    def for_run(self, annotation_xyxy: np.ndarray, repetition: int = 0) -> Oracle:
        """See :meth:`Tracker.for_run`."""
        annotation = np.array(annotation_xyxy, np.float64)
        told = copy(self)
        told._annotation = annotation[:, None] if annotation.ndim == 2 else annotation
        told._repetition = repetition
        return told

    def init(self, frames, boxes_xyxy) -> list[ToldTarget]:
        count = target_count(boxes_xyxy)
        boxes = checked_boxes(boxes_xyxy, frames_per_target(frames, count))
        told = self._annotation
        if told is None:
            raise ValueError(
                f'{type(self).__name__} knows no annotation: only a protocol can tell it '
                '(Tracker.for_run)'
            )
        if told.shape[1] != count:
            raise ValueError(
                f'{type(self).__name__} was told of {told.shape[1]} targets and starts with {count}'
            )
        return [
            ToldTarget(told[:, target], self._repetition, 0, box)
            for target, box in enumerate(boxes)
        ]

    def update(self, frames, state: list[ToldTarget]) -> tuple[Prediction, list[ToldTarget]]:
        after, answers, found = [], [], []
        for frame, target in zip(frames_per_target(frames, len(state)), state, strict=True):
            index = target.index + 1
            if index >= len(target.answers_xyxy):
                raise ValueError(
                    f'{type(self).__name__} was told of {index} frames and is shown one more'
                )
            here = bool(is_valid(target.answers_xyxy[index]))
            target = replace(
                target,
                index=index,
                last_xyxy=target.answers_xyxy[index] if here else target.last_xyxy,
            )
            after.append(target)
            box, sure = self._answer(target, here, frame.shape[1])
            answers.append(box)
            found.append(sure)
        return Prediction(
            np.stack(answers), np.array(found, np.float64), ~np.array(found, bool)
        ), after

    def _answer(self, target: ToldTarget, known: bool, width: int) -> tuple[np.ndarray, bool]:
        """What is said where ``target.last_xyxy`` is right (if ``known``), ``width`` of the frame:
        box ``(4,)``, and whether found."""
        return target.last_xyxy, known


@TASK_UTILS.register_module()
class NoisyOracle(Oracle):
    """The annotation with seeded noise: centres move by a normal share of the size, sides are
    multiplied by a log-normal factor.

    The same seed, sequence and repetition give the same boxes; another repetition gives others.

    Args:
        noise: Standard deviation of both.
        seed: Of the noise.
    """

    stochastic = True

    def __init__(self, noise: float = 0.1, seed: int = 0) -> None:
        if not (np.isfinite(noise) and noise >= 0):
            raise ValueError(f'noise is a standard deviation of at least 0, got {noise!r}')
        self.noise, self.seed = noise, seed

    def _answer(self, target: ToldTarget, known: bool, width: int) -> tuple[np.ndarray, bool]:
        random = np.random.default_rng(
            [self.seed, target.repetition, target.index, crc32(target.answers_xyxy.tobytes())]
        )
        offset, scale = random.normal(0, self.noise, (2, 2))
        box = xyxy_to_cxcywh(target.last_xyxy)
        return cxcywh_to_xyxy(
            np.concatenate([box[:2] + offset * box[2:], box[2:] * np.exp(scale)])
        ), known


@TASK_UTILS.register_module()
class FailAt(Oracle):
    """The annotation up to a certain frame; from there on a box to the right of the image, which
    overlaps nothing under any protocol's rule for boxes that stick out, and is called lost.

    Args:
        frame: Updates after the start of a run until it fails, at least 1; a restarted run fails as
            late again.
    """

    def __init__(self, frame: int) -> None:
        if frame < 1:
            raise ValueError(f'frame is the number of an update, at least 1, got {frame!r}')
        self.frame = frame

    def _answer(self, target: ToldTarget, known: bool, width: int) -> tuple[np.ndarray, bool]:
        if target.index < self.frame:
            return super()._answer(target, known, width)
        away = target.last_xyxy.copy()
        away[[0, 2]] += width + 1 - away[0]
        return away, False
