"""Names that come from elsewhere: how they are shown, and where files of that name may lie."""

from __future__ import annotations

import os
import re
from pathlib import Path


class UnsafeNameError(ValueError):
    """A name out of a table, list or other file would lead outside the folder that is written
    to."""


def path_below(root: str | Path, name: str | Path, what: str = 'name') -> Path:
    """The place of a foreign name below a folder: the one function that writers make such paths
    with.

    Args:
        root: The folder that is written to.
        name: Out of a table, list, archive or other file that somebody else has made; parts may be
            separated by ``/``.
        what: What it is the name of, for the message.

    Returns:
        ``root / name``.

    Raises:
        UnsafeNameError: Empty, absolute, with a drive or a NUL, or with ``.`` or ``..`` as a part,
            of either system's paths.
    """
    text = str(name)
    if (
        '\0' in text
        or re.match(r'[A-Za-z]:([/\\]|$)', text)
        or {'', '.', '..'} & set(re.split(r'[/\\]', text))
    ):
        raise UnsafeNameError(
            f'{what} {shown_name(text)!r}: not used, because it is no plain name of a file below '
            f'{root}'
        )
    return Path(root, *text.split('/'))


def shown_name(text: object) -> str:
    r"""A name or path on one line of valid text, for messages and tables.

    Bytes that are not UTF-8 (an old zip file) are shown as ``\xca``, line breaks and other control
    characters as ``\n``, ``\x1b``.
    """
    name = str(text)
    try:
        name = os.fsencode(name).decode('utf-8', 'backslashreplace')
    except UnicodeEncodeError:  # half a character, out of JSON: no file can have this name
        name = name.encode('utf-8', 'backslashreplace').decode('utf-8')
    return ''.join(
        one if one.isprintable() else one.encode('unicode_escape').decode('ascii') for one in name
    )


def is_utf8(text: object) -> bool:
    """Whether a name can be written as UTF-8: into a table, a report, an archive."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def table_cell(text: object) -> str:
    """:func:`shown_name` for a cell of a Markdown table; no renderer takes it for HTML."""
    return shown_name(text).replace('<', '&lt;').replace('|', '\\|')
