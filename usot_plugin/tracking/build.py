"""Trackers from configs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from torch import nn

from usot_plugin.registry import TASK_UTILS

from .base import Tracker
from .known_answers.function import FunctionTracker, is_reference, load_reference


def needs_model(test_cfg: Mapping[str, Any]) -> bool:
    """Whether the tracker that a config names is built around a network.

    Raises:
        ValueError: No or an unknown ``type``.
    """
    return 'model' in inspect.signature(_resolved(test_cfg)[0]).parameters


def tracker_label(test_cfg: Mapping[str, Any], fallback: str = 'tracker') -> str:
    """A name for results and reports: the ``type``, of ``path/to/file.py:name`` only ``name``."""
    return str(test_cfg.get('type') or fallback).rpartition(':')[2]


def build_tracker(model: nn.Module | None, test_cfg: Mapping[str, Any] | None) -> Tracker:
    """The tracker that a config names.

    Args:
        model: The network; not used by trackers without one (:class:`StandStill`).
        test_cfg: ``type`` and the options of the tracker. The type may be ``path/to/file.py:name``:
            a :class:`Tracker`, or what :class:`FunctionTracker` wraps.

    Raises:
        ValueError: No or an unknown ``type``, an unknown option, or the tracker needs a model and
            there is none.
    """
    cls, options = _resolved(test_cfg or {})
    parameters = inspect.signature(cls).parameters
    unknown = sorted(set(options) - set(parameters))
    if unknown:
        near = get_close_matches(unknown[0], parameters, 1)
        raise ValueError(
            f'{cls.__name__} has no option {unknown[0]!r}'
            + (f', did you mean {near[0]!r}?' if near else '')
        )
    if 'model' not in parameters:
        return cls(**options)
    if model is None:
        raise ValueError(f'{cls.__name__} needs a model')
    return cls(model=model, **options)


def _resolved(test_cfg: Mapping[str, Any]) -> tuple[Callable[..., Tracker], dict[str, Any]]:
    """Class and options of a tracker's config."""
    options = dict(test_cfg)
    kind = options.pop('type', None)
    if is_reference(kind):
        cls = load_reference(kind)
        if not _is_tracker(cls):
            cls, options = FunctionTracker, {'function': kind, **options}
    else:
        cls = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    if not _is_tracker(cls):
        known = sorted(name for name, entry in TASK_UTILS.module_dict.items() if _is_tracker(entry))
        raise ValueError(
            f'{kind!r} is no tracker; known are {", ".join(known)} (key model.test_cfg.type)'
        )
    return cls, options


def _is_tracker(entry: Any) -> bool:
    return inspect.isclass(entry) and issubclass(entry, Tracker)
