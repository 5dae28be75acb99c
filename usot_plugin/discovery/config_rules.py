"""Groups of settings whose fields carry the rule that their values follow."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What the value of a setting may be.

    Attributes:
        wanted: The same in words, for the message after "must be".
        test: Whether a value is allowed.
    """

    wanted: str
    test: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and not math.isnan(value)


def count(least: int) -> Rule:
    """Whole numbers from ``least`` on."""
    return Rule(
        f'a whole number >= {least}',
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least,
    )


def or_none(rule: Rule) -> Rule:
    """The same rule, and None is allowed."""
    return Rule(f'{rule.wanted} or None', lambda value: value is None or rule.test(value))


def row_of(rule: Rule, wanted: str, length: int | None = None) -> Rule:
    """A tuple of ``length`` such values, of one or more where ``length`` is None."""

    def test(value: Any) -> bool:
        fits = isinstance(value, tuple) and (len(value) == length if length else len(value) > 0)
        return fits and all(map(rule.test, value))

    return Rule(wanted, test)


NUMBER = Rule('a number', _is_number)
POSITIVE = Rule('a number >= 0', lambda value: _is_number(value) and value >= 0)
SHARE = Rule('in [0, 1]', lambda value: _is_number(value) and 0 <= value <= 1)
SWITCH = Rule('True or False', lambda value: isinstance(value, bool))


def setting(default: Any, rule: Rule) -> Any:
    """A field of :class:`Settings` with its default and its rule."""
    return field(default=default, metadata={'rule': rule})


def group(kind: type[Settings]) -> Any:
    """A field that holds a group of settings, by default one of defaults."""
    return setting(kind(), Rule('a dict of settings', lambda value: isinstance(value, kind)))


@dataclass(frozen=True)
class Settings:
    """Base of all groups: checks each value by its field's rule.

    Raises:
        ValueError: A value breaks its rule; the message names the field, the rule and the value.
    """

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, list):  # JSON and command lines have no tuples
                value = tuple(value)
                object.__setattr__(self, one.name, value)
            if not one.metadata['rule'].test(value):
                self.refuse(one.name, f'must be {one.metadata["rule"].wanted}, got {value!r}')

    def refuse(self, name: str, what: str) -> None:
        """Raise the error about one of the fields."""
        prefix = type(self).__name__.removesuffix('Config').lower()
        where = name if prefix == 'discovery' else f'{prefix}.{name}'
        raise ValueError(f'discovery config: {where} {what}')


def settings_from(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``kind``: every mapping under the name of a group as that group.

    Raises:
        ValueError: A key is unknown (the nearest known one is named) or a value breaks its rule.
    """
    groups = {f.name: type(f.default) for f in fields(kind) if isinstance(f.default, Settings)}
    inner = [f'{name}.{f.name}' for name, group in groups.items() for f in fields(group)]
    known = [f.name for f in fields(kind)] + inner

    def refuse_unknown(key: str) -> None:
        if key not in known:
            raise ValueError(f"discovery config: unknown key '{key}'{nearest_name(key, known)}")

    given = dict(values)
    for key, value in values.items():
        refuse_unknown(str(key))
        if key in groups and isinstance(value, Mapping):
            for name in value:
                refuse_unknown(f'{key}.{name}')
            given[key] = groups[key](**value)
    return given


def nearest_name(name: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` for the known name most like ``name``, or an empty string."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ''
