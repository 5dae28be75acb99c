"""A discovery config from a config file and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..utils.config import ConfigError, load_config
from .config import DiscoveryConfig


def load_discovery(path: str | Path, options: Mapping[str, Any] | None = None) -> tuple[DiscoveryConfig, list[str]]:
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
        return DiscoveryConfig.from_dict(cfg.discovery.to_dict()), list(cfg.get('custom_imports', {}).get('imports', []))
    except (ValueError, TypeError) as error:
        raise ConfigError(f'{path}: {error}') from error
