"""Any function as a flow estimator."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

from ...registry import TASK_UTILS
from .base import FlowEstimator


def load_function(spec: str) -> Callable:
    """The function of ``'package.module:function'``.

    Raises:
        ValueError: The text has another form, or there is no such module or function.
    """
    module_name, _, name = spec.partition(':')
    if not module_name or not name:
        raise ValueError(f"a function is named 'module:function', got '{spec}'")
    try:
        found = importlib.import_module(module_name)
        for part in name.split('.'):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"'{spec}' cannot be loaded ({error})") from error
    if not callable(found):
        raise ValueError(f"'{spec}' is not callable")
    return found


@TASK_UTILS.register_module()
class CallableFlow(FlowEstimator):
    """Flow from a function ``(frame0, frame1) -> (H, W, 2)``, for RAFT and its kin or for files of
    precomputed flow.

    Args:
        function: The function, or ``'module:function'`` (which also travels to worker processes).
        color: ``'gray'`` or ``'bgr'``, the frames it wants.
        needs_before: Call it with a third argument, the frame as far before.

    Raises:
        ValueError: The function cannot be loaded, or ``color`` is neither of the two.
    """

    def __init__(
        self, function: Callable | str, color: str = 'bgr', needs_before: bool = False
    ) -> None:
        if color not in ('gray', 'bgr'):
            raise ValueError(f"CallableFlow: color must be 'gray' or 'bgr', got '{color}'")
        self.color = color  # type: ignore[assignment]
        self.needs_before = needs_before
        self.name = (
            function
            if isinstance(function, str)
            else getattr(function, '__name__', type(function).__name__)
        )
        self._function = load_function(function) if isinstance(function, str) else function

    def flow(
        self, frame0: np.ndarray, frame1: np.ndarray, before: np.ndarray | None = None
    ) -> np.ndarray:
        """As the base class.

        Raises:
            ValueError: The function gave another shape, or numbers that are not finite.
        """
        given = (
            self._function(frame0, frame1, before)
            if self.needs_before
            else self._function(frame0, frame1)
        )
        flow_uv = np.asarray(given, np.float32)
        if flow_uv.shape != (*frame0.shape[:2], 2):
            raise ValueError(
                f"flow function '{self.name}' must give shape {(*frame0.shape[:2], 2)}, got "
                f'{flow_uv.shape}'
            )
        if not np.isfinite(flow_uv).all():
            raise ValueError(f"flow function '{self.name}' gave numbers that are not finite")
        return flow_uv
