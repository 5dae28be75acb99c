"""Reads and writes checkpoints with care whichever tool started the run."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from usot_plugin.registry import HOOKS
from usot_plugin.utils.checkpoint import use_safe_loader, use_whole_files


@HOOKS.register_module()
class SafeCheckpointHook(Hook):
    """Before a run loads or resumes, makes MMEngine read local checkpoints as data alone, and write
    them whole or not at all.

    MMEngine's own loader refuses its own checkpoints under torch 2.6 and later, or falls back to
    reading them with code allowed, as its version has it. Both changes are for the whole process.
    MMEngine's ``FlexibleRunner`` loads before its hooks run; there ``tools/train.py`` does the
    same.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Replace MMEngine's loader and its local file backend."""
        use_safe_loader()
        use_whole_files()
