"""USOT: a Siamese tracker trained from pseudo boxes, first naively, then with cycle memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usot_plugin.registry import MODELS
from usot_plugin.utils.schedule import value_at

from .base_sot import BaseSOTModel
from .heads.usot_head import HeadCodes
from .layers.prroi_pool import prroi_pool
from .losses.iou_loss import ltrb_overlap
from .task_modules.grid import CellGrid, class_labels, ltrb_to_boxes, regression_targets

#: Training settings of the paper and its release; epochs are counted from 0, the release counts
#: from 1.
USOT_TRAIN_CFG = dict(
    cycle_start_epoch=5,  # None: never, the naive tracker
    naive_cls_weight=0.2,  # lambda_1 of Eq. 6
    cls_weight=[(0, 0.30), (7, 0.275), (9, 0.25)],  # lambda_1 of Eq. 9
    cls_and_memory_weight=0.9,  # lambda_1 + lambda_2 of Eq. 9
    forward_cls_ratio=[
        (0, 0.6),
        (7, 0.5),
        (10, 0.4),
    ],  # share of the off-line score that picks the forward boxes
    label_radius_cells=2,
    label_rounding='truncate',
    memory_margin_cells=2.0,  # how far outside the map a forward box may be pooled
    pool_size=7,
)

#: Where the box of an absent target is put, pixels of the crop.
ABSENT_PX = -1e4


@MODELS.register_module()
class USOT(BaseSOTModel):
    """Unsupervised single-object tracker with cycle memory.

    Args:
        backbone: Config of a stride-8 backbone.
        neck: Config of the neck, 1x1 to the head's channels.
        head: Config of :class:`USOTHead`.
        train_cfg: Overrides of :data:`USOT_TRAIN_CFG`.
        test_cfg: Config of the tracker.
        legacy: Pool on the response axis as the release does (``CellGrid.legacy_axis``); needed for
            the published weights.

    Reference:
        Zheng, Ma, Peng, Yang: Learning to Track Objects from Unlabeled Videos, ICCV 2021
            (arXiv:2108.12711).
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        legacy: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        unknown = set(train_cfg or {}) - set(USOT_TRAIN_CFG)
        if unknown:
            raise ValueError(
                f'unknown keys in train_cfg of USOT: {sorted(unknown)}; known are '
                f'{sorted(USOT_TRAIN_CFG)}'
            )
        super().__init__(
            data_preprocessor, {**USOT_TRAIN_CFG, **(train_cfg or {})}, test_cfg, init_cfg
        )
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.head = MODELS.build(head)
        self.legacy = legacy
        self.grid = CellGrid(
            stride=getattr(self.backbone, 'stride', 8),
            feature_offset=getattr(self.backbone, 'offset', 7),
            kernel_cells=self.train_cfg['pool_size'],
            legacy_axis=legacy,
        )
        self.in_cycle_stage: bool | None = None  # not known before the first set_epoch

    def set_epoch(self, epoch: int) -> None:
        """Stage and loss weights of an epoch, counted from 0.

        They are kept as attributes for ``torch.compile``: a forward pass that read the epoch itself
        would be compiled anew in every epoch, and not at all any more after eight of them.
        """
        super().set_epoch(epoch)
        start = self.train_cfg['cycle_start_epoch']
        self.in_cycle_stage = start is not None and epoch >= start
        self.cls_weight = value_at(self.train_cfg['cls_weight'], epoch)
        self.forward_cls_ratio = value_at(self.train_cfg['forward_cls_ratio'], epoch)

    def idle_parameters(self, epoch: int) -> list[nn.Parameter]:
        """The memory branch before the cycle stage begins."""
        start = self.train_cfg['cycle_start_epoch']
        if start is not None and epoch >= start:
            return []
        return list(self.head.memory_parameters())

    def extract(self, crops: Tensor) -> Tensor:
        """Features ``(B, C, h, w)`` of normalised crops ``(B, 3, S, S)``."""
        return self.neck(self.backbone(crops))

    def pool_template(self, features: Tensor, boxes_xyxy: Tensor, crop_px: int) -> Tensor:
        """Template features ``(B, C, 7, 7)`` inside boxes ``(B, 4)`` in pixels of the template
        crop."""
        return prroi_pool(
            features,
            self.grid.template_box_to_cells(boxes_xyxy, crop_px),
            self.train_cfg['pool_size'],
        )

    def encode_template(self, crops: Tensor, boxes_xyxy: Tensor) -> HeadCodes:
        """Codes of normalised template crops ``(B, 3, S, S)`` with boxes ``(B, 4)`` in their
        pixels."""
        kernel = self.pool_template(self.extract(crops), boxes_xyxy, crops.shape[-1])
        if getattr(self.head, 'wants_box_size', False):
            return self.head.encode_template(kernel, boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
        return self.head.encode_template(kernel)

    def pool_search(
        self, features: Tensor, boxes_xyxy: Tensor, crop_px: int, margin_cells: float = 0.0
    ) -> Tensor:
        """Template-sized features ``(B, C, 7, 7)`` inside boxes ``(B, 4)`` in pixels of the search
        crop."""
        cells = self.grid.search_box_to_cells(boxes_xyxy, crop_px, margin_cells)
        return prroi_pool(features, cells, self.train_cfg['pool_size'])

    def raw_maps(self, inputs: dict[str, Tensor], data_samples: list) -> tuple[Tensor, Tensor]:
        """Off-line logits ``(B, 1, h, w)`` and distances ``(B, 4, h, w)``."""
        template_boxes = self.stack_boxes(data_samples, 'template_box_xyxy', inputs['template'])
        codes = self.encode_template(inputs['template'], template_boxes)
        return self.head.predict(self.head.encode_search(self.extract(inputs['search'])), codes)

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Naive loss (Eq. 6) or cycle-memory loss (Eq. 9), whichever stage the epoch is in.

        Returns:
            ``loss_reg``, ``loss_cls`` and, in the cycle stage, ``loss_mem``, already weighted.

        Raises:
            KeyError: The cycle stage has begun and the batch holds no memory frames.
            ConfigError: There is a cycle stage, and no epoch was ever set.
        """
        if self.in_cycle_stage is None and self.train_cfg['cycle_start_epoch'] is not None:
            raise self.epoch_unknown()
        template, search = inputs['template'], inputs['search']
        template_boxes = self.stack_boxes(data_samples, 'template_box_xyxy', search)
        # An absent target (nan) is put far outside: no cell is positive, and nothing is nan in the
        # gradient.
        search_boxes = self.stack_boxes(data_samples, 'search_box_xyxy', search).nan_to_num(
            nan=ABSENT_PX
        )
        crop_px = search.shape[-1]

        template_codes = self.encode_template(template, template_boxes)
        search_features = self.extract(search)
        search_codes = self.head.encode_search(search_features)
        logits, ltrb = self.head.predict(search_codes, template_codes)

        cells = logits.shape[-1]
        cfg = self.train_cfg
        label = class_labels(
            search_boxes,
            cells,
            crop_px,
            self.grid,
            cfg['label_radius_cells'],
            cfg['label_rounding'],
        )
        targets, positive = regression_targets(search_boxes, cells, self.grid)
        if getattr(self.head.loss_cls, 'overlap_labels', False):
            label = label * ltrb_overlap(ltrb.detach(), targets)
        losses = {
            'loss_reg': self.head.loss_reg(ltrb, targets, positive),
            'loss_cls': self.head.loss_cls(logits[:, 0], label),
        }
        if not self.in_cycle_stage:
            losses['loss_cls'] = cfg['naive_cls_weight'] * losses['loss_cls']
            return losses
        if 'memory' not in inputs:
            raise KeyError(
                'the cycle stage has begun and the batch holds no memory frames: set the data '
                'set to the cycle stage'
            )
        memory_logits = self.track_cycle(
            inputs['memory'], search_features, search_codes, template_codes, search_boxes, crop_px
        )
        losses['loss_cls'] = self.cls_weight * losses['loss_cls']
        losses['loss_mem'] = (cfg['cls_and_memory_weight'] - self.cls_weight) * self.head.loss_cls(
            memory_logits[:, 0], label
        )
        return losses

    def track_cycle(
        self,
        memory: Tensor,
        search_features: Tensor,
        search_codes: HeadCodes,
        template_codes: HeadCodes,
        search_boxes: Tensor,
        crop_px: int,
    ) -> Tensor:
        """Track forward from the template to every memory frame and back to the template frame's
        search area (Sec. 3.3).

        Args:
            memory: ``(B, N, 3, S, S)`` search areas of other frames of the fragment.
            search_features: ``(B, C, h, w)`` of the template frame's search area.
            search_codes: Its codes.
            template_codes: Codes of the template.
            search_boxes: Pseudo boxes ``(B, 4)`` in the search area.
            crop_px: ``S``.

        Returns:
            Memory-branch logits ``(B, 1, h, w)`` on the template frame's search area. Gradient
            flows through the pooled memory features, not through the choice of their boxes.
        """
        entries = memory.shape[1]
        memory_features = self.extract(memory.flatten(0, 1))
        with torch.no_grad():
            boxes = self.forward_boxes(
                memory_features, search_features, template_codes, search_boxes, entries, crop_px
            )
        kernels = self.pool_search(
            memory_features, boxes, crop_px, self.train_cfg['memory_margin_cells']
        )
        return self.head.predict_memory(search_codes, self.head.encode_memory(kernels), entries)

    def forward_boxes(
        self,
        memory_features: Tensor,
        search_features: Tensor,
        template_codes: HeadCodes,
        search_boxes: Tensor,
        entries: int,
        crop_px: int,
    ) -> Tensor:
        """Box of the best cell in every memory frame, ``(B * N, 4)`` in pixels of its crop.

        Two opinions are mixed: the off-line branch with the template, and the memory branch with
        the search area's own pooled feature as its only entry.
        """
        codes = self.head.encode_search(memory_features)
        logits, ltrb = self.head.predict(codes, template_codes.repeat(entries))
        own = self.head.encode_memory(self.pool_search(search_features, search_boxes, crop_px))
        memory_logits = self.head.predict_memory(codes, own.repeat(entries), entries=1)
        # Logits, not probabilities (the tracker mixes probabilities): so the release does it, and
        # its losses are only met this way.
        scores = self.forward_cls_ratio * logits + (1 - self.forward_cls_ratio) * memory_logits
        best = scores.flatten(1).argmax(dim=1)
        boxes = ltrb_to_boxes(ltrb, self.grid).flatten(2)
        return boxes.gather(2, best[:, None, None].expand(-1, 4, 1))[..., 0]
