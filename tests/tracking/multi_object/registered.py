"""The scene's tracker under a name, for configs of other processes."""

from __future__ import annotations

from tests.tracking.multi_object.scene import TemplateTracker
from usot_plugin.registry import TASK_UTILS


@TASK_UTILS.register_module()
class RegisteredTemplateTracker(TemplateTracker):
    pass
