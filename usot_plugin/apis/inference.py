"""Build a tracker from a config and a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device

from usot_plugin.registry import MODELS
from usot_plugin.tracking import FunctionTracker, Tracker, USOTTracker, build_tracker, needs_model
from usot_plugin.tracking.usot.onnx_network import OnnxNetwork
from usot_plugin.utils.checkpoint import Which, checkpoint_file, load_weights
from usot_plugin.utils.config import ConfigError, load_config

from .packed_weights import DEFAULT_PRETRAINED, carried_config, packed_file, pretrained_path

#: In the place of a checkpoint: random weights, for tests and for measuring speed.
RANDOM_WEIGHTS = 'none'


def init_tracker(
    config: str | Path | Config | Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    tracker: Mapping[str, Any] | None = None,
    weights: Which = 'saved',
    cfg_options: Mapping[str, Any] | None = None,
) -> Tracker:
    """A tracker that is ready to :meth:`~Tracker.init`.

    Args:
        config: Config file, its content, or a mapping with the key ``model``; by default the one
            that belongs to the checkpoint, see :func:`~.packed_weights.carried_config`.
        checkpoint: Weights of the model; :data:`RANDOM_WEIGHTS` asks for random ones. With neither
            config nor checkpoint, weights and config are those of :func:`load_pretrained`;
            without a config, the name of shipped weights will do (``'usot_mobile'``).
        device: Where the model runs; the GPU if there is one by default.
        tracker: Config of the tracker; ``model.test_cfg`` by default. One without a network
            (``dict(type='StandStill')``) needs neither model nor checkpoint.
        weights: ``'ema'`` and ``'raw'`` choose between averaged and last weights, see
            :func:`extract_state_dict`.
        cfg_options: Dotted keys of the config and their new values.

    Returns:
        The tracker, its model in eval mode.

    Raises:
        ConfigError: The config cannot be read or has no model, or no weights are given for it.
        CheckpointError: The checkpoint cannot be read, belongs to another model, or carries no
            config where none is given.
        ValueError: The tracker's own config is wrong, or the device cannot be used.
    """
    import usot_plugin  # noqa: F401  registers everything

    if config is None and (tracker is None or needs_model(tracker)):
        checkpoint = packed_file(checkpoint)
        config = carried_config(checkpoint)
    if isinstance(config, str | Path):
        cfg = load_config(config, cfg_options)
    else:
        cfg = config if isinstance(config, Config) else Config(dict(config or {}))
        cfg = Config(cfg.to_dict())
        cfg.merge_from_dict(dict(cfg_options or {}))
    if tracker is not None and not needs_model(tracker):
        return build_tracker(None, tracker)
    if 'model' not in cfg:
        raise ConfigError(f'{_name_of(config)}: there is no model in it')
    device = usable_device(device if device is not None else get_device())
    if checkpoint is None:
        raise ConfigError(
            f'{_name_of(config)}: no weights are given for its model: give a checkpoint, '
            f'or {RANDOM_WEIGHTS!r} for random weights'
        )
    random = str(checkpoint) == RANDOM_WEIGHTS
    if not random:
        checkpoint_file(checkpoint)  # before the model is built
    model = MODELS.build(cfg.model)
    if not random:
        load_weights(model, checkpoint, weights)
    model.to(device).eval()
    return build_tracker(model, tracker if tracker is not None else cfg.model.get('test_cfg'))


def _name_of(config: Any) -> str:
    return str(config) if isinstance(config, str | Path) else 'config'


def load_pretrained(
    name: str = DEFAULT_PRETRAINED,
    device: str | torch.device | None = None,
    tracker: Mapping[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> Tracker:
    """A tracker whose weights and config ship with the package.

    Example:
        >>> trajectories = track_video(load_pretrained(), 'video.mp4', [[120, 80, 180, 120]])

    Args:
        name: Of the weights.
        device: See :func:`init_tracker`.
        tracker: See :func:`init_tracker`.
        cfg_options: See :func:`init_tracker`.

    Raises:
        CheckpointError: No such weights in the package.
        ValueError: See :func:`init_tracker`.
    """
    return init_tracker(None, pretrained_path(name), device, tracker, cfg_options=cfg_options)


def onnx_tracker(folder: str | Path) -> Tracker:
    """A tracker whose network ONNX Runtime runs on the CPU.

    Args:
        folder: Written by ``tools/export_onnx.py``; it holds the tracker's hyper-parameters, too.

    Raises:
        ExportError: No complete export there.
        MissingPackageError: ONNX Runtime is not installed.
        ValueError: Its hyper-parameters are not those of :class:`USOTTracker`.
    """
    network = OnnxNetwork(folder)
    return USOTTracker(
        network, **{key: value for key, value in network.options.items() if key != 'type'}
    )


def tracker_from_function(function: Callable[..., Any] | str) -> Tracker:
    """A plain Python function ``function(frame, box, memory) -> box`` as a tracker; see
    :class:`FunctionTracker`.

    Example:
        >>> def follow(frame, box, memory):
        ...     if box is not None:
        ...         memory['box'] = box
        ...     return memory['box'] + 1
        >>> tracker = tracker_from_function(follow)
        >>> trajectories = track_video(tracker, 'video.mp4', [[20, 30, 80, 90]])

    Args:
        function: The function; or a class with ``init(image, box)`` and ``update(image)`` as the
            got10k toolkit wants it; or the place of either, ``'path/to/file.py:name'``.

    Raises:
        ValueError: It is neither, or the file has no such name.
    """
    return FunctionTracker(function)


def usable_device(device: str | torch.device) -> torch.device:
    """The device of a name, tried.

    Raises:
        ValueError: There is no such device, or this build of PyTorch cannot use it.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # PyTorch asserts that it was built for CUDA
        raise ValueError(
            f'device {str(device)!r} cannot be used ({str(error).splitlines()[0]})'
        ) from error
