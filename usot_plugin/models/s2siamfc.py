"""S2SiamFC: a SiamFC that learns from single images, with the salient parts of its templates
erased."""

from __future__ import annotations

import torch
from torch import Tensor

from usot_plugin.registry import MODELS

from .siamfc import SIAMFC_TRAIN_CFG, SiamFC
from .task_modules.appearance_masks import channel_saliency, choose_region, erase, salient_regions

#: Training settings of the paper and its published code.
S2SIAMFC_TRAIN_CFG = dict(
    SIAMFC_TRAIN_CFG,
    masks=2,  # times a template is masked, one on top of the other; 0: never
    raw_weight=0.7,  # lambda of Eq. 12
    mask_threshold=0.5,
    mask_largest_share=0.5,
)


@MODELS.register_module()
class S2SiamFC(SiamFC):
    """SiamFC whose loss also asks for templates with erased parts (adversarial appearance masking).

    Network and weights are those of :class:`SiamFC`: a checkpoint of one is a checkpoint of the
    other. The other parts of the method are keys elsewhere: anti-clutter weighting is
    ``loss=dict(type='AntiClutterLoss')``, pairs from single images are the data set's business,
    hard negatives are ``HardNegativePairs`` with ``HardNegativeMiningHook``.

    Args:
        train_cfg: Overrides of :data:`S2SIAMFC_TRAIN_CFG`.
        **kwargs: As for :class:`SiamFC`.

    Reference:
        Sio, Ma, Shuai, Chen, Cheng: S2SiamFC: Self-supervised Fully Convolutional Siamese Network
            for Visual Tracking, ACM MM 2020.
    """

    default_train_cfg = S2SIAMFC_TRAIN_CFG

    def __init__(
        self, backbone: dict, loss: dict | None = None, train_cfg: dict | None = None, **kwargs
    ) -> None:
        super().__init__(backbone, loss, train_cfg=train_cfg, **kwargs)
        if self.train_cfg['masks'] < 0:
            raise ValueError(
                f'train_cfg of S2SiamFC: masks is at least 0, got {self.train_cfg["masks"]}'
            )

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Losses of the raw and of the masked templates, already weighted.

        Returns:
            ``loss_raw`` and, where templates are masked, ``loss_masked``: the sum over all maskings
            (Eq. 12).
        """
        template, search_features = inputs['template'], self.extract(inputs['search'])
        kernel = self.extract(template)
        logits = self.respond(search_features, kernel)
        label = self.labels(data_samples, logits, inputs['search'].shape[-1])
        raw = self.response_loss(logits[:, 0], label)
        if not self.train_cfg['masks']:
            return {'loss_raw': raw}
        masked = [
            self.response_loss(self.respond(search_features, self.extract(erased))[:, 0], label)
            for erased in self.mask_templates(template, kernel, search_features, label == 1)
        ]
        weight = self.train_cfg['raw_weight']
        return {'loss_raw': weight * raw, 'loss_masked': (1 - weight) * torch.stack(masked).sum()}

    @torch.no_grad()
    def mask_templates(
        self, template: Tensor, kernel: Tensor, search_features: Tensor, positive: Tensor
    ) -> list[Tensor]:
        """The template with one, two, ...

        salient regions erased (Eq. 10 and 11); PyTorch's global generator draws them.

        Args:
            template: Normalised crops ``(B, 3, S, S)``.
            kernel: Their features ``(B, C, Hk, Wk)``.
            search_features: ``(B, C, Hs, Ws)``.
            positive: ``(B, h, w)`` bool.

        Returns:
            ``masks`` batches ``(B, 3, S, S)``. A pair without positive cell, or without a region of
            fitting size, stays as it is.
        """
        cfg = self.train_cfg
        saliency = channel_saliency(kernel, search_features * self._response_sign(), positive)
        regions = salient_regions(saliency, template.shape[-1], cfg['mask_threshold'])
        templates = [template]
        for _ in range(cfg['masks']):
            templates.append(
                erase(
                    templates[-1], choose_region(regions, largest_share=cfg['mask_largest_share'])
                )
            )
        return templates[1:]

    def _response_sign(self) -> Tensor | float:
        """Whether the logit rises or falls with the correlation: batch norm may have learnt a
        negative factor."""
        weight = getattr(self.response_norm, 'weight', None)
        return 1.0 if weight is None else weight.detach().sign()
