"""Write the tables of measured numbers into the pages, from docs/runs.csv and the metafiles.

    python tools/analysis/docs_tables.py            # write them
    python tools/analysis/docs_tables.py --check    # only say which pages differ

A table stands between the lines ``<!-- generated: NAME -->`` and ``<!-- end -->`` of a page. What
is between them is replaced, all else stays. So a number is typed once: in docs/runs.csv, one row
for each training and each way it was tested. A row names the tables that show it. Numbers of
parameters, training data and weights come from the metafiles that model-index.yml lists.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.fileio import load

from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.cli import FINE, PARTIAL, USER_ERROR, exit_status, tool_parser
from usot_plugin.utils.packaged import packaged_folder

Run = Mapping[str, str]
#: Columns of docs/runs.csv; AUC and P20 in per cent, the mean over the sequences.
COLUMNS = (
    *('run', 'tables', 'label', 'labels', 'config', 'data', 'training', 'test', 'seed', 'date'),
    *('hardware', 'command', 'sequences', 'cpu_minutes', 'fps_cpu'),
    *('auc', 'auc_odd', 'auc_even', 'p20', 'p20_odd', 'p20_even', 'note'),
)
BLOCK = re.compile(r'(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)', flags=re.DOTALL)


class PagesError(ValueError):
    """The record, a metafile or a page is not as it should be; the message names the place."""


def _code(column: str) -> Callable[[Run], str]:
    return lambda run: f'`{run[column]}`' if run[column] else ''


def _text(column: str) -> Callable[[Run], str]:
    return lambda run: run[column]


#: Heading -> cell, in the order of a table of runs. A column without any value is left out.
CELLS: dict[str, Callable[[Run], str]] = {
    'what': _text('label'),
    'config': _code('config'),
    'labels': _text('labels'),
    'seed': _text('seed'),
    'tracker settings': _code('test'),
    'AUC': _text('auc'),
    'AUC, odd': _text('auc_odd'),
    'AUC, even': _text('auc_even'),
    'P20': _text('p20'),
    'P20, odd': _text('p20_odd'),
    'P20, even': _text('p20_even'),
    'CPU minutes of training': _text('cpu_minutes'),
    'frames a CPU second': _text('fps_cpu'),
}
HALVES = ('what', 'config', 'AUC', 'P20', 'AUC, odd', 'P20, odd', 'AUC, even', 'P20, even')
FAMILY = ('what', 'config', 'seed', 'tracker settings', 'AUC', 'P20', 'CPU minutes of training')
#: Tables of runs -> their columns.
RUN_TABLES: dict[str, tuple[str, ...]] = {
    'readme': ('what', 'labels', 'AUC'),
    'methods': ('config', 'AUC', 'CPU minutes of training', 'frames a CPU second'),
    'usot-mobile': HALVES,
    'usot-small': ('what', 'tracker settings', 'AUC', 'AUC, odd', 'AUC, even', 'P20'),
    'usot-quick': FAMILY,
    'udt': FAMILY,
    's2siamfc': FAMILY,
    'pul': FAMILY,
    'cyclesiam': FAMILY,
    'speed': ('what', 'config', 'frames a CPU second'),
    'cyclesiam-size': ('what', 'tracker settings', 'AUC', 'AUC, odd'),
}
#: Tables of the configs of a collection.
MODEL_TABLES = {
    f'models-{name.lower()}': name for name in ('USOT', 'UDT', 'S2SiamFC', 'PUL', 'CycleSiam')
}
HEADLINE = 'headline'


@dataclass(frozen=True)
class Record:
    """What the tables are made from.

    Attributes:
        runs: Rows of docs/runs.csv.
        models: Entries of the metafiles by name, which is the config's.
        readmes: Collection -> its page, relative to the root.
    """

    runs: Sequence[Run]
    models: Mapping[str, Mapping[str, Any]]
    readmes: Mapping[str, str]


def read_record(root: Path) -> Record:
    """Read docs/runs.csv and the metafiles.

    Raises:
        PagesError: A row has other columns, names an unknown table or an unknown config, or has a
            number that is none.
    """
    models: dict[str, Mapping[str, Any]] = {}
    readmes: dict[str, str] = {}
    for name in load(root / 'model-index.yml')['Import']:
        content = load(root / name)
        readmes |= {entry['Name']: entry['README'] for entry in content['Collections']}
        models |= {entry['Name']: entry for entry in content['Models']}
    path = root / 'docs/runs.csv'
    with open(path, newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file, strict=True)
        runs = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise PagesError(f'{path}: the columns must be {",".join(COLUMNS)}')
    for line, run in enumerate(runs, start=2):
        _check(run, f'{path}, row {line} ({run["run"]})', models)
    return Record(runs, models, readmes)


def _check(run: Run, where: str, models: Mapping[str, Any]) -> None:
    if None in run or None in run.values():
        raise PagesError(f'{where}: has not {len(COLUMNS)} cells')
    unknown = set(run['tables'].split()) - {*RUN_TABLES, HEADLINE}
    if unknown:
        raise PagesError(f'{where}: no such table: {", ".join(sorted(unknown))}')
    if run['config'] and run['config'] not in models:
        raise PagesError(f'{where}: {run["config"]} is in no metafile')
    for column in (*COLUMNS[COLUMNS.index('sequences') : -1], 'seed'):
        if run[column] and not re.fullmatch(r'\d+(\.\d+)?', run[column]):
            raise PagesError(f'{where}: {column} is {run[column]!r}, not one number')
    if run['tables'] and not (run['label'] and run['command'] and run['sequences']):
        raise PagesError(f'{where}: is shown, so it needs label, command and sequences')


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Rows of cells as Markdown, without the last line break."""
    lines = [f'| {" | ".join(cells)} |' for cells in [head, *body]]
    lines.insert(1, '|---' * len(head) + '|')
    return '\n'.join(lines)


