"""Fine-tuning a SiamFC on the first frame of a video, with pairs from that single image."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from usot_plugin.models.siamfc import SiamFC
from usot_plugin.structures.boxes import xyxy_to_cxcywh
from usot_plugin.structures.crops import (
    CONTEXT,
    boxes_to_crop,
    context_side,
    crop_region,
    mean_color,
    rect_region,
)
from usot_plugin.structures.sot_sample import SOTSample


@dataclass(frozen=True)
class FirstFrameTuning:
    """How a model is fine-tuned on the first frame.

    Attributes:
        iterations: Steps of Adam; 0 for none.
        lr: Learning rate.
        pairs: Pairs in a step.
        shift_px: The template window of a pair moves by up to this many crop pixels on each axis,
            the search window by twice as many ...
        scale: ... and the sides of both change by up to this share.
        seed: Of pairs and masks.

    Reference:
        S2SiamFC (ACM MM 2020), Sec. 4.5: Adam, 1e-5, 5 or 10 iterations. Number and spread of the
        pairs are not given there.
    """

    iterations: int = 0
    lr: float = 1e-5
    pairs: int = 8
    shift_px: float = 8.0
    scale: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            self.iterations < 0
            or self.lr <= 0
            or self.pairs < 1
            or self.shift_px < 0
            or not 0 <= self.scale < 1
        ):
            raise ValueError(f'first-frame tuning: impossible values in {self}')


def tune_on_first_frame(
    model: SiamFC,
    frame: np.ndarray,
    box_xyxy: np.ndarray,
    tuning: FirstFrameTuning,
    exemplar_px: int,
    search_px: int,
) -> SiamFC:
    """A copy of the model that has seen the first frame; the model itself is not changed.

    The loss is the model's own: with :class:`S2SiamFC` templates are masked as in its training.
    Batch norm keeps its statistics, which eight crops of one place would spoil.

    Args:
        model: The trained model.
        frame: ``(H, W, 3)`` uint8 BGR.
        box_xyxy: ``(4,)`` in its pixels.
        tuning: See above.
        exemplar_px: Side of the template crop.
        search_px: Side of the search crop.

    Returns:
        The copy, in evaluation mode and without gradients.
    """
    rng = np.random.default_rng(tuning.seed)
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(tuning.seed)  # of the masks
        tuned = copy.deepcopy(model).requires_grad_(True).eval()
        optimizer = torch.optim.Adam(tuned.parameters(), lr=tuning.lr)
        for _ in range(tuning.iterations):
            inputs, samples = first_frame_pairs(
                tuned, frame, box_xyxy, tuning, rng, exemplar_px, search_px
            )
            optimizer.zero_grad()
            torch.stack(
                [value for name, value in tuned.loss(inputs, samples).items() if 'loss' in name]
            ).sum().backward()
            optimizer.step()
        optimizer.zero_grad()
    return tuned.requires_grad_(False)


def first_frame_pairs(
    model: SiamFC,
    frame: np.ndarray,
    box_xyxy: np.ndarray,
    tuning: FirstFrameTuning,
    rng: np.random.Generator,
    exemplar_px: int,
    search_px: int,
) -> tuple[dict[str, Tensor], list[SOTSample]]:
    """A batch as a data loader would give it: ``template`` and ``search`` crops on the model's
    device, and their boxes."""
    device = next(model.parameters()).device
    crops: dict[str, list[np.ndarray]] = {'template': [], 'search': []}
    samples = [
        SOTSample(metainfo=dict(clip='first frame', frame_index=0)) for _ in range(tuning.pairs)
    ]
    centre, size = np.split(xyxy_to_cxcywh(np.asarray(box_xyxy, np.float64)), 2)
    unit = context_side(size[0], size[1], CONTEXT) / exemplar_px
    fill = mean_color(frame)
    for sample in samples:
        for name, side_px, reach in (('template', exemplar_px, 1), ('search', search_px, 2)):
            shift = rng.uniform(-tuning.shift_px, tuning.shift_px, 2) * reach
            scale = 1 + rng.uniform(-tuning.scale, tuning.scale)
            region = rect_region(centre + shift * unit, (max(unit * side_px * scale, 1),) * 2)
            crops[name].append(crop_region(frame, region, (side_px, side_px), fill))
            sample.set_boxes(
                f'{name}_box_xyxy', boxes_to_crop(box_xyxy, region, (side_px, side_px))
            )
    inputs = {
        name: torch.from_numpy(np.stack(group)).to(device).movedim(-1, 1)
        for name, group in crops.items()
    }
    return {
        name: model.data_preprocessor.normalise(images) for name, images in inputs.items()
    }, samples
