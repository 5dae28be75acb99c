"""A discovery config from a config file and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..utils.config import ConfigError, load_config
from ..utils.worker_pool import TIMEOUT_S
from .config import DiscoveryConfig


def load_discovery(
    path: str | Path, options: Mapping[str, Any] | None = None
) -> tuple[DiscoveryConfig, list[str]]:
    """The discovery config of a file, and the modules it wants imported.

    Args:
        path: A config file with ``discovery = dict(...)``.
        options: ``--cfg-options``, such as ``{'discovery.frames.eval_gap': 1}``.

    Raises:
        ConfigError: The file, a key of it or an option is wrong; one line names it.
    """
    cfg = load_config(path, options)
    if 'discovery' not in cfg:
        raise ConfigError(f'{path}: no discovery config in it (discovery = dict(...))')
    try:
        return DiscoveryConfig.from_dict(cfg.discovery.to_dict()), list(
            cfg.get('custom_imports', {}).get('imports', [])
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(f'{path}: {error}') from error


def clip_timeout(
    path: str | Path, options: Mapping[str, Any] | None = None, given: float | None = None
) -> float | None:
    """Seconds after which a clip that gives no frame is given up: the value of the command line,
    else ``clip_timeout`` of the config.

    Returns:
        The seconds; None, written as 0, waits forever.

    Raises:
        ConfigError: It is no number of 0 or more.
    """
    seconds = load_config(path, options).get('clip_timeout', TIMEOUT_S) if given is None else given
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 <= seconds < float('inf')
    ):
        raise ConfigError(f'{path}: clip_timeout has to be seconds, 0 or more, not {seconds!r}')
    return float(seconds) or None
