"""SiamRPN++ and, with a mask head, SiamMask: trained from pairs of frames whose boxes are known,
real or discovered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usot_plugin.registry import MODELS

from .base_sot import BaseSOTModel
from .heads.mask_head import WINDOW_PX, SiamMaskHead, SiamMaskRefiner, mask_windows
from .heads.rpn_head import LevelKernels, SiamRPNHead
from .losses.anchor_losses import anchor_box_loss, anchor_score_loss, mask_loss
from .task_modules.anchors import AnchorGrid, anchor_targets, assign_anchors, decode_boxes
from .task_modules.grid import CellGrid

#: Training settings of the paper, and what its published code adds.
SIAMRPN_TRAIN_CFG = dict(
    positive_iou=0.6,
    negative_iou=0.3,
    score_weight=1.0,
    box_weight=1.0,  # lambda_1; 1.2 in the published code
    mask_weight=30.0,  # lambda_2; 36 in the published code
    refined_mask_weight=30.0,
    mask_cells=256,  # most cells of a batch whose masks are learnt; they take most of the memory
)
#: Side of template features in cells, cut from their middle.
TEMPLATE_CELLS = 7


@dataclass(frozen=True)
class FeatureMaps:
    """What is computed once of a crop.

    Attributes:
        levels: Maps ``(B, C, h, w)`` that the heads read.
        stages: The backbone's maps from fine to coarse; empty where it gives only one.
    """

    levels: list[Tensor]
    stages: list[Tensor]


@dataclass(frozen=True)
class TemplateCodes:
    """An encoded template.

    Attributes:
        rpn: Kernels of each level.
        mask: Kernel of the mask head; None without one.
    """

    rpn: list[LevelKernels]
    mask: Tensor | None

    @staticmethod
    def concat(codes: Sequence[TemplateCodes]) -> TemplateCodes:
        """One batch of several."""
        levels = [
            (torch.cat([kernel[0] for kernel in level]), torch.cat([kernel[1] for kernel in level]))
            for level in zip(*(code.rpn for code in codes), strict=True)
        ]
        masks = [code.mask for code in codes if code.mask is not None]
        return TemplateCodes(levels, torch.cat(masks) if masks else None)

    def item(self, index: int) -> TemplateCodes:
        """One template of the batch, as a copy that keeps the others' memory free."""
        at = slice(index, index + 1)
        rpn = [(cls[at].clone(), loc[at].clone()) for cls, loc in self.rpn]
        return TemplateCodes(rpn, None if self.mask is None else self.mask[at].clone())


