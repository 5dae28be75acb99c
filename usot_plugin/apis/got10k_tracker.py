"""Our trackers as a client of the got10k toolkit:
``ExperimentOTB(...).run(GOT10kTracker(init_tracker(...), 'USOT'))``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.structures.clip import read_image
from usot_plugin.tracking import Tracker

from ..tracking.online import OnlineTracker


class GOT10kTracker:
    """The interface that every experiment of the got10k toolkit asks for; the toolkit itself is not
    needed to make one.

    Args:
        tracker: Any tracker.
        name: Folder of the results.
        origin: Coordinate of the first pixel's corner in the experiment's annotation: 1 for OTB,
            LaSOT, UAV123 and TColor-128, 0 for GOT-10k, TrackingNet, NfS and VOT.

    Attributes:
        name: See above.
        is_deterministic: Whether the toolkit need not repeat a run.

    Raises:
        ValueError: Another origin.
    """

    def __init__(self, tracker: Tracker, name: str, origin: int = 1) -> None:
        if origin not in (0, 1):
            raise ValueError(f'origin is 0 or 1, got {origin!r}')
        self.name, self.is_deterministic = name, not tracker.stochastic
        self._online = OnlineTracker(tracker)
        self._shift = np.array([origin, origin, 0, 0], np.float64)

    def init(self, image: Any, box: np.ndarray | Sequence[float]) -> None:
        """Start with a target.

        Args:
            image: RGB image of Pillow, or ``(H, W, 3)`` uint8 RGB.
            box: ``x, y, w, h`` in the annotation's coordinates.

        Raises:
            ValueError: The box is nan, has no area or lies outside the image.
        """
        self._online.init(_bgr(image), xywh_to_xyxy(np.asarray(box, np.float64) - self._shift))

    def update(self, image: Any) -> np.ndarray:
        """The target in the next image: ``(4,)`` ``x, y, w, h`` in the annotation's coordinates.

        Raises:
            RuntimeError: :meth:`init` was not called.
        """
        return xyxy_to_xywh(self._online.update(_bgr(image)).boxes_xyxy[0]) + self._shift

    def track(
        self,
        img_files: Sequence[str | Path],
        box: np.ndarray | Sequence[float],
        visualize: bool = False,
    ) -> tuple:
        """Run over the images of one sequence, as the toolkit's base class does.

        Args:
            img_files: Paths of the images.
            box: See :meth:`init`.
            visualize: Accepted and not looked at; the toolkit's ``show`` draws finished results.

        Returns:
            Boxes ``(T, 4)``, the first of them ``box``, and seconds ``(T,)``, decoding excluded.

        Raises:
            ClipError: An image cannot be read.
        """
        boxes = np.zeros((len(img_files), 4))
        seconds = np.zeros(len(img_files))
        for index, file in enumerate(img_files):
            image = read_image(Path(file), index)[..., ::-1]
            start = time.perf_counter()
            if index == 0:
                self.init(image, box)
                boxes[0] = box
            else:
                boxes[index] = self.update(image)
            seconds[index] = time.perf_counter() - start
        return boxes, seconds


def _bgr(image: Any) -> np.ndarray:
    pixels = np.asarray(
        image
        if isinstance(image, np.ndarray) or getattr(image, 'mode', 'RGB') == 'RGB'
        else image.convert('RGB')
    )
    return pixels[..., ::-1]
