"""Names that come from elsewhere: how they are shown."""

from __future__ import annotations

import os


def shown_name(text: object) -> str:
    r"""A name or path on one line of valid text, for messages and tables.

    Bytes that are not UTF-8 (an old zip file) are shown as ``\xca``, line breaks and other control characters as ``\n``, ``\x1b``.
    """
    name = str(text)
    try:
        name = os.fsencode(name).decode('utf-8', 'backslashreplace')
    except UnicodeEncodeError:  # half a character, out of JSON: no file can have this name
        name = name.encode('utf-8', 'backslashreplace').decode('utf-8')
    return ''.join(one if one.isprintable() else one.encode('unicode_escape').decode('ascii') for one in name)


def is_utf8(text: object) -> bool:
    """Whether a name can be written as UTF-8: into a table, a report, an archive."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def table_cell(text: object) -> str:
    """:func:`shown_name` for a cell of a Markdown table."""
    return shown_name(text).replace('|', '\\|')