@MODELS.register_module()
class SiamRPN(BaseSOTModel):
    """Siamese region proposal network.

    Args:
        backbone: Config of a stride-8 backbone; one with several maps
            (:class:`StagedSiameseResNet`) for levels or refinement.
        neck: Config of the neck, or a list with one for each level, which are the backbone's last
            maps.
        rpn_head: Config of :class:`SiamRPNHead`.
        mask_head: Config of :class:`SiamMaskHead`; None for boxes only.
        refine_head: Config of :class:`SiamMaskRefiner`; needs a mask head and a backbone that gives
            its stages.
        anchors: Options of :class:`AnchorGrid`.
        train_cfg: Overrides of :data:`SIAMRPN_TRAIN_CFG`.
        test_cfg: Config of the tracker.
        data_preprocessor: Config; raw BGR pixels by default, as the published weights want them.
        init_cfg: MMEngine weight initialisation.

    Raises:
        ValueError: An unknown key in ``train_cfg``, a refinement without masks, or another number
            of anchors than the head's.

    Reference:
        Li et al.: SiamRPN++ (arXiv:1812.11703); Wang et al.: SiamMask (arXiv:1812.05050).
    """

    default_train_cfg: Mapping[str, Any] = SIAMRPN_TRAIN_CFG

    def __init__(
        self,
        backbone: dict,
        neck: dict | Sequence[dict],
        rpn_head: dict,
        mask_head: dict | None = None,
        refine_head: dict | None = None,
        anchors: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        unknown = sorted(set(train_cfg or {}) - set(self.default_train_cfg))
        if unknown:
            raise ValueError(
                f'unknown keys in train_cfg of {type(self).__name__}: {unknown}; known are '
                f'{sorted(self.default_train_cfg)}'
            )
        super().__init__(
            data_preprocessor, {**self.default_train_cfg, **(train_cfg or {})}, test_cfg, init_cfg
        )
        self.backbone = MODELS.build(backbone)
        self.necks = nn.ModuleList(
            MODELS.build(cfg) for cfg in ([neck] if isinstance(neck, Mapping) else neck)
        )
        self.rpn_head: SiamRPNHead = MODELS.build(rpn_head)
        self.mask_head: SiamMaskHead | None = None if mask_head is None else MODELS.build(mask_head)
        self.refine_head: SiamMaskRefiner | None = (
            None if refine_head is None else MODELS.build(refine_head)
        )
        self.anchors = AnchorGrid(**(anchors or {}))
        self.grid = CellGrid(self.anchors.stride)
        if self.refine_head is not None and self.mask_head is None:
            raise ValueError('refine_head refines the masks of mask_head: give both')
        if self.anchors.count != self.rpn_head.anchors:
            raise ValueError(
                f'rpn_head.anchors is {self.rpn_head.anchors}, but anchors gives '
                f'{self.anchors.count} to a cell'
            )

    def idle_parameters(self, epoch: int) -> list[nn.Parameter] | None:
        return [] if self.mask_head is None else None  # masks are learnt where a batch holds any

    def extract(self, crops: Tensor) -> FeatureMaps:
        """Features of normalised crops ``(B, 3, S, S)``."""
        maps = self.backbone(crops)
        stages = [maps] if isinstance(maps, Tensor) else list(maps)
        levels = [
            neck(stage) for neck, stage in zip(self.necks, stages[-len(self.necks) :], strict=True)
        ]
        return FeatureMaps(levels, stages if len(stages) > 1 else [])

    def encode_template(self, crops: Tensor) -> TemplateCodes:
        """Kernels of normalised template crops ``(B, 3, 127, 127)``: the middle 7x7 cells."""
        levels = []
        for level in self.extract(crops).levels:
            margin = (level.shape[-1] - TEMPLATE_CELLS) // 2
            cells = slice(margin, margin + TEMPLATE_CELLS)
            levels.append(level[:, :, cells, cells])
        mask = None if self.mask_head is None else self.mask_head.encode_template(levels[-1])
        return TemplateCodes(self.rpn_head.encode_template(levels), mask)

    def predict(self, template: TemplateCodes, search: FeatureMaps) -> tuple[Tensor, Tensor]:
        """Score logits ``(B, 2, k, h, w)`` and box codes ``(B, 4, k, h, w)``."""
        return self.rpn_head.predict(template.rpn, search.levels)

    def boxes(self, codes: Tensor, crop_px: int) -> Tensor:
        """Box codes ``(B, 4, k, h, w)`` as boxes ``(B, k, h, w, 4)``, centre and size in pixels of
        the crop."""
        codes = codes.movedim(1, -1).float()
        return decode_boxes(codes, self.anchors.boxes(codes.shape[-2], crop_px, codes))

    def masks(
        self,
        template: TemplateCodes,
        search: FeatureMaps,
        images: Tensor,
        rows: Tensor,
        columns: Tensor,
        refined: bool = True,
    ) -> list[Tensor]:
        """Mask logits of cells, each covering a window of 127 px: ``(P, 63, 63)`` and, where
        refined, ``(P, 127, 127)``.

        Raises:
            RuntimeError: The model has no mask head.
        """
        if self.mask_head is None or template.mask is None:
            raise RuntimeError('this model predicts no masks: set mask_head in the config')
        correlation = self.mask_head.correlate(template.mask, search.levels[-1])
        logits = [self.mask_head.masks_at(correlation, images, rows, columns)]
        if self.refine_head is not None and refined:
            logits.append(self.refine_head(search.stages, correlation, images, rows, columns))
        return logits

    def raw_maps(self, inputs: dict[str, Tensor], data_samples: list) -> tuple[Tensor, Tensor]:
        """Score logits and box codes of a batch, see :meth:`predict`."""
        return self.predict(
            self.encode_template(inputs['template']), self.extract(inputs['search'])
        )

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Losses of pairs of template and search area.

        Returns:
            ``loss_score``, ``loss_box`` and, with a mask head, ``loss_mask`` and ``loss_refined``,
            already weighted.
        """
        return self.search_losses(
            self.encode_template(inputs['template']), inputs['search'], data_samples
        )

    def search_losses(
        self, template: TemplateCodes, search: Tensor, data_samples: list
    ) -> dict[str, Tensor]:
        """Losses of search areas ``(B, 3, S, S)`` whose boxes are known (CycleSiam, Eq. 7 and 9).

        Args:
            template: Codes of whatever is to be found.
            search: Normalised crops.
            data_samples: ``B`` samples with ``search_box_xyxy (4,)`` in crop pixels, nan for an
                absent target, and optionally ``search_mask (S, S)``.
        """
        cfg, crop_px = self.train_cfg, search.shape[-1]
        maps = self.extract(search)
        logits, codes = self.predict(template, maps)
        boxes = self.stack_boxes(data_samples, 'search_box_xyxy', codes)
        anchors = self.anchors.boxes(codes.shape[-1], crop_px, codes)
        labels = assign_anchors(boxes, anchors, cfg['positive_iou'], cfg['negative_iou'])
        losses = {
            'loss_score': cfg['score_weight'] * anchor_score_loss(logits, labels),
            'loss_box': cfg['box_weight']
            * anchor_box_loss(codes, anchor_targets(boxes, anchors), labels),
        }
        if self.mask_head is not None:
            losses.update(self._mask_losses(template, maps, labels, data_samples, crop_px))
        return losses

    def _mask_losses(
        self,
        template: TemplateCodes,
        maps: FeatureMaps,
        labels: Tensor,
        data_samples: list,
        crop_px: int,
    ) -> dict[str, Tensor]:
        """Mask losses over the positive cells of the samples whose mask is known."""
        known = [sample.get('search_mask') for sample in data_samples]
        masks = torch.stack(
            [
                labels.new_zeros(crop_px, crop_px) if mask is None else mask.to(labels)
                for mask in known
            ]
        )
        positive = (labels == 1).any(1) & masks.flatten(1).any(1)[:, None, None]
        cells = positive.nonzero()
        # Evenly spread over the batch, so that no sample is left out.
        if len(cells) > self.train_cfg['mask_cells']:
            at = torch.linspace(
                0, len(cells) - 1, self.train_cfg['mask_cells'], device=cells.device
            ).long()
            cells = cells[at]
        images, rows, columns = cells.unbind(1)
        windows = mask_windows(masks, images, rows, columns, self.anchors.stride)
        logits = self.masks(template, maps, images, rows, columns)
        weights = {'loss_mask': 'mask_weight', 'loss_refined': 'refined_mask_weight'}
        return {
            name: self.train_cfg[weight] * mask_loss(enlarge_masks(found), windows)
            for (name, weight), found in zip(weights.items(), logits, strict=False)
        }


def enlarge_masks(logits: Tensor) -> Tensor:
    """Mask logits ``(P, S, S)`` at the pixels of their windows, ``(P, 127, 127)``, bilinear between
    the corners."""
    if logits.shape[-1] == WINDOW_PX:
        return logits
    if not len(logits):  # the sum keeps the graph: no cell is gradient 0, not no gradient
        return logits.new_zeros(0, WINDOW_PX, WINDOW_PX) + logits.sum()
    return F.interpolate(
        logits[:, None], size=(WINDOW_PX, WINDOW_PX), mode='bilinear', align_corners=True
    )[:, 0]
