"""JSON that somebody else has written."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: Not JSON, not UTF-8, or nested deeper than Python can follow (``json.loads``
            raises a ``RecursionError`` there).
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError('nested too deep') from None
