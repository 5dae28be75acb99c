"""What the tests of UDT share: closed-form weights, the closed-form clip, and the runs that the golden files hold."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from usot_plugin.models import UDT
from usot_plugin.models.trackers import UDTTracker
from usot_plugin.models.trackers.window_crop import crop_window
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_cxcywh

GOLDEN = Path(__file__).parents[1] / 'golden'
sys.path.insert(0, str(GOLDEN / 'usot'))
import synthetic_clip  # noqa: E402

PIXELS = dict(type='SOTDataPreprocessor', mean=[104.0, 117.0, 123.0], std=[1.0, 1.0, 1.0])


def formula_udt(channels: int = 32, kind: type = UDT, **changes) -> UDT:
    """A network whose weights are sines of their index: the same on every machine."""
    model = kind(backbone=dict(type='DCFNetBackbone', channels=channels), data_preprocessor=PIXELS, **changes)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            index = torch.arange(parameter.numel(), dtype=torch.float64)
            scale = 0.3 if parameter.ndim == 1 else 1.5 / parameter[0].numel() ** 0.5
            parameter.copy_((scale * torch.sin(1.7 * index + 0.9 * index.sqrt() + number)).view_as(parameter))
    return model.eval()


def frames(count: int) -> list[np.ndarray]:
    return [synthetic_clip.frame(t) for t in range(count)]


def first_box() -> np.ndarray:
    return xywh_to_xyxy(np.array(synthetic_clip.target_box(0), float))


def follow(tracker: UDTTracker, clip: list[np.ndarray], box_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(T - 1, 4)`` cxcywh and scores of all frames but the first."""
    state = tracker.init(clip[0], box_xyxy)
    rows = []
    for frame in clip[1:]:
        prediction, state = tracker.update(frame, state)
        rows.append((xyxy_to_cxcywh(prediction.boxes_xyxy[0]), prediction.scores[0]))
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def track_synthetic() -> tuple[np.ndarray, np.ndarray]:
    return follow(UDTTracker(formula_udt(legacy=True, normalise=False)), frames(20), first_box())


def training_crops(batch: int = 3, side: int = 41) -> torch.Tensor:
    """Normalised groups ``(batch, 3, 3, side, side)`` of the clip, the window standing still."""
    clip = frames(2 * batch + 5)
    groups = []
    for start in range(0, 2 * batch, 2):
        left, top, width, height = synthetic_clip.target_box(start)
        centre, size = (left + width / 2, top + height / 2), (3 * width, 3 * height)
        groups.append(np.stack([crop_window(clip[start + step], centre, size, (side, side)) for step in (0, 2, 5)]))
    return (torch.from_numpy(np.stack(groups)).movedim(-1, 2).float() - 117) / 64


def loss_curve() -> list[float]:
    """Losses of five steps."""
    model = formula_udt(channels=4, loss=dict(type='ConsistencyLoss', drop_share=0.3)).train()
    crops = training_crops()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(5):
        loss = model.loss({'frames': crops}, [])['loss_consistency']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
