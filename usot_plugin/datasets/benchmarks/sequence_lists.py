"""The sequence lists that benchmarks publish on their pages or in their toolkits, not in the
folders: data files of the package."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


@lru_cache
def read_list(name: str) -> tuple[tuple[str, ...], ...]:
    """Rows of ``lists/<name>.txt``, split at blanks; lines that start with ``#`` say what the
    columns are."""
    text = (files(__package__) / 'lists' / f'{name}.txt').read_text(encoding='utf-8')
    return tuple(
        tuple(line.split()) for line in text.splitlines() if line and not line.startswith('#')
    )
