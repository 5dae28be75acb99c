"""One HTML file with many pictures in it: sorted, filtered by status, searched by name.

It needs no server and no network."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .page import image_html, page_html


@dataclass(frozen=True)
class Card:
    """One entry.

    Attributes:
        name: Title, what the search looks at.
        status: Group the buttons filter by.
        quality: What the gallery is sorted by; -1 for none.
        facts: Short texts below the title.
        jpeg: The picture; None gives a card of text.
        color: Of the status.
    """

    name: str
    status: str
    quality: float
    facts: Sequence[str]
    jpeg: bytes | None = None
    color: str = '#6b7280'


def gallery_html(
    title: str,
    cards: Sequence[Card],
    notes: dict[str, Any] | None = None,
    legend: Sequence[tuple[str, str]] = (),
) -> str:
    """The page.

    Args:
        title: Its heading.
        cards: The entries; best quality first on the page.
        notes: Shown as JSON behind a fold, such as the config.
        legend: Words of the page and what they mean, in plain text; shown above the cards.
    """
    ordered = sorted(cards, key=lambda card: (-card.quality, card.name))
    counts = Counter(card.status for card in ordered)
    colors = {card.status: card.color for card in ordered}
    buttons = [f'<button data-status="" class="on">all <b>{len(ordered)}</b></button>']
    buttons += [
        f'<button data-status="{html.escape(status)}">'
        f'<i style="background:{colors[status]}"></i>{html.escape(status)} <b>{count}</b>'
        '</button>'
        for status, count in counts.most_common()
    ]
    folded = (
        '<details><summary>config</summary>'
        f'<pre>{html.escape(json.dumps(notes, indent=2))}</pre></details>'
        if notes
        else ''
    )
    header = _HEADER.format(buttons=''.join(buttons), folded=folded)
    body = _BODY.format(legend=_legend(legend), cards='\n'.join(map(_card, ordered)))
    return page_html(title, header, body, _STYLE, _SCRIPT)


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    if not entries:
        return ''
    items = ''.join(
        f'<dt>{html.escape(word)}</dt><dd>{html.escape(text)}</dd>' for word, text in entries
    )
    return (
        '<details class="legend" open><summary>How to read this page</summary>'
        f'<dl>{items}</dl></details>'
    )


def _card(card: Card) -> str:
    facts = ''.join(f'<span>{html.escape(fact)}</span>' for fact in card.facts if fact)
    picture = image_html(card.jpeg, 'jpeg', card.name) if card.jpeg is not None else ''
    return (
        f'<article data-status="{html.escape(card.status)}" data-quality="{card.quality:.4f}" '
        f'data-name="{html.escape(card.name.lower())}">'
        f'<h2><i style="background:{card.color}"></i>{html.escape(card.name)}</h2>'
        f'<p>{facts}</p>{picture}</article>'
    )


_STYLE = """
button { cursor: pointer; } button.on { border-color: var(--ink); background: #eef1f5; }
input { flex: 1; min-width: 160px; max-width: 340px; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(1100px, 100%), 1fr));
  gap: 16px; padding: 16px 20px; }
article { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px; min-width: 0; }
article[hidden] { display: none; }
h2 { font-size: 17px; margin: 0 0 6px; overflow-wrap: anywhere; }
article p { margin: 0 0 10px; display: flex; flex-wrap: wrap; gap: 6px 8px;
  overflow-wrap: anywhere; }
article p span { background: var(--ground); border-radius: 6px; padding: 2px 9px; }
article img { width: 100%; display: block; border-radius: 4px; cursor: zoom-in; }
.legend { margin: 16px 20px 0; background: #fff; border: 1px solid var(--line);
  border-radius: 10px; }
.legend { padding: 10px 14px; color: var(--ink); }
summary { cursor: pointer; } .legend summary { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content minmax(0, 80ch); gap: 6px 18px;
  margin: 10px 0 2px; }
dt { font-weight: 600; } dd { margin: 0; }
@media (max-width: 700px) { dl { grid-template-columns: 1fr; } }
#none { padding: 40px; text-align: center; color: var(--soft); }
dialog { border: 0; padding: 0; max-width: 98vw; max-height: 96vh; overflow: auto;
  border-radius: 8px; }
dialog img { display: block; max-width: none; width: min(1800px, 97vw); cursor: zoom-out; }
dialog::backdrop { background: rgba(15, 20, 28, 0.75); }
"""

_SCRIPT = """
const cards = [...document.querySelectorAll('article')], main = document.querySelector('main'),
  none = document.querySelector('#none');
const search = document.querySelector('input'), order = document.querySelector('select'),
  view = document.querySelector('dialog');
let status = '';
function show() {
  const words = search.value.toLowerCase();
  let left = 0;
  for (const card of cards) {
    card.hidden = (status && card.dataset.status !== status) || !card.dataset.name.includes(words);
    left += !card.hidden;
  }
  none.hidden = left > 0;
}
for (const button of document.querySelectorAll('button')) button.onclick = () => {
  status = button.dataset.status;
  document.querySelectorAll('button').forEach((other) => other.classList.toggle('on',
    other === button));
  show();
};
search.oninput = show;
order.onchange = () => {
  const up = order.value === 'worst' ? 1 : -1;
  const byName = (a, b) => a.dataset.name.localeCompare(b.dataset.name);
  const byQuality = (a, b) => up * (a.dataset.quality - b.dataset.quality);
  cards.sort(order.value === 'name' ? byName : byQuality);
  main.append(...cards);
};
main.onclick = (event) => {
  if (event.target.tagName !== 'IMG') return;
  view.querySelector('img').src = event.target.src;
  view.showModal();
};
view.onclick = () => view.close();
"""

_HEADER = """<nav>{buttons}
<select aria-label="order">
<option value="best">best first</option><option value="worst">worst first</option>
<option value="name">by name</option>
</select>
<input type="search" placeholder="search by name" aria-label="search by name"></nav>{folded}"""

_BODY = """{legend}<main>
{cards}
</main>
<div id="none" hidden>no clip fits</div>
<dialog><img alt=""></dialog>"""
