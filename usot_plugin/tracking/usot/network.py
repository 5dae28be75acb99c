"""The network as :class:`USOTTracker` sees it: three functions from crops to codes and scores,
whatever runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from usot_plugin.models.heads.anchor_free import HeadCodes
from usot_plugin.models.task_modules.grid import ltrb_to_boxes
from usot_plugin.models.usot import USOT


@dataclass(frozen=True)
class Memories:
    """Memory entries of ``B`` targets, ``N`` each.

    Attributes:
        codes: Maps ``(B, N, C, h, w)``.
        multiplicity: ``(B, N)``, how often each entry stands in the queue; 0 leaves it out.
    """

    codes: list[Tensor]
    multiplicity: Tensor


@dataclass(frozen=True)
class SearchView:
    """What a network sees in search crops.

    Attributes:
        scores: Off-line branch, ``(B, 1, h, w)`` in 0..1.
        memory_scores: Memory branch, as ``scores``; None where no memory was given.
        boxes_xyxy: ``(B, 4, h, w)`` in crop pixels.
        features: ``(B, C, H, W)``, to pool memory entries from.
    """

    scores: Tensor
    memory_scores: Tensor | None
    boxes_xyxy: Tensor
    features: Tensor


class USOTNetwork(Protocol):
    """What :class:`USOTTracker` asks of a network.

    Attributes:
        legacy: See :class:`USOT`.
        has_memory: Whether there is a memory branch.
    """

    legacy: bool
    has_memory: bool

    def encode_template(self, crops: Sequence[np.ndarray], boxes_xyxy: np.ndarray) -> HeadCodes:
        """Codes of ``B`` template crops ``(S, S, 3)`` uint8 BGR with boxes ``(B, 4)`` in their
        pixels."""

    def look(
        self, crops: Sequence[np.ndarray], template: HeadCodes, memories: Memories | None
    ) -> SearchView:
        """Both branches on ``B`` search crops; the memory branch where ``memories`` are given."""

    def encode_memory(
        self, features: Tensor, boxes_xyxy: np.ndarray, crop_px: int, margin_cells: float
    ) -> list[Tensor]:
        """Codes ``(B, C, h, w)`` of entries pooled from :attr:`SearchView.features` at boxes ``(B,
        4)`` in crop pixels."""


class TorchNetwork:
    """A :class:`USOT` model run by PyTorch.

    Args:
        model: It is put into eval mode.
    """

    def __init__(self, model: USOT) -> None:
        self.model = model.eval()
        self.legacy, self.has_memory = model.legacy, model.head.memory is not None

    def _to_batch(self, crops: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(crops)).to(next(self.model.parameters()).device)

    def encode_template(self, crops: Sequence[np.ndarray], boxes_xyxy: np.ndarray) -> HeadCodes:
        """See :class:`USOTNetwork`."""
        return template_codes(self.model, self._to_batch(crops), torch.from_numpy(boxes_xyxy))

    def look(
        self, crops: Sequence[np.ndarray], template: HeadCodes, memories: Memories | None
    ) -> SearchView:
        """See :class:`USOTNetwork`."""
        return search_view(self.model, self._to_batch(crops), template, memories)

    def encode_memory(
        self, features: Tensor, boxes_xyxy: np.ndarray, crop_px: int, margin_cells: float
    ) -> list[Tensor]:
        """See :class:`USOTNetwork`."""
        pooled = self.model.pool_search(
            features, torch.from_numpy(boxes_xyxy).to(features), crop_px, margin_cells
        )
        return self.model.head.encode_memory(pooled).cls


def _normalised(model: USOT, crops: Tensor) -> Tensor:
    return model.data_preprocessor.normalise(crops.permute(0, 3, 1, 2))


def template_codes(model: USOT, crops: Tensor, boxes_xyxy: Tensor) -> HeadCodes:
    """Codes of template crops ``(B, S, S, 3)`` uint8 BGR with boxes ``(B, 4)`` in their pixels."""
    images = _normalised(model, crops)
    return model.encode_template(images, boxes_xyxy.to(images))


def search_view(
    model: USOT, crops: Tensor, template: HeadCodes, memories: Memories | None
) -> SearchView:
    """Both branches on search crops ``(B, S, S, 3)`` uint8 BGR; see :meth:`USOTNetwork.look`."""
    features = model.extract(_normalised(model, crops))
    codes = model.head.encode_search(features)
    logits, ltrb = model.head.predict(codes, template)
    memory_scores = None
    if memories is not None:
        entries = HeadCodes([code.flatten(0, 1) for code in memories.codes], None)
        memory_scores = model.head.predict_memory(
            codes, entries, memories.codes[0].shape[1], memories.multiplicity
        ).sigmoid()
    return SearchView(logits.sigmoid(), memory_scores, ltrb_to_boxes(ltrb, model.grid), features)
