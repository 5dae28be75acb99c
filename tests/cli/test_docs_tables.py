"""The tables of the pages are those that the record and the metafiles give."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from usot_plugin.cli.docs_tables import COLUMNS, PagesError, filled, main, pages, read_record

ROOT = Path(__file__).parents[2]
METHODS = ('usot', 'udt', 's2siamfc', 'pul', 'cyclesiam')


@pytest.fixture(scope='module')
def record():
    return read_record(ROOT)


def test_the_pages_are_those_of_the_record():
    differing = [path.name for path, text, new in pages(ROOT) if text != new]
    assert not differing, 'run python tools/analysis/docs_tables.py'


def test_every_cell_of_a_generated_table_holds_one_number():
    for path, text, _ in pages(ROOT):
        for block in re.findall(r'<!-- generated: .*?<!-- end -->', text, flags=re.DOTALL):
            cells = re.findall(r'[^|]+', re.sub(r'`[^`]*`', '', block))
            assert not [cell for cell in cells if re.search(r'\d\s*/\s*\d', cell)], path.name


def test_every_command_of_the_record_is_explained(record):
    text = (ROOT / 'docs/results.md').read_text(encoding='utf-8')
    explained = set(re.findall(r'^\| `([\w -]+)` \|', text, flags=re.MULTILINE))
    assert {run['command'] for run in record.runs} <= explained


@pytest.mark.parametrize('name', METHODS)
def test_a_method_page_shows_its_rows_and_its_configs(name):
    text = (ROOT / f'docs/{name}.md').read_text(encoding='utf-8')
    assert f'<!-- generated: models-{name} -->' in text
    assert re.search(rf'<!-- generated: {name}[\w-]* -->\n\|', text)


@pytest.fixture
def clone(tmp_path):
    """A copy of what the tool reads."""
    for name in ('README.md', 'model-index.yml'):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / 'docs').mkdir()
    for path in [*(ROOT / 'docs').glob('*.md'), ROOT / 'docs/runs.csv']:
        shutil.copy(path, tmp_path / 'docs' / path.name)
    for path in (ROOT / 'configs').glob('*/metafile.yml'):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
    return tmp_path


def change(clone: Path, **cells: str) -> None:
    """Other cells in the record's row that ships."""
    path = clone / 'docs/runs.csv'
    with open(path, newline='', encoding='utf-8') as file:
        runs = list(csv.DictReader(file))
    runs[0].update(cells)
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator='\n')
        writer.writeheader()
        writer.writerows(runs)


def test_a_changed_number_reaches_every_page(clone, capsys):
    change(clone, auc='12.5')
    assert main(['--root', str(clone), '--check']) == 1
    names = ('README.md', 'docs/results.md', 'docs/usot.md')
    assert capsys.readouterr().out == ''.join(f'{clone / name}: differs\n' for name in names)
    assert main(['--root', str(clone)]) == 0
    assert all('| 12.5 |' in (clone / name).read_text(encoding='utf-8') for name in names)
    assert main(['--root', str(clone), '--check']) == 0, 'the second run has nothing to do'


@pytest.mark.parametrize(
    ('cells', 'words'),
    [
        ({'auc': '57.0 / 3'}, "auc is '57.0 / 3', not one number"),
        ({'config': 'usot_mobil'}, 'usot_mobil is in no metafile'),
        ({'tables': 'headlin'}, 'no such table: headlin'),
        ({'label': ''}, 'needs label, command and sequences'),
    ],
)
def test_a_wrong_row_is_refused_by_its_name(clone, capsys, cells, words):
    change(clone, **cells)
    before = (clone / 'docs/results.md').read_bytes()
    assert main(['--root', str(clone)]) == 2
    error = capsys.readouterr().err
    assert words in error and 'row 2 (mobile_pixel)' in error and error.count('\n') == 1
    assert (clone / 'docs/results.md').read_bytes() == before


def test_a_table_that_no_page_shows_is_named(clone, capsys):
    path = clone / 'docs/pul.md'
    path.write_text(path.read_text(encoding='utf-8').replace('generated: pul', 'x'), 'utf-8')
    assert main(['--root', str(clone)]) == 2
    assert 'no page shows: pul' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('<!-- generated: udt -->\n| a |\n', 'without <!-- end -->'),
        ('<!-- generated: udd -->\n<!-- end -->', 'no such table: udd'),
    ],
)
def test_wrong_markers_are_refused(record, text, words):
    with pytest.raises(PagesError, match=words):
        filled(text, record)
