"""What every optical-flow estimator offers to discovery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ...registry import TASK_UTILS


class FlowEstimator(ABC):
    """Dense flow between two frames of one clip.

    Attributes:
        color: The frames it wants: ``'gray'`` for ``(H, W)`` or ``'bgr'`` for ``(H, W, 3)``, uint8
            and contiguous.
        needs_before: Whether it also looks at the frame as far before ``frame0`` as ``frame1`` lies
            after it.
        min_side_px: Frames with a shorter side cannot be given to it.
    """

    color: Literal['gray', 'bgr'] = 'gray'
    needs_before: bool = False
    min_side_px: int = 16

    @abstractmethod
    def flow(
        self, frame0: np.ndarray, frame1: np.ndarray, before: np.ndarray | None = None
    ) -> np.ndarray:
        """Where each pixel of ``frame0`` went in ``frame1``.

        Args:
            frame0: ``(H, W)`` or ``(H, W, 3)`` uint8, as ``color`` says.
            frame1: A later frame of the same shape.
            before: An earlier frame of the same shape, only where ``needs_before``.

        Returns:
            ``(H, W, 2)`` float32 ``flow_uv``: motion to the right and downwards in pixels of the
            given frames.
        """


def build_flow(options: Mapping[str, Any] | FlowEstimator) -> FlowEstimator:
    """The estimator of a config such as ``dict(type='DISFlow', preset='fast')``.

    Raises:
        ValueError: The type is not registered, is no flow estimator, or an option does not fit; one
            line says which.
    """
    if isinstance(options, FlowEstimator):
        return options
    try:
        estimator = TASK_UTILS.build(dict(options))
    except (KeyError, TypeError) as error:
        # MMEngine's messages run over several lines; the last sentence of the first is the cause.
        cause = str(error).strip('"\'').splitlines()[0]
        raise ValueError(
            f"flow estimator '{options.get('type')}' cannot be built: {cause}"
        ) from error
    if not isinstance(estimator, FlowEstimator):
        raise ValueError(
            f"flow estimator '{options.get('type')}' is a {type(estimator).__name__}, not a "
            'FlowEstimator'
        )
    return estimator
