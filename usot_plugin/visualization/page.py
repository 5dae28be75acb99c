"""The frame of every HTML page: one file that holds all it needs, looks the same everywhere, and
opens without a server or a network."""

from __future__ import annotations

import base64
import html

_STYLE = """
:root { color-scheme: light; --ink: #1f2733; --soft: #5b6675; --line: #e2e6ec; --ground: #f4f6f8; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); }
header { position: sticky; top: 0; z-index: 2; background: #fff;
  border-bottom: 1px solid var(--line); padding: 12px 20px; }
h1 { font-size: 19px; margin: 0 0 8px; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
button, select, input { font: inherit; color: inherit; background: #fff; }
button, select, input { border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; }
details { margin-top: 8px; color: var(--soft); }
pre { max-height: 45vh; overflow: auto; background: var(--ground); padding: 10px;
  border-radius: 6px; }
i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style>
</head>
<body>
<header><h1>{title}</h1>
{header}</header>
{body}
<script>{script}</script>
</body>
</html>
"""


def page_html(title: str, header: str, body: str, style: str = '', script: str = '') -> str:
    """A whole page.

    Args:
        title: Plain text, shown as the heading, too.
        header: HTML below the heading, in the part that stays in sight.
        body: HTML of the rest.
        style: CSS after the common one.
        script: JavaScript that runs when the page is there.
    """
    return _PAGE.format(
        title=html.escape(title), header=header, body=body, style=_STYLE + style, script=script
    )


def image_html(data: bytes, kind: str, alt: str) -> str:
    """An ``<img>`` that carries its own bytes; ``kind`` is ``'jpeg'``, ``'png'`` or
    ``'svg+xml'``."""
    encoded = base64.b64encode(data).decode()
    return f'<img loading="lazy" alt="{html.escape(alt)}" src="data:image/{kind};base64,{encoded}">'
