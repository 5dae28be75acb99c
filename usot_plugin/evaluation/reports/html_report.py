"""One HTML file that compares trackers: tables beside published ones, plots, sequences, attributes,
speed, and pictures of the failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from usot_plugin.evaluation.reports.comparison import (
    ATTRIBUTES,
    attribute_measure,
    attribute_sizes,
    draw_plots,
    uneven,
)
from usot_plugin.evaluation.reports.failures import FAILURE_OVERLAP, Failure
from usot_plugin.evaluation.reports.measures import CURVES, legend, main_measure, measure_of
from usot_plugin.evaluation.reports.published import SEQUENCE_COUNTS, PublishedRow
from usot_plugin.evaluation.reports.scores import Scores
from usot_plugin.visualization.page import image_html, page_html
from usot_plugin.visualization.plots import tracker_color

LABELS = {'yes': 'labelled videos', 'no': 'unlabelled videos', '': 'not stated'}


@dataclass(frozen=True, eq=False)
class FailureStrip:
    """A failure and its picture.

    Attributes:
        failure: Who, where, when.
        jpeg: The strip.
    """

    failure: Failure
    jpeg: bytes


@dataclass(frozen=True, eq=False)
class Section:
    """All of the report that is about one data set.

    Attributes:
        scores: Trackers that can be compared.
        published: Rows of papers on the same benchmark.
        strips: Pictures of the worst failures.
        note: What else the reader has to know.
    """

    scores: Sequence[Scores]
    published: Sequence[PublishedRow] = ()
    strips: Sequence[FailureStrip] = ()
    note: str = ''

    @property
    def title(self) -> str:
        """Data set and rules."""
        return self.scores[0].title


def report_html(
    title: str,
    sections: Sequence[Section],
    published: Mapping[str, Sequence[PublishedRow]] | None = None,
) -> str:
    """The page.

    Args:
        title: Its heading.
        sections: One a data set.
        published: Further tables of papers by benchmark, for which there is no result here.
    """
    names = [section.title for section in sections] + [
        f'published: {name}' for name in published or ()
    ]
    links = ''.join(
        f'<a href="#part{index}">{escape(name)}</a>' for index, name in enumerate(names)
    )
    parts = [_section(section, f'part{index}') for index, section in enumerate(sections)]
    for index, (name, rows) in enumerate((published or {}).items(), len(sections)):
        table = _total_table(Section([], rows))
        parts.append(
            f'<section id="part{index}"><h2>{escape(name)}: published results</h2>{table}</section>'
        )
    return page_html(
        title, f'<nav>{links}</nav>', f'<main>{"".join(parts)}</main>', _STYLE, _SCRIPT
    )


def _section(section: Section, anchor: str) -> str:
    blocks = [('Results', _warnings(section) + _total_table(section))]
    plots = draw_plots(section.scores, 'svg')
    bars = plots.pop(ATTRIBUTES, None)
    if plots:
        pictures = ''.join(_plot(content, CURVES[name].title) for name, content in plots.items())
        blocks.append(('Plots', f'<div class="plots">{pictures}</div>'))
    if section.strips:
        blocks.append(('Worst failures', _failures(section)))
    column = attribute_measure(section.scores)
    if column is not None:
        rows = {entry.tracker: entry.attributes for entry in section.scores}
        matrix = _matrix(rows, column, 'attribute', attribute_sizes(section.scores))
        picture = f'<div class="bars">{_plot(bars, "attributes")}</div>' if bars else ''
        blocks.append((f'Attributes: {measure_of(column).head}', picture + matrix))
    main = section.scores[0].main
    rows = {entry.tracker: entry.sequences for entry in section.scores}
    blocks.append((f'Sequences: {measure_of(main).head}', _matrix(rows, main, 'sequence')))
    blocks.append(('Speed', _speed(section)))
    blocks.append(('How the numbers were made', _about(section)))
    body = ''.join(
        f'<div class="card"><h3>{escape(name)}</h3>{content}</div>' for name, content in blocks
    )
    return f'<section id="{anchor}"><h2>{escape(section.title)}</h2>{body}</section>'


def _plot(content: bytes, title: str) -> str:
    return f'<figure>{image_html(content, "svg+xml", title)}</figure>'


def _warnings(section: Section) -> str:
    notes = [
        section.note,
        uneven(section.scores)
        and f'Not all totals are over the same sequences: {uneven(section.scores)}.',
    ]
    expected = SEQUENCE_COUNTS.get(section.published[0].benchmark) if section.published else None
    counts = sorted({len(entry.sequences) for entry in section.scores})
    if expected and counts != [expected]:
        ours = ' or '.join(map(str, counts))
        notes.append(
            f'Published numbers are over {expected} sequences, ours over {ours}: they cannot be '
            'compared.'
        )
    return ''.join(f'<p class="warning">{escape(note)}</p>' for note in notes if note)


def _measures(rows: Sequence[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _number(name: str, value: float | None) -> str:
    return measure_of(name).text(value, unknown='–')


def _total_table(section: Section) -> str:
    """Ours and the published rows, best first."""
    ours = [
        (entry.tracker, entry.total, '', f'{len(entry.sequences)} sequences', index)
        for index, entry in enumerate(section.scores)
    ]
    theirs = [
        (row.tracker, row.values, LABELS[row.video_labels], row.source, None)
        for row in section.published
    ]
    published = _measures([row[1] for row in theirs])
    if section.scores:
        shown = list(section.scores[0].measures)
        shown = [name for name in shown if name not in ('frames', 'runs')]
        shown += [name for name in published if name not in shown]
        key, kind = section.scores[0].main, section.scores[0].kind
    else:
        shown, key, kind = published, main_measure(published), ''
    better = measure_of(key).better
    rows = sorted(
        [*ours, *theirs], key=lambda row: -better * row[1].get(key, -better * float('inf'))
    )
    heads = [
        'tracker',
        *(measure_of(name).head for name in shown),
        'trained off-line on',
        'over, or source',
    ]
    lines = []
    for name, values, labels, source, index in rows:
        label = (
            f'<i style="background:{tracker_color(index)}"></i>{escape(name)}'
            if index is not None
            else escape(name)
        )
        cells = ''.join(
            f'<td class="number">{_number(head, values.get(head))}</td>' for head in shown
        )
        mark = ' class="ours"' if index is not None else ''
        lines.append(
            f'<tr{mark}><th '
            f'scope="row">{label}</th>{cells}<td>{escape(labels)}</td><td>{escape(source)}</td></tr>'
        )
    return _table(heads, lines, 'totals') + f'<p class="legend">{escape(legend(shown, kind))}</p>'


def _matrix(
    rows: Mapping[str, Mapping[str, Mapping[str, float]]],
    measure: str,
    what: str,
    sizes: Mapping[str, int] | None = None,
) -> str:
    """One number of every tracker for each row; colours follow the value, the best of a row is
    bold."""
    names = list(dict.fromkeys(name for entries in rows.values() for name in entries))
    values = [[entries.get(name, {}).get(measure) for entries in rows.values()] for name in names]
    known = [value for row in values for value in row if value is not None]
    top = max(known, default=1.0) or 1.0
    choose = max if measure_of(measure).better >= 0 else min
    lines = []
    for name, row in zip(names, values, strict=True):
        present = [value for value in row if value is not None]
        best = choose(present, default=None)
        cells = ''
        for value in row:
            tint = (
                ''
                if value is None
                else f' style="background:rgba(23,120,80,{0.45 * max(0.0, value) / top:.3f})"'
            )
            mark = ' best' if value is not None and value == best and len(set(present)) > 1 else ''
            cells += f'<td class="number{mark}"{tint}>{_number(measure, value)}</td>'
        size = f'<td class="number">{sizes.get(name) or "–"}</td>' if sizes else ''
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{size}{cells}</tr>')
    search = (
        f'<input type="search" placeholder="filter" aria-label="filter {what}s">'
        if len(names) > 10
        else ''
    )
    return search + _table([what, *(['sequences'] if sizes else []), *rows], lines, what)


def _table(heads: Sequence[str], lines: Sequence[str], kind: str) -> str:
    head = ''.join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return (
        '<div class="scroll"><table '
        f'class="{kind}"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _failures(section: Section) -> str:
    colors = {entry.tracker: tracker_color(index) for index, entry in enumerate(section.scores)}
    legend = ''.join(
        f'<span><i style="background:{color}"></i>{escape(name)}</span>'
        for name, color in colors.items()
    )
    text = (
        f'<p class="legend">The longest stretches with an overlap below {FAILURE_OVERLAP:g}, '
        'from the frame before the miss to its end. '
        'Thick: the tracker that failed; white: annotation; thin: the others.</p><p '
        f'class="legend">{legend}</p>'
    )
    figures = ''
    for strip in section.strips:
        failure = strip.failure
        caption = (
            '<i '
            f'style="background:{colors[failure.tracker]}"></i><b>{escape(failure.tracker)}</b> '
            f'in <b>{escape(failure.sequence)}</b>: '
            f'frames {failure.start} to {failure.stop - 1}, {failure.missed} of '
            f'{failure.annotated} annotated frames missed in a row'
        )
        figures += '<figure class="strip">' + image_html(
            strip.jpeg, 'jpeg', f'{failure.tracker}, {failure.sequence}'
        )
        figures += f'<figcaption>{caption}</figcaption></figure>'
    return text + figures


def _speed(section: Section) -> str:
    speeds = [entry.total.get('fps') for entry in section.scores]
    known = [value for value in speeds if value is not None]
    if not known:
        return '<p>No time was measured.</p>'
    lines = []
    for index, (entry, value) in enumerate(zip(section.scores, speeds, strict=True)):
        width = 0 if value is None else 100 * value / max(known)
        bar = (
            f'<div class="bar" style="width:{width:.1f}%;background:{tracker_color(index)}"></div>'
        )
        hardware = escape(str(entry.about.get('hardware', 'not stated')))
        number = f'<td class="number">{_number("fps", value)}</td>'
        lines.append(
            f'<tr><th scope="row">{escape(entry.tracker)}</th>{number}<td '
            f'class="wide">{bar}</td><td>{hardware}</td></tr>'
        )
    text = (
        'Updates per second of tracking time; decoding is not part of it. Only trackers timed '
        'on the same machine compare.'
    )
    return f'<p class="legend">{text}</p>' + _table(
        ['tracker', 'frames/s', '', 'hardware'], lines, 'speed'
    )


def _about(section: Section) -> str:
    heads = list(
        dict.fromkeys(key for entry in section.scores for key in entry.about if key != 'hardware')
    )
    lines = []
    for entry in section.scores:
        cells = ''.join(f'<td>{escape(str(entry.about.get(head, "–")))}</td>' for head in heads)
        lines.append(
            '<tr><th '
            f'scope="row">{escape(entry.tracker)}</th>{cells}<td>{escape(entry.folder.as_posix())}</td></tr>'
        )
    return _table(['tracker', *heads, 'folder'], lines, 'about')


_STYLE = """
header a { color: var(--ink); text-decoration: none; background: #fff; }
header a { border: 1px solid var(--line); border-radius: 6px; padding: 3px 10px; }
header a:hover { border-color: var(--ink); }
main { max-width: 1500px; margin: 0 auto; padding: 8px 20px 60px; }
section { scroll-margin-top: 90px; }
h2 { font-size: 20px; margin: 26px 0 10px; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 0 0 10px; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px;
  margin-bottom: 14px; }
.scroll { overflow: auto; max-height: 70vh; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; text-align: left; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { position: sticky; top: 0; background: #fff; cursor: pointer; font-weight: 600;
  color: var(--soft); }
tbody th { font-weight: 500; } td.number { text-align: right; } td.best { font-weight: 700; }
tr.ours { background: #eaf3ff; } tr.ours th { font-weight: 700; }
td.wide { width: 40vw; } .bar { height: 14px; border-radius: 3px; }
.bars { max-width: 760px; margin-bottom: 12px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr));
  gap: 12px; }
figure { margin: 0; min-width: 0; } figure img { width: 100%; display: block; }
.strip { margin: 0 0 16px; } .strip img { width: auto; max-width: 100%; border-radius: 4px; }
figcaption { margin-top: 4px; font-size: 14px; }
.legend { color: var(--soft); margin: 6px 0 8px; font-size: 14px;
  } .legend span { margin-right: 16px; }
.warning { background: #fff4e0; border: 1px solid #f0c674; border-radius: 6px; padding: 8px 12px;
  margin: 0 0 10px; }
input[type=search] { margin-bottom: 8px; }
"""

_SCRIPT = """
const value = (row, column) => {
  const text = row.children[column].textContent.trim(), number = parseFloat(text);
  return isNaN(number) ? text.toLowerCase() : number;
};
for (const head of document.querySelectorAll('thead th')) head.onclick = () => {
  const body = head.closest('table').tBodies[0],
    column = [...head.parentNode.children].indexOf(head);
  const up = head.dataset.up = head.dataset.up === '1' ? '0' : '1';
  const rows = [...body.rows].sort((a, b) => {
    const x = value(a, column), y = value(b, column);
    if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1;
    return (x < y ? -1 : x > y ? 1 : 0) * (up === '1' ? 1 : -1);
  });
  body.append(...rows);
};
for (const field of document.querySelectorAll('input[type=search]')) field.oninput = () => {
  for (const row of field.parentNode.querySelectorAll('tbody tr'))
    row.hidden = !row.children[0].textContent.toLowerCase().includes(field.value.toLowerCase());
};
document.documentElement.dataset.ready = 'yes';
"""
