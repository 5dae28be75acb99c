"""ARFlow: flow learned without labels, the estimator of the USOT release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...registry import TASK_UTILS
from .base import FlowEstimator
from .pwc_lite import SIZE_MULTIPLE, PWCLite


def load_pwc_lite(checkpoint: str | Path) -> PWCLite:
    """The network of a published ARFlow checkpoint, on the CPU; number of frames and kind of
    decoder are read off the weights.

    Raises:
        ValueError: The file is missing, unreadable, or no PWC-Lite; one line names it and the
            cause.
    """
    from usot_plugin.utils.checkpoint import (
        CheckpointError,
        load_checkpoint,
        refuse_non_finite,
    )  # takes seconds to import

    path = Path(checkpoint)
    try:
        content = load_checkpoint(path)
    except CheckpointError as error:
        raise ValueError(str(error)) from error
    weights = content.get('state_dict', content) if isinstance(content, Mapping) else None
    if not isinstance(weights, Mapping):
        raise ValueError(
            f'{path}: not a PWC-Lite checkpoint (it holds a {type(content).__name__}, not a '
            'state dict)'
        )
    weights = {name.removeprefix('module.'): value for name, value in weights.items()}
    first = weights.get('flow_estimators.conv1.0.weight')
    if not isinstance(first, Tensor):
        raise ValueError(
            f"{path}: not a PWC-Lite checkpoint (no weight 'flow_estimators.conv1.0.weight')"
        )
    model = PWCLite(
        frames=3 if first.shape[1] > 150 else 2,
        reduced='flow_estimators.predict_flow.0.weight' in weights,
    )
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name, shape in wanted.items():
        given = tuple(weights[name].shape) if name in weights else None
        if given != shape:
            raise ValueError(
                f"{path}: not a PWC-Lite checkpoint (weight '{name}' should have shape {shape}, "
                + (f'it has {given})' if given else 'it is missing)')
            )
    try:
        refuse_non_finite(weights, path)
    except CheckpointError as error:
        raise ValueError(str(error)) from error
    model.load_state_dict({name: weights[name] for name in wanted})
    return model.eval()


@TASK_UTILS.register_module()
class ARFlow(FlowEstimator):
    """PWC-Lite with weights that were learned without labels.

    Args:
        checkpoint: A published ``pwclite_*.tar``; ``pwclite_ar_mv.tar`` (three frames) is the USOT
            release's.
        input_size_wh: Frames are resized to this for the network, as the release does without
            keeping the aspect; multiples of 64.
        device: A torch device; by default CUDA where there is one.

    Raises:
        ValueError: No checkpoint, a wrong one, or sizes that are not multiples of 64.
    """

    color = 'bgr'

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        input_size_wh: tuple[int, int] = (640, 384),
        device: str | None = None,
    ) -> None:
        if checkpoint is None:
            raise ValueError(
                'ARFlow needs checkpoint=<path of a published pwclite_*.tar>; DISFlow needs no '
                'weights'
            )
        if any(side < SIZE_MULTIPLE or side % SIZE_MULTIPLE for side in input_size_wh):
            raise ValueError(
                f'ARFlow: input_size_wh must be multiples of {SIZE_MULTIPLE}, got '
                f'{tuple(input_size_wh)}'
            )
        self.input_size_wh = tuple(input_size_wh)
        self.device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        self.model = load_pwc_lite(checkpoint).to(self.device)
        self.needs_before = self.model.frames == 3

    def _to_tensor(self, frame_bgr: np.ndarray) -> Tensor:
        resized = cv2.resize(frame_bgr, self.input_size_wh, interpolation=cv2.INTER_LINEAR)
        rgb = np.ascontiguousarray(resized[..., ::-1].transpose(2, 0, 1))
        return torch.from_numpy(rgb).to(self.device, torch.float32)[None] / 255

    @torch.inference_mode()
    def flow(
        self, frame0: np.ndarray, frame1: np.ndarray, before: np.ndarray | None = None
    ) -> np.ndarray:
        images = [self._to_tensor(frame0), self._to_tensor(frame1)]
        if self.needs_before:
            images.append(self._to_tensor(frame0 if before is None else before))
        height, width = frame0.shape[:2]
        flow_uv = torch.nn.functional.interpolate(
            self.model(*images), (height, width), mode='bilinear', align_corners=True
        )[0]
        scale = flow_uv.new_tensor([width / self.input_size_wh[0], height / self.input_size_wh[1]])
        return (flow_uv * scale[:, None, None]).permute(1, 2, 0).contiguous().cpu().numpy()
