"""PUL-style training of SiamFC: tell an instance from its background first, then learn from mined
pairs that are slightly off."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from usot_plugin.registry import MODELS

from .layers.correlation import correlate_cosine
from .siamfc import SIAMFC_TRAIN_CFG, SiamFC
from .task_modules.response_labels import response_axis


@MODELS.register_module()
class BackgroundDiscriminator(SiamFC):
    """SiamFC that learns which patch is the instance and which is background, from two views of one
    frame.

    An instance is the template. Its similarity to a patch is the cosine of their features, so the
    response map over its search area holds the similarities to all patches around it: the one at
    the target is the positive, those farther off are background, and the most similar of them are
    hard negatives. The other negatives are the targets of the other pairs of the batch. Network and
    weights are those of :class:`SiamFC`; the response's batch norm is not used.

    Args:
        backbone: As for :class:`SiamFC`.
        loss: Config of a loss of (positive, others, background), ``InstanceContrastLoss`` by
            default.
        train_cfg: ``background_from_px``: patches whose middle is at least so far from the target's
            are background.
        **kwargs: As for :class:`SiamFC`.

    Reference:
        PUL (CVPR 2021), Sec. 1: background discrimination with anchor-based hard negative mining.
        Details are ours, see docs/pul.md.
    """

    default_train_cfg = dict(SIAMFC_TRAIN_CFG, background_from_px=32.0)

    def __init__(
        self, backbone: dict, loss: dict | None = None, train_cfg: dict | None = None, **kwargs
    ) -> None:
        super().__init__(
            backbone, loss or dict(type='InstanceContrastLoss'), train_cfg=train_cfg, **kwargs
        )
        # Without a response norm in the loss its weights would stay without gradient, which
        # parallel wrappers mind.
        self.response_norm.requires_grad_(False)

    def compare(self, search_features: Tensor, template_features: Tensor) -> Tensor:
        """Cosine similarity of each template to each patch of its search area, ``(B, 1, h, w)``."""
        return correlate_cosine(search_features, template_features)

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """``loss_contrast`` of a batch."""
        kernel = self.extract(inputs['template'])
        search = self.extract(inputs['search'])
        similarity = self.compare(search, kernel)[:, 0]
        offsets = mined_offsets(
            self.stack_boxes(data_samples, 'search_box_xyxy', similarity),
            similarity,
            inputs,
            self.stride,
        )
        distance2 = offsets[:, 1, :, None].square() + offsets[:, 0, None, :].square()
        at = distance2.flatten(1).argmin(1)
        positive = similarity.flatten(1).gather(1, at[:, None])[:, 0]
        others = _cross_similarity(kernel, search, at).masked_fill(
            _same_instance(data_samples).to(at.device), -torch.inf
        )
        near = distance2 < self.train_cfg['background_from_px'] ** 2
        background = similarity.masked_fill(near, -torch.inf).flatten(1)
        return {'loss_contrast': self.response_loss(positive, others, background)}


@MODELS.register_module()
class NoiseRobustSiamFC(SiamFC):
    """SiamFC whose loss is told how far each cell is from the mined centre; with
    ``NoiseRobustLoss`` by default.

    A Gaussian label is small nearly everywhere, its standard deviation over a map is about a tenth.
    So is that of the response here from the first step on: batch norm's weight, which begins at 1,
    would need hundreds of steps to get there.

    Args:
        loss: Config of a loss of responses ``(B, n, n)`` and offsets ``(B, 2, n)``.
        **kwargs: As for :class:`SiamFC`.

    Reference:
        PUL (CVPR 2021), Sec. 1: temporal correspondence learning with the noise-robust loss.
    """

    response_gain = 0.1

    def __init__(self, backbone: dict, loss: dict | None = None, **kwargs) -> None:
        super().__init__(backbone, loss or dict(type='NoiseRobustLoss'), **kwargs)

    def respond(self, search_features: Tensor, template_features: Tensor) -> Tensor:
        """See :meth:`SiamFC.respond`; about the size of a Gaussian label."""
        return self.response_gain * super().respond(search_features, template_features)

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """``loss_response`` of a batch."""
        responses = self.raw_maps(inputs, data_samples)[:, 0]
        offsets = mined_offsets(
            self.stack_boxes(data_samples, 'search_box_xyxy', responses),
            responses,
            inputs,
            self.stride,
        )
        return {'loss_response': self.response_loss(responses, offsets)}


def mined_offsets(
    boxes_xyxy: Tensor, maps: Tensor, inputs: dict[str, Tensor], stride: int
) -> Tensor:
    """``(B, 2, n)`` x of the columns and y of the rows of maps ``(B, n, n)``, counted from the
    centres of boxes ``(B, 4)``."""
    axis = response_axis(maps.shape[-1], inputs['search'].shape[-1], stride, boxes_xyxy)
    return axis - (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]).unsqueeze(-1) / 2


def _cross_similarity(kernel: Tensor, search: Tensor, at: Tensor) -> Tensor:
    """``(B, B)`` cosines of each template with the patch at cell ``at`` of each search map."""
    side, width = kernel.shape[-1], search.shape[-1] - kernel.shape[-1] + 1
    corners = zip((at // width).tolist(), (at % width).tolist(), strict=True)
    patches = torch.stack(
        [
            features[:, y : y + side, x : x + side]
            for features, (y, x) in zip(search, corners, strict=True)
        ]
    )
    return F.normalize(kernel.flatten(1), dim=1) @ F.normalize(patches.flatten(1), dim=1).T


def _same_instance(data_samples: list) -> Tensor:
    """``(B, B)`` bool: pairs of one object, itself included; other frames of it are no
    negatives."""
    keys = [
        (sample.get('clip', number), sample.get('object_id', 0))
        for number, sample in enumerate(data_samples)
    ]
    return torch.tensor([[one == other for other in keys] for one in keys])
