"""Configs of MMTracking 1.x, for whoever comes from there."""

from .migrate import MigrationError, migrate, read_old_config, read_plain, write_config
from .report import Migration

__all__ = [
    'Migration',
    'MigrationError',
    'migrate',
    'read_old_config',
    'read_plain',
    'write_config',
]
