"""CycleSiam: a SiamRPN++ or SiamMask that is trained by tracking forward and back to its first
frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from usot_plugin.registry import MODELS
from usot_plugin.structures.boxes import xyxy_to_cxcywh
from usot_plugin.utils.config import ConfigError

from .siamrpn import SIAMRPN_TRAIN_CFG, FeatureMaps, SiamRPN
from .task_modules.anchors import choose_anchors

#: Training settings of the paper.
CYCLESIAM_TRAIN_CFG = dict(
    SIAMRPN_TRAIN_CFG,
    hops=(1, 2, 3, 2, 1),  # frames in the order of tracking, counted from 1; a palindrome
    # before (None: always) the first frame is tracked to itself; of this project, for nets from
    # scratch
    cycle_start_epoch=0,
    penalty_k=0.09,
    window_influence=0.39,
    context=0.5,
)


def check_hops(hops: Sequence[int]) -> tuple[int, ...]:
    """The hops as a tuple.

    Raises:
        ValueError: They do not lead from frame 1 to other frames and back on the same way.
    """
    path = tuple(hops)
    whole = all(
        isinstance(frame, int) and not isinstance(frame, bool) and frame >= 1 for frame in path
    )
    if (
        len(path) < 3
        or not whole
        or path[0] != 1
        or path != path[::-1]
        or any(a == b for a, b in zip(path, path[1:], strict=False))
    ):
        raise ValueError(
            'hops lead from frame 1 to other frames and back on the same way, like (1, 2, 3, 2, '
            f'1); got {path}'
        )
    return path


@MODELS.register_module()
class CycleSiam(SiamRPN):
    """The same network and tracker as :class:`SiamRPN`; the loss knows the first frame's box (and
    mask) alone.

    The view ``hops`` holds the search areas of frames 2, 3, ... in order; a way that comes back to
    frame 1 before its end searches the first frame's own area there. A hop finds the target as the
    tracker would, without gradient and with batch norm in the mode that the model is in; the place
    found is cut out as the next template. The search area of a hop is where the data set cut it:
    around the box of its own frame, shifted, not centred anew on the place found, because crops of
    different frames share no coordinates. So the boxes of other frames say where to look, and
    nothing else. With a mask head this is CycleSiam+.

    Args:
        train_cfg: Overrides of :data:`CYCLESIAM_TRAIN_CFG`.
        **kwargs: As :class:`SiamRPN`.

    Raises:
        ValueError: The hops are no palindrome from frame 1.

    Reference:
        Yuan, Wang, Chen: Self-supervised Object Tracking and Segmentation with Cycle-consistent
            Siamese Networks, IROS 2020.
    """

    default_train_cfg = CYCLESIAM_TRAIN_CFG

    def __init__(
        self,
        backbone: dict,
        neck: dict | Sequence[dict],
        rpn_head: dict,
        train_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(backbone, neck, rpn_head, train_cfg=train_cfg, **kwargs)
        self.hops = check_hops(self.train_cfg['hops'])

    def check_views(self, view_counts: Mapping[str, int]) -> None:
        given = view_counts.get('hops', 0)
        needed = max(self.hops) - 1
        if self.train_cfg['cycle_start_epoch'] is not None and given < needed:
            raise ConfigError(
                f'model.train_cfg.hops = {self.hops} visit {needed} frames besides the first, '
                f'but train_dataloader.dataset.frame_sampler.views.hops holds {given}'
            )

    def loss(self, inputs: dict[str, Tensor], data_samples: list) -> dict[str, Tensor]:
        """Losses of the last hop, from the last frame but one to the first (Eq. 2 and 3); see
        :meth:`SiamRPN.search_losses`.

        Args:
            inputs: ``template (B, 3, 127, 127)`` and ``search (B, 3, S, S)`` of the first frame,
                ``hops (B, N, 3, S, S)`` of the others.
            data_samples: ``B`` samples with ``template_box_xyxy`` and ``search_box_xyxy``.

        Raises:
            ValueError: ``hops`` holds fewer frames than the way visits.
            ConfigError: The cycle stage begins in a later epoch than the first, and no epoch was
                ever set.
        """
        template, start = inputs['template'], self.train_cfg['cycle_start_epoch']
        if start and self.epoch is None:
            raise self.epoch_unknown()
        if start is not None and (self.epoch or 0) >= start:
            frames, needed = inputs['hops'], max(self.hops) - 1
            if frames.shape[1] < needed:
                raise ValueError(
                    f'hops {self.hops} visit {needed} other frames, the batch holds '
                    f'{frames.shape[1]}'
                )
            boxes = self.stack_boxes(data_samples, 'template_box_xyxy', template)
            with torch.no_grad():
                areas = [inputs['search'], *frames[:, :needed].unbind(1)]
                template = self.follow(template, xyxy_to_cxcywh(boxes)[:, 2:], areas)
        return self.search_losses(self.encode_template(template), inputs['search'], data_samples)

    def follow(self, template: Tensor, target_wh: Tensor, areas: Sequence[Tensor]) -> Tensor:
        """Track through all hops but the last.

        Args:
            template: Crops ``(B, 3, T, T)`` of the first frame.
            target_wh: Size ``(B, 2)`` of the target in them.
            areas: Search areas ``(B, 3, S, S)`` of frames 1, 2, 3, ...

        Returns:
            Template crops ``(B, 3, T, T)`` cut from the last frame visited before the way ends.
        """
        known: dict[int, FeatureMaps] = {}
        for hop in self.hops[1:-1]:
            crops = areas[hop - 1]
            if hop not in known:  # a frame is visited on the way out and on the way back
                known[hop] = self.extract(crops)
            logits, codes = self.predict(self.encode_template(template), known[hop])
            cfg, crop_px = self.train_cfg, crops.shape[-1]
            scores = logits.float().softmax(1)[:, 1]
            choice = choose_anchors(
                scores,
                self.boxes(codes, crop_px),
                target_wh,
                cfg['penalty_k'],
                cfg['window_influence'],
                cfg['context'],
            )
            # A network that says nothing: the target stays in the middle, as large as it was.
            middle = torch.cat([torch.full_like(target_wh, crop_px / 2), target_wh], 1)
            found = torch.where(choice.usable[:, None], choice.boxes_cxcywh, middle)
            template, target_wh = cut_templates(crops, found, template.shape[-1], cfg['context'])
        return template


def cut_templates(
    crops: Tensor, boxes_cxcywh: Tensor, size_px: int, context: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Template crops around boxes in search areas, zero (the mean colour of normalised crops)
    outside.

    Args:
        crops: ``(B, 3, S, S)``.
        boxes_cxcywh: ``(B, 4)`` in their pixels. Sizes are kept between 8 px and the crop's side,
            centres inside it.
        size_px: Side ``T`` of a template.
        context: Context share, see :func:`usot_plugin.structures.crops.context_side`.

    Returns:
        ``(B, 3, T, T)`` and the sizes ``(B, 2)`` of the targets in them.
    """
    crop_px = crops.shape[-1]
    wh = boxes_cxcywh[:, 2:].clamp(min(8.0, crop_px / 8), crop_px)
    centre = boxes_cxcywh[:, :2].clamp(0, crop_px)
    side = (wh + context * wh.sum(1, keepdim=True)).prod(1).sqrt()
    steps = (torch.arange(size_px, dtype=crops.dtype, device=crops.device) + 0.5) / size_px - 0.5
    # Coordinates of grid_sample run from -1 to 1 between the outer edges of the crop.
    axes = (centre[:, None] + side[:, None, None] * steps[None, :, None]) * (2 / crop_px) - 1
    grid = torch.stack(
        [axes[:, None, :, 0].expand(-1, size_px, -1), axes[:, :, None, 1].expand(-1, -1, size_px)],
        -1,
    )
    cut = F.grid_sample(
        crops, grid.to(crops.dtype), mode='bilinear', padding_mode='zeros', align_corners=False
    )
    return cut, wh * (size_px / side)[:, None]
