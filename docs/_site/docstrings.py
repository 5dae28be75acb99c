"""Docstrings as Markdown: names without the roles of reStructuredText, examples as code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class PlainDocstrings(griffe.Extension):
    """``:class:`Tracker``` becomes ```Tracker```, and the section ``Example:`` the one that griffe
    knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object that has been read."""
        if obj.docstring is not None:
            text = re.sub(
                r':(?:\w+:)?(?:class|func|meth|mod|data|attr|exc):`~?', '`', obj.docstring.value
            )
            obj.docstring.value = re.sub(
                r'^( *)Example:$', r'\1Examples:', text, flags=re.MULTILINE
            )
