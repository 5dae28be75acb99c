"""SiamFC: one response map by cross-correlation, from real boxes, pseudo boxes or any region of an
image."""

from __future__ import annotations

from torch import Tensor, nn

from usot_plugin.registry import MODELS

from .base_sot import BaseSOTModel
from .layers.correlation import correlate_full
from .task_modules.response_labels import disc_labels

#: Training settings that hold for every SiamFC.
SIAMFC_TRAIN_CFG = dict(
    label_radius_px=16.0,  # of the search crop
)


@MODELS.register_module()
class SiamFC(BaseSOTModel):
    """Fully-convolutional Siamese network: the template's features slide over those of the search
    area.

    Args:
        backbone: Config of a backbone with attribute ``stride`` that turns both crops into
            features.
        loss: Config of a loss of responses ``(B, h, w)`` and labels ``(B, h, w)``:
            ``PairwiseBCELoss``, ``AntiClutterLoss``, ...
        response_scale: None for batch norm on the response, which learns range and threshold; a
            number for a fixed factor without weights, as the ports of the supervised original have
            it (1e-3).
        train_cfg: Overrides of :data:`SIAMFC_TRAIN_CFG`.
        test_cfg: Config of the tracker.
        data_preprocessor: Config; raw BGR pixels by default.
        init_cfg: MMEngine weight initialisation.

    Raises:
        ValueError: ``train_cfg`` holds an unknown key.

    Reference:
        Bertinetto et al.: Fully-Convolutional Siamese Networks for Object Tracking
        (arXiv:1606.09549).
    """

    default_train_cfg = SIAMFC_TRAIN_CFG

    def __init__(
        self,
        backbone: dict,
        loss: dict | None = None,
        response_scale: float | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        known = self.default_train_cfg
        unknown = sorted(set(train_cfg or {}) - set(known))
        if unknown:
            raise ValueError(
                f'unknown keys in train_cfg of {type(self).__name__}: {unknown}; known are '
                f'{sorted(known)}'
            )
        super().__init__(data_preprocessor, {**known, **(train_cfg or {})}, test_cfg, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.response_loss = MODELS.build(loss or dict(type='PairwiseBCELoss'))
        self.response_scale = response_scale
        self.response_norm: nn.Module = (
            nn.BatchNorm2d(1) if response_scale is None else nn.Identity()
        )

    @property
    def stride(self) -> int:
        """Pixels of the search crop per response cell."""
        return self.backbone.stride

    def idle_parameters(self, epoch: int) -> list[nn.Parameter] | None:
        return []

    def extract(self, crops: Tensor) -> Tensor:
        """Features ``(B, C, h, w)`` of normalised crops ``(B, 3, S, S)``."""
        return self.backbone(crops)

    def respond(self, search_features: Tensor, template_features: Tensor) -> Tensor:
        """Logits ``(B, 1, h, w)``; the middle cell belongs to the middle of the search crop.

        Args:
            search_features: ``(B, C, Hs, Ws)``.
            template_features: ``(B, C, Hk, Wk)``.

        Reference:
            SiamFC, Eq. 2; S2SiamFC, Eq. 1.
        """
        response = correlate_full(search_features, template_features)
        return self.response_norm(
            response if self.response_scale is None else self.response_scale * response
        )

    def raw_maps(self, inputs: dict[str, Tensor], data_samples: list) -> Tensor:
        """Logits ``(B, 1, h, w)`` of a batch."""
        return self.respond(self.extract(inputs['search']), self.extract(inputs['template']))

    def labels(self, data_samples: list, logits: Tensor, crop_px: int) -> Tensor:
        """What the logits ``(B, 1, h, w)`` are asked for, ``(B, h, w)``; all 0 for a sample whose
        search box is nan."""
        boxes = self.stack_boxes(data_samples, 'search_box_xyxy', logits)
        return disc_labels(
            boxes, logits.shape[-1], crop_px, self.stride, self.train_cfg['label_radius_px']
        )

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """``loss_response`` of a batch."""
        logits = self.raw_maps(inputs, data_samples)
        label = self.labels(data_samples, logits, inputs['search'].shape[-1])
        return {'loss_response': self.response_loss(logits[:, 0], label)}
