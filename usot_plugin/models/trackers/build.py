"""Trackers from configs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from torch import nn

from usot_plugin.registry import TASK_UTILS

from .base import Tracker


def needs_model(test_cfg: Mapping[str, Any]) -> bool:
    """Whether the tracker that a config names is built around a network.

    Raises:
        ValueError: No or an unknown ``type``.
    """
    return 'model' in inspect.signature(_tracker_class(test_cfg.get('type'))).parameters


def build_tracker(model: nn.Module | None, test_cfg: Mapping[str, Any] | None) -> Tracker:
    """The tracker that a config names.

    Args:
        model: The network; not used by trackers without one (:class:`StandStill`).
        test_cfg: ``type`` and the options of the tracker.

    Raises:
        ValueError: No or an unknown ``type``, an unknown option, or the tracker needs a model and there is none.
    """
    options = dict(test_cfg or {})
    kind = options.pop('type', None)
    cls = _tracker_class(kind)
    parameters = inspect.signature(cls).parameters
    unknown = sorted(set(options) - set(parameters))
    if unknown:
        near = get_close_matches(unknown[0], parameters, 1)
        raise ValueError(f'{cls.__name__} has no option {unknown[0]!r}' + (f', did you mean {near[0]!r}?' if near else ''))
    if 'model' not in parameters:
        return cls(**options)
    if model is None:
        raise ValueError(f'{cls.__name__} needs a model')
    return cls(model=model, **options)


def _tracker_class(kind: Any) -> Callable[..., Tracker]:
    cls = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    if not (inspect.isclass(cls) and issubclass(cls, Tracker)):
        known = sorted(name for name, entry in TASK_UTILS.module_dict.items() if inspect.isclass(entry) and issubclass(entry, Tracker))
        raise ValueError(f'{kind!r} is no tracker; known are {", ".join(known)} (key model.test_cfg.type)')
    return cls
