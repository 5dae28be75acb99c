"""A plain Python function, or a class with ``init`` and ``update`` as the got10k toolkit wants it,
as a tracker."""

from __future__ import annotations

import copyreg
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.utils.config import nearest

from ..base import Tracker, checked_boxes, frames_per_target, target_count


def is_reference(name: Any) -> bool:
    """Whether ``name`` has the form ``path/to/file.py:name``."""
    return isinstance(name, str) and name.rpartition(':')[0].endswith('.py')


def load_reference(reference: str) -> Any:
    """The function or class that ``path/to/file.py:name`` names.

    Raises:
        ValueError: No such file, it cannot be imported, or it has no such name.
    """
    path, _, name = reference.rpartition(':')
    file = Path(path)
    if not file.is_file():
        raise ValueError(f'{path}: no such file (tracker {reference!r})')
    # The name changes with the file, so that an edited one is read again.
    digest = hashlib.sha1(
        f'{file.resolve()}:{file.stat().st_mtime_ns}'.encode(), usedforsecurity=False
    ).hexdigest()[:12]
    module_name = f'_tracker_file_{digest}'
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, file)
        assert spec is not None and spec.loader is not None  # the suffix is .py
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except (
            Exception
        ) as error:  # whatever a user's file raises: it is named, with the cause behind it
            del sys.modules[module_name]
            raise ValueError(
                f'{path}: cannot be imported ({type(error).__name__}: {error})'
            ) from error
    target = getattr(module, name, None)
    if target is None:
        known = [key for key, value in vars(module).items() if callable(value)]
        raise ValueError(f'{path}: there is no {name!r} in it{nearest(name, known)}')
    if inspect.isclass(target) and issubclass(target, Tracker):
        # A worker process has no module of this name: it reads the file again.
        copyreg.pickle(target, lambda tracker: (_restore, (reference, vars(tracker))))
    return target


def _restore(reference: str, attributes: dict[str, Any]) -> Tracker:
    cls = load_reference(reference)
    tracker = object.__new__(cls)
    vars(tracker).update(attributes)
    return tracker


@TASK_UTILS.register_module()
class FunctionTracker(Tracker):
    """Wraps ``function(frame, box, memory) -> box``, or a class with ``init(image, box)`` and
    ``update(image) -> box``.

    A function gets the frame ``(H, W, 3)`` uint8 BGR, the box ``(4,)`` ``x1, y1, x2, y2`` in the
    first frame and None in all others, and a dict of its own that it may fill; what it returns in
    the first frame is not looked at. It replaces entries of the dict and leaves the old values as
    they are, so that a state can be used twice.

    A class follows the got10k toolkit: ``init`` and ``update`` get an RGB image of Pillow, boxes
    are ``x, y, w, h`` and 1-based. One object is made for each target, without arguments. It
    remembers its target inside, so each of its states can be used once.

    Returning None says that the target is lost: the last box is repeated with score 0.

    Args:
        function: The function or class, or ``'path/to/file.py:name'``.

    Raises:
        ValueError: It is neither, or the file has no such name.
    """

    def __init__(self, function: Callable[..., Any] | str) -> None:
        self.function = function
        target = load_reference(function) if isinstance(function, str) else function
        self._is_class = inspect.isclass(target)
        if self._is_class and not all(
            callable(getattr(target, method, None)) for method in ('init', 'update')
        ):
            raise ValueError(
                f'{self.name} is no tracker: a class needs init(image, box) and update(image)'
            )
        if not callable(target):
            raise ValueError(
                f'{self.name} is no tracker: neither a function nor a class with init and update'
            )
        self._target = target

    @property
    def name(self) -> str:
        """How messages call it."""
        return (
            self.function
            if isinstance(self.function, str)
            else getattr(self.function, '__qualname__', repr(self.function))
        )

    def __reduce__(self):  # what was read from a file is read again by the process that gets it
        return type(self), (self.function,)

    def init(self, frames, boxes_xyxy):
        """See :meth:`Tracker.init`."""
        count = target_count(boxes_xyxy)
        per_target = frames_per_target(frames, count)
        boxes = checked_boxes(boxes_xyxy, per_target)
        return [
            (box, self._start(frame, box)) for frame, box in zip(per_target, boxes, strict=True)
        ]

    def update(self, frames, state):
        """See :meth:`Tracker.update`."""
        boxes, lost, after = [], [], []
        for frame, (last, memory) in zip(frames_per_target(frames, len(state)), state, strict=True):
            answer, memory = self._step(frame, memory)
            lost.append(answer is None)
            boxes.append(last if answer is None else self._checked(answer))
            after.append((boxes[-1], memory))
        flags = np.array(lost)
        return Prediction(np.stack(boxes), 1.0 - flags, flags), after

    def _start(self, frame: np.ndarray, box_xyxy: np.ndarray) -> Any:
        if not self._is_class:
            memory: dict[Any, Any] = {}
            self._target(frame, box_xyxy.copy(), memory)
            return memory
        follower = _Follower(self._target, self.name)
        follower.tracker.init(_pillow(frame), to_toolkit(box_xyxy))
        return follower, 0

    def _step(self, frame: np.ndarray, memory: Any) -> tuple[Any, Any]:
        if not self._is_class:
            own = dict(memory)
            return self._target(frame, None, own), own
        follower, step = memory
        answer = follower.update(frame, step)
        return (None if answer is None else from_toolkit(self._checked(answer))), (
            follower,
            step + 1,
        )

    def _checked(self, answer: Any) -> np.ndarray:
        try:
            box = np.array(answer, np.float64).reshape(
                -1
            )  # the user's function may keep and change its own
        except (TypeError, ValueError):
            box = np.empty(0)
        if len(box) != 4:
            raise ValueError(
                f'{self.name} returned {answer!r:.80}, which is no box of four numbers'
            )
        return box


class _Follower:
    """One object of a got10k-style class, which changes from frame to frame."""

    def __init__(self, cls: Callable[[], Any], name: str) -> None:
        try:
            self.tracker = cls()
        except TypeError as error:
            raise ValueError(f'{name} cannot be made without arguments ({error})') from error
        self.name, self.step = name, 0

    def update(self, frame: np.ndarray, step: int) -> Any:
        if step != self.step:
            raise ValueError(
                f'{self.name} remembers its target inside and cannot go back to an earlier state'
            )
        self.step += 1
        return self.tracker.update(_pillow(frame))


def to_toolkit(box_xyxy: np.ndarray) -> np.ndarray:
    """A box ``x1, y1, x2, y2`` as the got10k toolkit hands it to a tracker: ``x, y, w, h``,
    1-based."""
    return xyxy_to_xywh(box_xyxy) + [1, 1, 0, 0]


def from_toolkit(box_xywh: np.ndarray) -> np.ndarray:
    """The way back from :func:`to_toolkit`."""
    return xywh_to_xyxy(box_xywh - [1, 1, 0, 0])


def _pillow(frame: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
