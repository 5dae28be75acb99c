"""What the tests of UDT share: closed-form weights, the closed-form clip, and the runs that the
golden files hold."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from usot_plugin.models import UDT, DCFNet
from usot_plugin.structures.boxes import xywh_to_xyxy, xyxy_to_cxcywh
from usot_plugin.structures.crops import boxes_to_crop
from usot_plugin.tracking import UDTTracker
from usot_plugin.tracking.window_crop import crop_window

GOLDEN = Path(__file__).parents[1] / 'golden'
sys.path.insert(0, str(GOLDEN / 'usot'))
import synthetic_clip  # noqa: E402

PIXELS = dict(type='SOTDataPreprocessor', mean=[104.0, 117.0, 123.0], std=[1.0, 1.0, 1.0])


def formula_udt(channels: int = 32, kind: type = UDT, **changes) -> UDT:
    """A network whose weights are sines of their index: the same on every machine."""
    model = kind(
        backbone=dict(type='DCFNetBackbone', channels=channels), data_preprocessor=PIXELS, **changes
    )
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            index = torch.arange(parameter.numel(), dtype=torch.float64)
            scale = 0.3 if parameter.ndim == 1 else 1.5 / parameter[0].numel() ** 0.5
            parameter.copy_(
                (scale * torch.sin(1.7 * index + 0.9 * index.sqrt() + number)).view_as(parameter)
            )
    return model.eval()


def frames(count: int) -> list[np.ndarray]:
    return [synthetic_clip.frame(t) for t in range(count)]


def first_box() -> np.ndarray:
    return xywh_to_xyxy(np.array(synthetic_clip.target_box(0), float))


def follow(
    tracker: UDTTracker, clip: list[np.ndarray], box_xyxy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(T - 1, 4)`` cxcywh and scores of all frames but the first."""
    state = tracker.init(clip[0], box_xyxy)
    rows = []
    for frame in clip[1:]:
        prediction, state = tracker.update(frame, state)
        rows.append((xyxy_to_cxcywh(prediction.boxes_xyxy[0]), prediction.scores[0]))
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def track_synthetic() -> tuple[np.ndarray, np.ndarray]:
    return follow(UDTTracker(formula_udt(legacy=True, normalise=False)), frames(20), first_box())


#: Frames of a training group, counted from its first, and the first frames of groups.
GROUP_STEPS = (0, 2, 5)
GROUP_STARTS = (0, 2, 4)


def group_window(start: int) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of the window around the target in the first frame of a group."""
    box = np.array(synthetic_clip.target_box(start), float)
    return box[:2] + box[2:] / 2, 3 * box[2:]


def training_crops(side: int = 41) -> torch.Tensor:
    """Normalised groups ``(3, 3, 3, side, side)`` of the clip, the window standing still."""
    clip = frames(GROUP_STARTS[-1] + GROUP_STEPS[-1] + 1)
    groups = []
    for start in GROUP_STARTS:
        window = group_window(start)
        groups.append(
            np.stack(
                [crop_window(clip[start + step], *window, (side, side)) for step in GROUP_STEPS]
            )
        )
    return (torch.from_numpy(np.stack(groups)).movedim(-1, 2).float() - 117) / 64


def training_boxes(side: int = 41) -> list[SimpleNamespace]:
    """Boxes of the target in :func:`training_crops`, as samples."""
    samples = []
    for start in GROUP_STARTS:
        centre, size = group_window(start)
        boxes = xywh_to_xyxy(
            np.array([synthetic_clip.target_box(start + step) for step in GROUP_STEPS], float)
        )
        in_crop = boxes_to_crop(boxes, (*(centre - size / 2), *(centre + size / 2)), (side, side))
        samples.append(SimpleNamespace(frames_boxes_xyxy=torch.from_numpy(in_crop).float()))
    return samples


#: Name of each training loss, its model and a learning rate.
LOSSES = {
    'loss_consistency': (dict(loss=dict(type='ConsistencyLoss', drop_share=0.3)), 0.02),
    'loss_response': (dict(kind=DCFNet), 0.005),
}


def loss_curve(name: str) -> list[float]:
    """Values of a loss in five steps."""
    options, lr = LOSSES[name]
    model = formula_udt(channels=4, **options).train()
    crops, samples = training_crops(), training_boxes()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    losses = []
    for _ in range(5):
        loss = model.loss({'frames': crops}, samples)[name]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
