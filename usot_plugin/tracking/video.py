"""Follow targets through a clip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from usot_plugin.structures.clip import Clip, open_clip
from usot_plugin.structures.trajectory import Prediction, Trajectory
from usot_plugin.tracking import Tracker

from .box_input import check_boxes_in_frame
from .online import OnlineTracker

#: Called after each frame with its index, the frame and what was predicted; ``False`` ends the
#: tracking there.
OnFrame = Callable[[int, np.ndarray, Prediction], 'bool | None']


def track_video(
    tracker: Tracker,
    clip: Clip | str | Path,
    boxes_xyxy: np.ndarray | list,
    on_frame: OnFrame | None = None,
    start: int = 0,
    stop: int | None = None,
) -> list[Trajectory]:
    """Follow targets through a clip, a video file or a folder of images.

    Args:
        tracker: See :func:`init_tracker`.
        clip: Frames, or their path.
        boxes_xyxy: ``(B, 4)`` or ``(4,)`` boxes in frame ``start``.
        on_frame: Sees every frame, the first included.
        start: Frame to start in.
        stop: End, exclusive; the clip's end by default.

    Returns:
        One trajectory a target; entry 0 is frame ``start``.

    Raises:
        ClipError: The clip cannot be read.
        InputError: A box lies outside the frames or is far larger.
        ValueError: There is no box, one is nan or has no area, or there is no frame between
            ``start`` and ``stop``.
    """
    clip = clip if isinstance(clip, Clip) else open_clip(clip)
    check_boxes_in_frame(boxes_xyxy, clip.size_wh, str(clip.path))
    return track_frames(tracker, clip.iter_frames(start, stop), boxes_xyxy, on_frame)


def track_frames(
    tracker: Tracker,
    frames: Iterable[tuple[int, np.ndarray]],
    boxes_xyxy: np.ndarray | list,
    on_frame: OnFrame | None = None,
) -> list[Trajectory]:
    """The same for any numbered frames, also those of a live source; ends with them or when
    ``on_frame`` says ``False``.

    Raises:
        ValueError: There is no frame, or a box is nan or has no area.
    """
    online = OnlineTracker(tracker)
    predictions: list[Prediction] = []
    seconds: list[float] = []
    for index, frame in frames:
        begin = time.perf_counter()
        prediction = online.update(frame) if online.started else online.init(frame, boxes_xyxy)
        seconds.append(time.perf_counter() - begin)
        predictions.append(prediction)
        if on_frame is not None and on_frame(index, frame, prediction) is False:
            break
    if not predictions:
        raise ValueError('there is no frame to track in')
    boxes = np.stack([prediction.boxes_xyxy for prediction in predictions], 1)
    scores = np.stack([prediction.scores for prediction in predictions], 1)
    lost = np.stack([prediction.lost for prediction in predictions], 1)
    return [
        Trajectory(boxes[target], scores[target], lost[target], np.array(seconds))
        for target in range(len(boxes))
    ]
