"""The contract between a tracker and everything that drives one."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import own_boxes, start_problem
from usot_plugin.structures.trajectory import Prediction


class TargetBoxError(ValueError):
    """No tracker can start from a box; the message has the box and the cause."""


def _made(kind: type[Tracker], attributes: dict[str, Any]) -> Tracker:
    tracker = kind.__new__(kind)
    tracker.__dict__.update(attributes)
    return tracker


def _unpacked(kind: type[Tracker], packed: bytes) -> Tracker:
    return _made(kind, pickle.loads(packed))


class Tracker(ABC):
    """Follows ``B`` targets from their boxes in one frame.

    State goes in and comes out; the tracker itself remembers no target, so one object serves any
    number of videos at once. ``frames`` is either one ``(H, W, 3)`` uint8 BGR image that all
    targets live in, or a sequence of ``B`` images, one a target (many sequences as one batch).
    Targets do not influence each other, so a state can be taken apart and put together again
    (:meth:`select`, :meth:`concat`).
    """

    #: Whether two runs over the same frames may differ. Protocols that average over repetitions run
    #: such a tracker several times.
    stochastic = False

    def __reduce__(self) -> tuple[Any, ...]:
        # As plain bytes: tensors that travel to another process as shared memory are an open file
        # each, and a fork server takes 253 of them, fewer than a network has.
        return _unpacked, (type(self), pickle.dumps(self.__dict__))

    def __copy__(self) -> Tracker:
        return _made(type(self), self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracker:
        return _made(type(self), deepcopy(self.__dict__, memo))

    def for_run(self, annotation_xyxy: np.ndarray, repetition: int = 0) -> Tracker:
        """The tracker to start one run over a sequence with: protocols call
        ``tracker.for_run(annotation).init(frame, boxes)``.

        Trackers that are to be measured must not look at the annotation and return themselves, as
        this does. It is for trackers that know the answer (:class:`Oracle`), which try a protocol
        out: what they are told goes into the state, so ``update`` can be called on either.

        Args:
            annotation_xyxy: ``(L, 4)``, or ``(L, B, 4)`` for ``B`` targets: the annotated boxes in
                the order in which the frames of the run will be shown, the frame of :meth:`init`
                first; nan where a target is absent.
            repetition: Number of the run among several over the same frames, from 0.
        """
        return self

    @abstractmethod
    def init(self, frames: np.ndarray | Sequence[np.ndarray], boxes_xyxy: np.ndarray) -> Any:
        """Learn ``B`` targets.

        Args:
            frames: One frame for all targets or one per target.
            boxes_xyxy: ``(B, 4)`` or ``(4,)`` boxes in pixels.

        Returns:
            The state to hand to the first :meth:`update`.

        Raises:
            TargetBoxError: There is no box, or one is nan, has no area, lies outside its frame, is
                more than twice as large, or has a side below one pixel.
        """

    @abstractmethod
    def update(
        self, frames: np.ndarray | Sequence[np.ndarray], state: Any
    ) -> tuple[Prediction, Any]:
        """Find the targets in the next frame; returns the prediction and the new state.

        The given state stays usable."""

    def select(self, state: Any, indices: Sequence[int]) -> Any:
        """The state of the targets ``indices``, in this order.

        A list with an entry a target, and an array whose first axis is the target, are understood;
        a tracker with another form of state overrides this method and :meth:`concat`.

        Raises:
            ValueError: The state has a form of its own.
        """
        if isinstance(state, list):
            return [state[index] for index in indices]
        if isinstance(state, np.ndarray):
            return state[list(indices)]
        raise ValueError(
            f'{type(self).__name__}: its state is a {type(state).__name__}, so it has to '
            'override Tracker.select and concat'
        )

    def concat(self, states: Sequence[Any]) -> Any:
        """One state of all targets of ``states``, in their order; the counterpart of
        :meth:`select`.

        Raises:
            ValueError: There is none, or they have a form of their own.
        """
        if states and all(isinstance(state, list) for state in states):
            return [target for state in states for target in state]
        if states and all(isinstance(state, np.ndarray) for state in states):
            return np.concatenate(states)
        forms = ', '.join(sorted({type(state).__name__ for state in states})) or 'nothing'
        raise ValueError(
            f'{type(self).__name__}: its states are {forms}, so it has to override '
            'Tracker.select and concat'
        )


def target_count(boxes_xyxy: Any) -> int:
    """Number of targets of boxes ``(B, 4)`` or ``(4,)``.

    Raises:
        TargetBoxError: No boxes.
    """
    try:
        return len(own_boxes(boxes_xyxy))
    except ValueError as error:
        raise TargetBoxError(str(error)) from error


def frames_per_target(
    frames: np.ndarray | Sequence[np.ndarray], target_count: int
) -> list[np.ndarray]:
    """One frame per target, whatever form the caller used.

    Raises:
        ValueError: A wrong number of frames or a frame that is not ``(H, W, 3)`` uint8.
    """
    per_target = (
        [frames] * target_count
        if isinstance(frames, np.ndarray) and frames.ndim == 3
        else list(frames)
    )
    if len(per_target) != target_count:
        raise ValueError(
            f'{len(per_target)} frames for {target_count} targets: give one frame or one per target'
        )
    for frame in per_target:
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise ValueError(f'a frame is (H, W, 3) uint8 BGR, got {frame.shape} {frame.dtype}')
    return per_target


def checked_boxes(boxes_xyxy: Any, frames: Sequence[np.ndarray]) -> np.ndarray:
    """Boxes as ``(B, 4)`` float64, a copy.

    Raises:
        TargetBoxError: There is no box, or no tracker can start from one (:func:`start_problem`);
            the message holds the box.
    """
    try:
        boxes = own_boxes(boxes_xyxy)
    except ValueError as error:
        raise TargetBoxError(str(error)) from error
    if not len(boxes):
        raise TargetBoxError('there is no target box')
    for box, frame in zip(boxes, frames, strict=True):
        problem = start_problem(box, (frame.shape[1], frame.shape[0]))
        if problem is not None:
            raise TargetBoxError(f'target box x1, y1, x2, y2 = {box.tolist()} {problem}')
    return boxes
