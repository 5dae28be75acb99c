"""What an anchor-free Siamese head has to offer, so that cycle memory and on-line memory work with
it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from usot_plugin.models.layers.blocks import conv_bn
from usot_plugin.registry import MODELS


@dataclass
class HeadCodes:
    """Encodings of a template or of a search area; computed once and reused.

    Attributes:
        cls: Maps ``(B, C, h, w)`` for classification; the memory branch shares them.
        reg: Maps for box regression; None for a memory entry, which is only classified.
    """

    cls: list[Tensor]
    reg: list[Tensor] | None

    def repeat(self, count: int) -> HeadCodes:
        """Each sample ``count`` times in a row: ``(B, ...)`` to ``(B * count, ...)``."""
        reg = None if self.reg is None else [_repeated(code, count) for code in self.reg]
        return HeadCodes([_repeated(code, count) for code in self.cls], reg)


def half_sides(sides: Tensor) -> Tensor:
    """What relative boxes are in units of: ``(B, 4, 1, 1)`` out of widths and heights ``(B, 2)``,
    at least one pixel."""
    return (sides / 2).clamp(min=1)[:, [0, 1, 0, 1], None, None]


def _repeated(code: Tensor, count: int) -> Tensor:
    # Not repeat_interleave: in an exported graph the count is a dimension of an input, which that
    # cannot follow.
    return code[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)


def _tower(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            layer
            for _ in range(depth)
            for layer in conv_bn(channels, channels, 3, padding=1, bias=True)
        )
    )


class AnchorFreeHead(BaseModule):
    """Base of heads that classify and regress every cell of a correlation map, with a memory branch
    by config.

    The contract that the model ``USOT``, the neck ``CycleMemoryNeck`` and the tracker
    ``USOTTracker`` rely on is five methods and one
    attribute: :meth:`encode_template`, :meth:`encode_memory`, :meth:`encode_search`,
    :meth:`predict`, :meth:`predict_memory`, and ``memory``, which is None for a head without memory
    branch; besides, ``loss_cls(logits, label)`` and ``loss_reg(ltrb, target, positive)``. The
    response to a template of 7x7 cells must be 6 cells smaller than the search features, so that
    labels and boxes sit where :class:`CellGrid` says. A subclass gives two parts,
    :meth:`make_encoder` and :meth:`make_correlation`; all else, the memory branch included, is
    here. A head of another make only has to keep the contract.

    Template and search are encoded separately, so that a tracker keeps the template's and the
    memory's codes and encodes a search area once for both branches.

    Args:
        channels: Channels of neck, correlation and towers.
        memory: Config of the neck that fuses the memory's correlation maps; None for a tracker
            without memory branch.
        tower_depth: Conv blocks in each tower.
        logit_scale: Factor on both classification outputs.
        initial_distance_px: Distance l, t, r, b that an untrained head predicts. The release starts
            at e pixels; starting near half a target's side (about 32) saves a net without
            pretrained weights the first few hundred steps.
        relative_boxes: Predict factors on the half sides of the template's box instead, which then
            travel with its codes: pooling to 7x7 cells has lost them. ``initial_distance_px`` has
            no meaning then.
        loss_cls: Config of the classification loss, of both branches; balanced BCE by default.
        loss_reg: Config of the box loss; IoU loss on distances by default.
    """

    def __init__(
        self,
        channels: int = 256,
        memory: dict | None = None,
        tower_depth: int = 4,
        logit_scale: float = 0.1,
        initial_distance_px: float = math.e,
        relative_boxes: bool = False,
        loss_cls: dict | None = None,
        loss_reg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.logit_scale = logit_scale
        #: Whether :meth:`encode_template` is given the sides of the template's box.
        self.wants_box_size = relative_boxes
        self.cls_template, self.cls_search = (
            self.make_encoder(channels),
            self.make_encoder(channels),
        )
        self.reg_template, self.reg_search = (
            self.make_encoder(channels),
            self.make_encoder(channels),
        )
        self.cls_correlation, self.reg_correlation = (
            self.make_correlation(),
            self.make_correlation(),
        )
        self.cls_tower = _tower(channels, tower_depth)
        self.reg_tower = _tower(channels, tower_depth)
        self.cls_conv = nn.Conv2d(channels, 1, 3, padding=1)
        self.reg_conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.reg_scale = nn.Parameter(torch.full((1,), 0.1))
        self.reg_bias = nn.Parameter(
            torch.full((1, 4, 1, 1), 0.0 if relative_boxes else math.log(initial_distance_px))
        )
        self.loss_cls = MODELS.build(loss_cls or dict(type='BalancedBCELoss'))
        self.loss_reg = MODELS.build(loss_reg or dict(type='LTRBIoULoss'))
        self.memory = None
        if memory is not None:
            self.memory = MODELS.build(dict(memory, channels=channels))
            self.memory_tower = _tower(channels, tower_depth)
            self.memory_conv = nn.Conv2d(channels, 1, 3, padding=1)

    @staticmethod
    @abstractmethod
    def make_encoder(channels: int) -> nn.Module:
        """Maps features ``(B, C, H, W)`` to a list of maps ``(B, C, h, w)``."""

    @staticmethod
    @abstractmethod
    def make_correlation() -> nn.Module:
        """Maps the codes of search and template to one response ``(B, C, H - 6, W - 6)``."""

    def encode_template(self, features: Tensor, sides: Tensor | None = None) -> HeadCodes:
        """Codes of pooled template features ``(B, C, 7, 7)``.

        Args:
            features: Pooled features.
            sides: Width and height ``(B, 2)`` of the template's box in pixels of its crop; only for
                ``relative_boxes``.
        """
        reg = self.reg_template(features)
        return HeadCodes(
            self.cls_template(features), reg if sides is None else [*reg, half_sides(sides)]
        )

    def memory_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that only the memory branch uses."""
        if self.memory is not None:
            for part in (self.memory, self.memory_tower, self.memory_conv):
                yield from part.parameters()

    def encode_memory(self, features: Tensor) -> HeadCodes:
        """Codes of pooled memory features ``(M, C, 7, 7)``; the classification template encoder's
        weights are shared."""
        return HeadCodes(self.cls_template(features), None)

    def encode_search(self, features: Tensor) -> HeadCodes:
        """Codes of search features ``(B, C, H, W)``, for both branches."""
        return HeadCodes(self.cls_search(features), self.reg_search(features))

    def predict(self, search: HeadCodes, template: HeadCodes) -> tuple[Tensor, Tensor]:
        """Off-line branch.

        Returns:
            Logits ``(B, 1, h, w)`` and distances l, t, r, b ``(B, 4, h, w)`` in pixels of the crop.
        """
        assert search.reg is not None and template.reg is not None
        cls = self.cls_tower(self.cls_correlation(search.cls, template.cls))
        codes, unit = (
            (template.reg[:-1], template.reg[-1].float())
            if self.wants_box_size
            else (template.reg, 1.0)
        )
        reg = self.reg_tower(self.reg_correlation(search.reg, codes))
        # exp in float32: half precision overflows at 65504 and its gradient is useless long before.
        ltrb = torch.exp((self.reg_scale * self.reg_conv(reg) + self.reg_bias).float())
        return self.logit_scale * self.cls_conv(cls), ltrb * unit

    def predict_memory(
        self, search: HeadCodes, memory: HeadCodes, entries: int, multiplicity: Tensor | None = None
    ) -> Tensor:
        """Memory branch.

        Args:
            search: Codes of ``B`` search areas.
            memory: Codes of ``B * entries`` memory entries, those of one sample in a row.
            entries: Entries per sample.
            multiplicity: ``(B, entries)``, see :meth:`CycleMemoryNeck.forward`.

        Returns:
            Logits ``(B, 1, h, w)``.

        Raises:
            RuntimeError: The head was built without memory.
        """
        if self.memory is None:
            raise RuntimeError('this head has no memory branch: set head.memory in the config')
        correlation = self.cls_correlation(search.repeat(entries).cls, memory.cls)
        fused = self.memory(correlation.reshape(-1, entries, *correlation.shape[1:]), multiplicity)
        return self.logit_scale * self.memory_conv(self.memory_tower(fused))
