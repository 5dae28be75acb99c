"""Where detections come from: a recorded file, or a detector of mmdet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from usot_plugin.registry import MODELS, TASK_UTILS
from usot_plugin.structures.boxes import xywh_to_xyxy
from usot_plugin.structures.detections import Detections
from usot_plugin.utils.checkpoint import extract_state_dict, load_checkpoint, load_state
from usot_plugin.utils.config import load_config

#: Columns of a MOTChallenge detection file that are read: frame, id, x, y, w, h, score and, where
#: there is one, class.
LEAST_COLUMNS = 7
#: What mmdet's multi-object trackers put before the weights of the detector in them.
DETECTOR_PREFIX = 'detector.'


class DetectionError(ValueError):
    """A file of detections cannot be read; the message names file and line."""


class DetectionSource(ABC):
    """Detections of the frames of one video."""

    @abstractmethod
    def detect(self, frame_index: int, frame: np.ndarray) -> Detections:
        """Detections of frame ``frame_index`` (from 0), ``(H, W, 3)`` uint8 BGR."""


@TASK_UTILS.register_module()
class RecordedDetections(DetectionSource):
    """Detections of a text file in MOTChallenge's form: ``frame, id, x, y, w, h, score[, class,
    ...]``, frames from 1.

    Args:
        path: The file.
        origin: Coordinates of the first pixel's corner in it; MOTChallenge counts from 1.
        min_score: Detections below are left out.

    Raises:
        DetectionError: The file is missing or malformed.
    """

    def __init__(self, path: str | Path, origin: int = 1, min_score: float = 0.0) -> None:
        self.path, self.origin = Path(path), origin
        rows = self._rows()
        rows = rows[rows[:, 6] >= min_score]
        boxes_xywh = rows[:, 2:6] - (origin, origin, 0, 0)
        self._frames = rows[:, 0].astype(int) - 1
        self._all = Detections(xywh_to_xyxy(boxes_xywh), rows[:, 6], np.clip(rows[:, 7], 0, None))

    def _rows(self) -> np.ndarray:
        try:
            lines = self.path.read_text(encoding='utf-8').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DetectionError(
                f'{self.path}: cannot be read '
                f'({getattr(error, "strerror", None) or "not a text file"})'
            ) from error
        rows = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = [float(value) for value in line.split(',')]
            except ValueError as error:
                raise DetectionError(
                    f'{self.path}, line {number}: not a number ({error})'
                ) from error
            if len(row) < LEAST_COLUMNS or not np.isfinite(row[:LEAST_COLUMNS]).all() or row[0] < 1:
                raise DetectionError(
                    f'{self.path}, line {number}: expected frame (from 1), id, x, y, w, h, '
                    f'score; got {line.strip()!r}'
                )
            rows.append(
                [*row[:LEAST_COLUMNS], row[LEAST_COLUMNS] if len(row) > LEAST_COLUMNS else 0.0]
            )
        return np.array(rows, np.float64).reshape(-1, LEAST_COLUMNS + 1)

    def detect(self, frame_index: int, frame: np.ndarray) -> Detections:
        return self._all[self._frames == frame_index]


@TASK_UTILS.register_module()
class HostDetector(DetectionSource):
    """A detector of mmdet, in this process; it needs mmcv with compiled ops.

    Args:
        config: Its config file, or ``'mmdet::yolox/yolox_s_8xb8-300e_coco.py'`` for one that mmdet
            brings along.
        checkpoint: Its weights, or those of a multi-object tracker of mmdet that it is the detector
            of; None for random ones.
        device: Where it runs.
        min_score: Detections below are left out; ByteTrack wants the weak ones, too.
        labels: Class numbers to keep; all by default.
        cfg_options: Dotted keys of its config and their new values.
    """

    def __init__(
        self,
        config: str,
        checkpoint: str | Path | None = None,
        device: str = 'cpu',
        min_score: float = 0.1,
        labels: list[int] | None = None,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        from mmengine.registry import DefaultScope

        self._scope = DefaultScope.overwrite_default_scope
        cfg = self._config(config, cfg_options)
        with self._scope('mmdet'):
            self._detector = MODELS.build(cfg.model)
        self._detector.cfg = cfg
        if checkpoint is not None:
            load_detector_weights(self._detector, checkpoint)
        self._detector.to(device).eval()
        self.min_score, self.labels = min_score, labels

    @staticmethod
    def _config(config: str, options: dict[str, Any] | None):
        if '::' not in config:
            return load_config(config, options)
        from mmengine.hub import get_config

        cfg = get_config(config)
        cfg.merge_from_dict(dict(options or {}))
        return cfg

    @torch.inference_mode()
    def detect(self, frame_index: int, frame: np.ndarray) -> Detections:
        from mmdet.apis import inference_detector

        with self._scope('mmdet'):
            found = inference_detector(self._detector, frame).pred_instances.cpu().numpy()
        detections = Detections(found.bboxes, found.scores, found.labels)
        kept = detections.scores >= self.min_score
        return detections[
            kept if self.labels is None else kept & np.isin(detections.labels, self.labels)
        ]


def load_detector_weights(detector: nn.Module, path: str | Path) -> None:
    """Load a detector's weights, which may lie in a file of a whole multi-object tracker
    (ByteTrack: ``detector.`` before every key).

    Raises:
        CheckpointError: The file cannot be read, or belongs to another detector (the message says
            which keys).
    """
    state = extract_state_dict(load_checkpoint(path), path)
    inner = {
        key[len(DETECTOR_PREFIX) :]: value
        for key, value in state.items()
        if key.startswith(DETECTOR_PREFIX)
    }
    # A detector may itself have a part of this name.
    if inner and not any(key.startswith(DETECTOR_PREFIX) for key in detector.state_dict()):
        state = inner
    load_state(detector, state, path)
