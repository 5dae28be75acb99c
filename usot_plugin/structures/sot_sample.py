"""The data sample that travels with one training group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


class SOTSample(BaseDataElement):
    """Boxes of the images of one training group, and where they come from.

    Meta information (strings and numbers that no device holds):
        ``clip``: name of the clip; ``frame_index``: frame of template and search;
        ``memory_indices``: frames of the memory images, in the order of the images; ``object_id``:
        which object of the clip.

    Data (float32 tensors, pixels of the crop they belong to, ``x1, y1, x2, y2``; parts may lie
    outside the crop):
        ``template_box_xyxy`` and ``search_box_xyxy``: ``(4,)``; ``memory_boxes_xyxy``: ``(N, 4)``,
        only when memory frames are sampled. A method with other images (three frames of a clip, one
        image) uses ``<view>_box_xyxy`` or ``<view>_boxes_xyxy`` of its views.

    Example:
        >>> sample = SOTSample(metainfo=dict(clip='swan', frame_index=12))
        >>> sample.set_boxes('search_box_xyxy', [96, 90, 160, 170])
        >>> sample.search_box_xyxy.shape
        torch.Size([4])
    """

    def set_boxes(self, name: str, boxes_xyxy: Tensor | np.ndarray | Sequence) -> None:
        """Store a box ``(4,)`` under ``<view>_box_xyxy`` or boxes ``(N, 4)`` under
        ``<view>_boxes_xyxy``.

        Raises:
            ValueError: The name does not say which of the two it is, or the shape does not fit it.
        """
        boxes = torch.as_tensor(boxes_xyxy, dtype=torch.float32)
        dims = {'_box_xyxy': 1, '_boxes_xyxy': 2}
        wanted = [dim for suffix, dim in dims.items() if name.endswith(suffix)]
        if not wanted:
            raise ValueError(
                f"a box field is called <view>_box_xyxy or <view>_boxes_xyxy, got '{name}'"
            )
        if boxes.ndim != wanted[0] or boxes.shape[-1] != 4:
            raise ValueError(
                f"'{name}' needs shape {'(4,)' if wanted[0] == 1 else '(N, 4)'}, got "
                f'{tuple(boxes.shape)}'
            )
        self.set_field(boxes, name, dtype=Tensor)


class StackedSamples:
    """Boxes of a whole batch: each field is one tensor ``(B, ...)``, which travels faster than
    ``B`` samples."""

    def __init__(self, fields: dict[str, Tensor]) -> None:
        self.fields = fields

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    def to(self, *args: Any, **kwargs: Any) -> StackedSamples:
        """The same on another device."""
        return StackedSamples(
            {name: value.to(*args, **kwargs) for name, value in self.fields.items()}
        )