def run_table(record: Record, name: str) -> str:
    """Rows of ``docs/runs.csv`` that name a table, in their order, as Markdown."""
    runs = [run for run in record.runs if name in run['tables'].split()]
    heads = [head for head in RUN_TABLES[name] if any(CELLS[head](run) for run in runs)]
    return markdown_table(heads, [[CELLS[head](run) for head in heads] for run in runs])


def headline_table(record: Record) -> str:
    """One row a tracker, one column for each set of sequences it was scored on."""
    runs = [run for run in record.runs if HEADLINE in run['tables'].split()]
    sets = sorted({run['sequences'] for run in runs}, key=int, reverse=True)
    columns = [(key, size) for key in ('auc', 'p20') for size in sets]
    heads = ['tracker', 'page', 'labels', 'parameters']
    heads += [f'{key.upper()}, {size} sequences' for key, size in columns]
    body = []
    for label in dict.fromkeys(run['label'] for run in runs):
        own = {run['sequences']: run for run in runs if run['label'] == label}
        first = next(iter(own.values()))
        model = record.models.get(first['config'])
        page = Path(record.readmes[model['In Collection']]).name if model else ''
        body.append(
            [
                label,
                f'[{model["In Collection"]}]({page})' if model else '',
                first['labels'],
                f'{model["Metadata"]["Parameters"]:,}' if model else '',
                *(own[size][key] if size in own else '' for key, size in columns),
            ]
        )
    return markdown_table(heads, body)


def model_table(record: Record, collection: str) -> str:
    """Configs of a collection: what they learn from and how large they are."""
    body = [
        [
            f'`{model["Config"]}`',
            ', '.join(model['Metadata'].get('Training Data', ())),
            f'{model["Metadata"]["Parameters"]:,}',
        ]
        for model in record.models.values()
        if model['In Collection'] == collection
    ]
    return markdown_table(('config', 'training data', 'parameters'), body)


def make_table(record: Record, name: str) -> str:
    """A table by its name.

    Raises:
        PagesError: There is none of this name, or it has no row.
    """
    if name == HEADLINE:
        return headline_table(record)
    if name in MODEL_TABLES:
        return model_table(record, MODEL_TABLES[name])
    if name not in RUN_TABLES:
        raise PagesError(f'no such table: {name}')
    if not any(name in run['tables'].split() for run in record.runs):
        raise PagesError(f'docs/runs.csv has no row for the table {name}')
    return run_table(record, name)


def filled(text: str, record: Record) -> str:
    """A page with its tables made anew.

    Raises:
        PagesError: A marker has no end, or names no table.
    """
    if len(BLOCK.findall(text)) != text.count('<!-- generated:'):
        raise PagesError('a line <!-- generated: NAME --> without <!-- end -->')
    return BLOCK.sub(lambda match: f'{match[1]}{make_table(record, match[2])}\n{match[3]}', text)


def pages(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Each page with a generated table: path, text, and the text that it should have.

    Raises:
        PagesError: See :func:`read_record` and :func:`filled`; a table that no page shows.
    """
    record = read_record(root)
    shown: set[str] = set()
    for path in [root / 'README.md', *sorted((root / 'docs').glob('*.md'))]:
        text = path.read_text(encoding='utf-8')
        try:
            new = filled(text, record)
        except PagesError as error:
            raise PagesError(f'{path}: {error}') from error
        names = [match[1] for match in BLOCK.findall(text)]
        shown.update(names)
        if names:
            yield path, text, new
    missing = {*RUN_TABLES, *MODEL_TABLES, HEADLINE} - shown
    if missing:
        raise PagesError(f'no page shows: {", ".join(sorted(missing))}')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    statuses = {
        FINE: 'the pages are as they should be',
        PARTIAL: '--check: the pages named differ',
        USER_ERROR: 'wrong input',
    }
    parser = tool_parser(__doc__, statuses)
    root = packaged_folder('configs').parent
    parser.add_argument(
        '--root', type=Path, default=root, metavar='DIR', help='the clone (default: this one)'
    )
    parser.add_argument('--check', action='store_true', help='write nothing')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Write or compare the pages; nothing is written unless all of them can be made."""
    differing = [(path, new) for path, text, new in pages(args.root) if text != new]
    for path, new in differing:
        if not args.check:
            write_text(path, new)
        print(f'{path}: {"differs" if args.check else "written"}')
    return PARTIAL if differing and args.check else FINE


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    args = parse_args(argv)
    return exit_status(lambda: run(args), where=args.root)


if __name__ == '__main__':
    sys.exit(main())
