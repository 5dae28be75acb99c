"""How large a tracker is and what a frame costs it: parameters and multiply-adds of its parts,
counted while it runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from usot_plugin.models.base_sot import BaseSOTModel
from usot_plugin.registry import MODELS
from usot_plugin.tracking import build_tracker
from usot_plugin.utils.config import ConfigError

#: Frame and target the tracker is run on. Costs depend on neither, as long as the target is not a
#: small one (USOT's larger search area).
FRAME_WH = (640, 360)
TARGET_XYXY = (280.0, 150.0, 360.0, 210.0)
#: Options of a tracker that hold the sides of its template crop and of its search crop.
CROP_OPTIONS = (('exemplar_px', 'instance_px'), ('crop_px', 'crop_px'))


@dataclass(frozen=True)
class ModuleCost:
    """A module with all that it holds: parameters, and multiply-adds in the first and in each later
    frame."""

    parameters: int
    first_frame: int
    tracked_frame: int


@dataclass(frozen=True)
class Complexity:
    """What a tracker costs with one target. All costs are multiply-adds.

    Attributes:
        tracker: Class name of the tracker.
        template_px, search_px: Sides of the two crops.
        parameters: Of the whole model.
        template_branch, search_branch: Features of one template crop and of one search crop.
        first_frame: ``Tracker.init``; with the fine-tuning, where the tracker does any.
        tracked_frame: ``Tracker.update``, with all scales of a pyramid and a full memory.
        modules: By dotted name.
    """

    tracker: str
    template_px: int
    search_px: int
    parameters: int
    template_branch: int
    search_branch: int
    first_frame: int
    tracked_frame: int
    modules: dict[str, ModuleCost]


def multiply_adds(run: Callable[[], Any], model: nn.Module) -> tuple[Any, dict[str, int]]:
    """Multiply-adds of what a function computes.

    Counted are convolutions and matrix products, and Fourier transforms with half of their
    operations: ``1.25 n log2 n`` for ``n`` real values. Batch norm, activations, pooling and
    element-wise products are not, as usual.

    Args:
        run: Called once.
        model: Whose modules are told apart.

    Returns:
        What ``run`` returned, and the multiply-adds of each module with all that it holds, by its
        dotted name; those of everything, also of functions that belong to no module (correlations,
        pooling, Fourier transforms), under ``''``.
    """
    spent: Counter[str] = Counter()
    calls: list[
        list[int]
    ] = []  # of the modules under way: operations at the begin, and those of calls further in
    with FlopCounterMode(display=False, custom_mapping=_fourier_costs()) as counter:
        named = [(name, module) for name, module in model.named_modules() if name]
        handles = [
            handle
            for name, module in named
            for handle in _watch(module, name, counter.get_total_flops, calls, spent)
        ]
        try:
            result = run()
        finally:
            for handle in handles:
                handle.remove()
    spent[''] = counter.get_total_flops()
    return result, {name: operations // 2 for name, operations in spent.items()}


def _watch(
    module: nn.Module,
    name: str,
    operations: Callable[[], int],
    calls: list[list[int]],
    spent: Counter[str],
) -> list[Any]:
    def begin(*_: Any) -> None:
        calls.append([operations(), 0])

    def end(*_: Any) -> None:
        begun, further_in = calls.pop()
        whole = operations() - begun
        if calls:
            calls[-1][1] += whole
        parts = name.split('.')
        for depth in range(len(parts)):  # a head is often not called itself, only what it holds
            spent['.'.join(parts[: depth + 1])] += whole - further_in

    return [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]


def _fourier_costs() -> dict[Any, Callable[..., int]]:
    def real(
        shape: tuple[int, ...], dims: list[int], *_: Any, out_shape: tuple[int, ...], **__: Any
    ) -> int:
        full = (
            shape if math.prod(shape) >= math.prod(out_shape) else out_shape
        )  # the real side: the other one is half as wide
        return round(2.5 * math.prod(full) * math.log2(math.prod(full[dim] for dim in dims)))

    def complex_(shape: tuple[int, ...], dims: list[int], *_: Any, **__: Any) -> int:
        return round(5 * math.prod(shape) * math.log2(math.prod(shape[dim] for dim in dims)))

    aten = torch.ops.aten
    return {aten._fft_r2c: real, aten._fft_c2r: real, aten._fft_c2c: complex_}


def tracker_complexity(
    model_cfg: Mapping[str, Any], crops_px: tuple[int, int] | None = None
) -> Complexity:
    """Run a model's own tracker with random weights on two or more frames and count.

    Args:
        model_cfg: Config of the model; its ``test_cfg`` names the tracker.
        crops_px: Sides of the template crop and of the search crop instead of the tracker's own.

    Raises:
        ConfigError: The model has no tracker of its own.
        ValueError: The crops do not fit the tracker or the network.
    """
    model = MODELS.build(dict(model_cfg)).eval()
    options = dict(model_cfg.get('test_cfg') or {})
    if not isinstance(model, BaseSOTModel) or 'type' not in options:
        raise ConfigError(f'{type(model).__name__} is no single-object tracker with a test_cfg')
    names = next(
        (pair for pair in CROP_OPTIONS if hasattr(build_tracker(model, options), pair[0])), None
    )
    if names is None:
        raise ConfigError(f'{options["type"]} has no crops of a fixed size')
    if crops_px is not None:
        wanted = dict(zip(names, crops_px, strict=True))
        if [wanted[name] for name in names] != list(crops_px):
            raise ValueError(
                f'{options["type"]} has crops of one size, got {crops_px[0]} and {crops_px[1]}'
            )
        options.update(wanted)
    tracker = build_tracker(model, options)
    template_px, search_px = (int(getattr(tracker, name)) for name in names)
    frame = np.random.default_rng(0).integers(0, 256, (FRAME_WH[1], FRAME_WH[0], 3), np.uint8)
    try:
        template, search = (
            multiply_adds(partial(_features, model, px), model)[1]['']
            for px in (template_px, search_px)
        )
        state, first = multiply_adds(lambda: tracker.init(frame, np.array(TARGET_XYXY)), model)
        for _ in range(getattr(tracker, 'memory_size', 1)):  # the memory fills
            _, state = tracker.update(frame, state)
        _, later = multiply_adds(lambda: tracker.update(frame, state), model)
    except RuntimeError as error:
        raise ValueError(
            f'crops of {template_px} and {search_px} px do not fit the network: '
            f'{str(error).splitlines()[0]}'
        ) from error
    sizes = {
        name: sum(p.numel() for p in module.parameters()) for name, module in model.named_modules()
    }
    modules = {
        name: ModuleCost(size, first.get(name, 0), later.get(name, 0))
        for name, size in sizes.items()
        if name
    }
    return Complexity(
        type(tracker).__name__,
        template_px,
        search_px,
        sizes[''],
        template,
        search,
        first[''],
        later[''],
        modules,
    )


@torch.inference_mode()
def _features(model: BaseSOTModel, crop_px: int) -> Tensor:
    crop = torch.zeros(1, 3, crop_px, crop_px)
    extract = getattr(model, 'extract', None)
    return extract(crop) if extract is not None else model.extract_frames(crop[:, None])
