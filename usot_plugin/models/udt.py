"""UDT and its supervised counterpart DCFNet: a shallow network in front of a correlation filter."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS

from .base_sot import BaseSOTModel
from .layers.dcf import CorrelationFilter, gaussian_label, peak_shift
from .losses.consistency import squared_distances


@MODELS.register_module()
class DCFNet(BaseSOTModel):
    """Siamese correlation filter, trained from known boxes in pairs of frames.

    A crop shows ``1 + padding`` times the width and height of the target, each axis by itself.
    Responses and labels are cyclic maps whose index (0, 0) stands for the middle of the crop.

    Args:
        backbone: Config of a stride-1 backbone with an argument ``padding``, such as
            :class:`DCFNetBackbone`.
        regularisation: ``lambda`` of the filter.
        normalise: See :class:`CorrelationFilter`.
        padding: Context on both sides together, in sizes of the target.
        sigma_factor: Standard deviation of the label, in geometric mean sizes of the target.
        legacy: Whole-number division as in the Python-2 release (sigma 4.1 for 125 px) and its
            geometry of crops in the tracker; for published weights.
        train_cfg: Must be empty: there is nothing to schedule.
        test_cfg: Config of the tracker.

    Raises:
        ValueError: An unknown key in ``train_cfg``.

    Reference:
        Wang, Gao, Xing, Zhang, Hu: DCFNet (arXiv:1704.04057).
    """

    def __init__(
        self,
        backbone: dict,
        regularisation: float = 1e-4,
        normalise: bool = True,
        padding: float = 2.0,
        sigma_factor: float = 0.1,
        legacy: bool = False,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if train_cfg:
            raise ValueError(
                f'{type(self).__name__} has no keys in train_cfg, got {sorted(train_cfg)}'
            )
        super().__init__(data_preprocessor, None, test_cfg, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.filter = CorrelationFilter(regularisation, normalise)
        self.padding, self.sigma_factor, self.legacy = padding, sigma_factor, legacy

    def idle_parameters(self, epoch: int) -> list[nn.Parameter] | None:
        return []

    def label_sigma(self, crop_px: int) -> float:
        """Standard deviation in pixels of the label of a square crop; 4.1667 for 125 px."""
        target_px = (
            crop_px // math.floor(1 + self.padding) if self.legacy else crop_px / (1 + self.padding)
        )
        return self.sigma_factor * target_px

    def extract_frames(self, frames: Tensor) -> Tensor:
        """Features ``(B, N, C, S - 4, S - 4)`` of normalised crops ``(B, N, 3, S, S)``, without
        padding."""
        return self.backbone(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def labels(self, shift_rc: Tensor, features: Tensor, crop_px: int) -> Tensor:
        """Labels ``(B, h, w)`` with their peaks at shifts ``(B, 2)`` in pixels, rows first."""
        return gaussian_label(
            (features.shape[-2], features.shape[-1]), self.label_sigma(crop_px), shift_rc, features
        )

    def raw_maps(self, inputs: dict[str, Tensor], data_samples: list) -> Tensor:
        """Responses ``(B, N - 1, h, w)`` of the first frame's filter to the others."""
        frames = inputs['frames']
        features = self.extract_frames(frames)
        label = self.labels(features.new_zeros(1, 2), features, frames.shape[-1])
        filters = self.filter.learn(features[:, 0], label)
        return torch.stack(
            [
                self.filter.respond(filters, features[:, index])
                for index in range(1, frames.shape[1])
            ],
            1,
        )

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Mean squared distance to the labels of the known boxes.

        Args:
            inputs: ``frames (B, N, 3, S, S)``; the filter is learned from the first one.
            data_samples: ``B`` samples with ``frames_boxes_xyxy (N, 4)`` in crop pixels.

        Returns:
            ``loss_response``.

        Reference:
            DCFNet, Eq. 4.
        """
        frames = inputs['frames']
        features = self.extract_frames(frames)
        boxes = self.stack_boxes(data_samples, 'frames_boxes_xyxy', frames)
        centres = (boxes[..., :2] + boxes[..., 2:]) / 2
        shifts = (centres - frames.shape[-1] / 2).flip(-1)
        labels = [
            self.labels(shifts[:, index], features, frames.shape[-1])
            for index in range(frames.shape[1])
        ]
        filters = self.filter.learn(features[:, 0], labels[0])
        pairs = range(1, frames.shape[1])
        distances = [
            squared_distances(self.filter.respond(filters, features[:, index]), labels[index])
            for index in pairs
        ]
        return {'loss_response': torch.stack(distances).mean()}


@MODELS.register_module()
class UDT(DCFNet):
    """The same network, trained without any label: it tracks forward through the frames and back to
    the first.

    The number of frames decides between a single trajectory (two) and the multiple-frame validation
    of the paper (three).

    Args:
        loss: Config of :class:`ConsistencyLoss`.
        **kwargs: As :class:`DCFNet`.

    Reference:
        Wang, Song, Ma, Zhou, Liu, Li: Unsupervised Deep Tracking, CVPR 2019 (arXiv:1904.01828).
    """

    def __init__(self, backbone: dict, loss: dict | None = None, **kwargs) -> None:
        super().__init__(backbone, **kwargs)
        self.consistency = MODELS.build(loss or dict(type='ConsistencyLoss'))

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Consistency loss of a batch.

        Args:
            inputs: ``frames (B, N, 3, S, S)``, N >= 2; what is in the middle of the first one is
                the target.
            data_samples: Not looked at: no box is needed.

        Returns:
            ``loss_consistency``.
        """
        frames = inputs['frames']
        ends = self.extract_frames(frames[:, [0, -1]])
        initial = self.labels(ends.new_zeros(len(frames), 2), ends, frames.shape[-1])
        # Only the way back has a gradient, and it does not touch the frames between.
        with torch.no_grad():
            between = self.extract_frames(frames[:, 1:-1]) if frames.shape[1] > 2 else ends[:, :0]
            features = torch.cat([ends[:, :1], between, ends[:, 1:]], 1)
            last_label, motion = self.track_forward(features, initial, frames.shape[-1])
        backward = self.filter(ends[:, 1], ends[:, 0], last_label)
        return {'loss_consistency': self.consistency(backward, initial, motion)}

    def track_forward(
        self, features: Tensor, initial: Tensor, crop_px: int
    ) -> tuple[Tensor, Tensor]:
        """From the first frame to the last, each step with the pseudo label of the one before.

        Args:
            features: ``(B, N, C, h, w)``.
            initial: Labels ``(B, h, w)`` of the first frame.
            crop_px: Side of the crops.

        Returns:
            Pseudo labels ``(B, h, w)`` of the last frame, and the motion ``(B,)`` of Eq. 9.

        Reference:
            UDT, Sec. 3.2 and 3.3.1, Eq. 9.
        """
        label, motion = initial, initial.new_zeros(len(initial))
        for index in range(features.shape[1] - 1):
            response = self.filter(features[:, index], features[:, index + 1], label)
            motion = motion + squared_distances(response, label)
            label = self.labels(peak_shift(response), features, crop_px)
        return label, motion
