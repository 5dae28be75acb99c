"""What a migration could and could not do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Migration:
    """A config on its way.

    Attributes:
        content: The new config's keys.
        left: Old key and reason for everything that has no counterpart.
        notes: Old key and difference for what was translated, but does not mean quite the same.
    """

    content: dict[str, Any] = field(default_factory=dict)
    left: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def leave(self, key: str, reason: str) -> None:
        """Name a key that is not translated; the same line is said once."""
        if (key, reason) not in self.left:
            self.left.append((key, reason))

    def note(self, key: str, difference: str) -> None:
        """Name a difference; the same line is said once."""
        if (key, difference) not in self.notes:
            self.notes.append((key, difference))

    @property
    def left_lines(self) -> list[str]:
        """``key: reason`` for all that is left."""
        return _lines(self.left)

    @property
    def note_lines(self) -> list[str]:
        """``key: difference`` for all notes."""
        return _lines(self.notes)

    def leave_others(
        self, key: str, node: Mapping[str, Any], known: Mapping[str, Any], reason: str
    ) -> None:
        """Name the entries of ``node`` that are neither known nor at the value that means nothing.

        Args:
            key: Where ``node`` is.
            node: A dict of the old config.
            known: Entries that are taken care of, with the value that changes nothing; ``...`` for
                any value.
            reason: Why the others are left.
        """
        for name, value in node.items():
            if name not in known or (known[name] is not ... and value != known[name]):
                self.leave(f'{key}.{name}', reason)


def _lines(entries: list[tuple[str, str]]) -> list[str]:
    """``key: text``; what the parts of a mixture have in common, and what ``val`` and ``test``
    have, is one line."""
    lines: dict[tuple[str, str], list[str]] = {}
    for key, text in entries:
        pattern = re.sub(r'^(val|test)_', '*_', re.sub(r'\.datasets\.\d+', '.datasets.*', key))
        lines.setdefault((pattern, text), []).append(key)
    return [
        f'{pattern if len(keys) > 1 else keys[0]}: {text}'
        for (pattern, text), keys in lines.items()
    ]


def plain_type(node: Mapping[str, Any]) -> str:
    """Class name of a config node without its scope: ``mmdet.RandomFlip`` is ``RandomFlip``."""
    return str(node.get('type', '')).rsplit('.', 1)[-1]
