"""From views to the tensors a model is fed with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch import Tensor

from ...registry import TRANSFORMS
from ...structures.box_masks import paste_in_box
from ...structures.sot_sample import SOTSample
from .view import View


def image_to_tensor(image: np.ndarray) -> Tensor:
    """``(H, W, 3)`` uint8 as a contiguous ``(3, H, W)`` uint8 tensor."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def _mask_of(view: View) -> Tensor:
    """The target's pixels in the image of a view, ``(H, W)`` bool."""
    height, width = view.image.shape[:2]
    left, top, values = paste_in_box(
        np.asarray(view.box_mask, np.float32), view.box_xyxy, width, height
    )
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top : top + values.shape[0], left : left + values.shape[1]] = torch.from_numpy(
        values > 0.5
    )
    return mask


@TRANSFORMS.register_module()
class PackSOTInputs(BaseTransform):
    """Pack a group: ``{'inputs': {...}, 'data_samples': SOTSample}``.

    The box of a view that ``absent_views`` names is nan: the template's target is not in it (hard
    negatives).

    Args:
        single: Views of one image: ``inputs[name]`` is ``(3, S, S)`` uint8 BGR, the sample has
            ``<name>_box_xyxy`` ``(4,)``.
        stacked: Views of N images: ``inputs[name]`` is ``(N, 3, S, S)``, the sample has
            ``<name>_boxes_xyxy`` ``(N, 4)``. A view that this stage does not draw (memory, in the
            naive stage) is left out.
        masks: Single views whose target's pixels are given too, where they are known:
            ``<name>_mask`` ``(S, S)`` bool of the sample.

    Raises (when called):
        KeyError: A view is not among those of the frame sampler, or a single one is missing.
    """

    def __init__(
        self,
        single: Sequence[str] = ('template', 'search'),
        stacked: Sequence[str] = ('memory',),
        masks: Sequence[str] = (),
    ) -> None:
        self.single = tuple(single)
        self.stacked = tuple(stacked)
        self.masks = tuple(masks)

    def transform(self, results: dict) -> dict:
        views: dict[str, list[View]] = results['views']
        unknown = set(self.single + self.stacked + self.masks) - set(results['view_names'])
        if unknown:
            raise KeyError(
                f'PackSOTInputs: no view {sorted(unknown)}; the frame sampler gives '
                f'{list(results["view_names"])}'
            )
        sample = SOTSample(metainfo={'clip': results['clip'], 'object_id': results['object_id']})
        inputs: dict[str, Tensor] = {}
        for name in self.single:
            (view,) = views[name]
            inputs[name] = image_to_tensor(view.image)
            absent = name in results.get('absent_views', ())
            sample.set_boxes(f'{name}_box_xyxy', np.full(4, np.nan) if absent else view.box_xyxy)
            if name in self.masks and view.box_mask is not None and not absent:
                sample.set_data({f'{name}_mask': _mask_of(view)})
        for name in self.stacked:
            group = views.get(name)
            if group:
                inputs[name] = torch.stack([image_to_tensor(view.image) for view in group])
                sample.set_boxes(f'{name}_boxes_xyxy', np.stack([view.box_xyxy for view in group]))
                sample.set_metainfo({f'{name}_indices': [view.frame_index for view in group]})
        first = next(iter(views.values()))[0]
        sample.set_metainfo(
            {
                'frame_index': views[self.single[0]][0].frame_index
                if self.single
                else first.frame_index
            }
        )
        return {'inputs': inputs, 'data_samples': sample}

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(single={self.single}, stacked={self.stacked}, '
            f'masks={self.masks})'
        )
