"""Size and shape of the package and its tools at given commits, as a table.

    python tests/measure_house.py d26a192 HEAD

Each commit is laid out with the same formatter at 100 columns, so that line counts compare; a
longer line (text that the formatter leaves alone) counts as the lines it would fill. A duplicated
window is a run of eight lines of code that stands at two places of the package, comments, imports
and indentation left aside.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

COLUMNS = 100
WINDOW = 8


def python_lines(path: Path) -> list[str]:
    """Lines of a file as they count: a line longer than :data:`COLUMNS` fills several."""
    lines = []
    for line in path.read_text(encoding='utf-8').splitlines():
        lines += [line[at : at + COLUMNS] for at in range(0, max(len(line), 1), COLUMNS)]
    return lines


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def body_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function below its signature and docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or first.lineno) - first.lineno + 1


def windows(lines: list[str]) -> list[str]:
    """Runs of :data:`WINDOW` lines of code."""
    code = [line.strip() for line in lines]
    code = [
        line
        for line in code
        if line not in ('', ')', '],', '),', '}', ']')
        and not line.startswith(('#', 'from ', 'import '))
    ]
    return ['\n'.join(code[at : at + WINDOW]) for at in range(len(code) - WINDOW + 1)]


def measure(folder: Path) -> dict[str, str]:
    """Numbers of the package that lies in a folder."""
    subprocess.run(
        ['ruff', 'format', '-q', '--isolated', f'--line-length={COLUMNS}']
        + ['--config', 'format.quote-style="single"', str(folder)],
        check=True,
    )
    files = [*(folder / 'usot_plugin').rglob('*.py'), *(folder / 'tools').rglob('*.py')]
    files.sort()
    lengths = {path: len(python_lines(path)) for path in files}
    seen: set[str] = set()
    doubled = 0
    longest_function = 0
    public = 0
    described = 0
    packed = 0
    for path in files:
        text = path.read_text(encoding='utf-8')
        tree = ast.parse(text)
        for node in functions(tree):
            longest_function = max(longest_function, body_length(node))
            if not node.name.startswith('_'):
                public += 1
                described += ast.get_docstring(node) is not None
        for node in ast.walk(tree):
            packed += (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Tuple)
                and isinstance(node.value, ast.Tuple)
            )
        own = set(windows(text.splitlines()))
        doubled += len(own & seen)
        seen |= own
    tests = sorted((folder / 'tests').rglob('test_*.py'))
    cases = sum(
        node.name.startswith('test_')
        for path in tests
        for node in functions(ast.parse(path.read_text(encoding='utf-8')))
    )
    configs = list((folder / 'configs').rglob('*.py'))
    longest = max(lengths, key=lambda path: lengths[path])
    return {
        'files of the package and tools': f'{len(files)}',
        'their lines at 100 columns': f'{sum(lengths.values())}',
        'longest file': f'{lengths[longest]} ({longest.relative_to(folder)})',
        'longest function body': f'{longest_function}',
        'packed tuple assignments': f'{packed}',
        f'duplicated windows of {WINDOW} lines': f'{doubled}',
        'public functions with a docstring': f'{100 * described / public:.0f} %',
        'test functions': f'{cases}',
        'lines of tests': f'{sum(len(python_lines(path)) for path in tests)}',
        'config files': f'{len(configs)}',
        'lines of configs': f'{sum(len(python_lines(path)) for path in configs)}',
    }


def at_commit(commit: str) -> dict[str, str]:
    """Numbers of the repository at a commit."""
    archive = subprocess.run(
        ['git', 'archive', commit, 'usot_plugin', 'tools', 'tests', 'configs'],
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(folder, filter='data')
        return measure(Path(folder))


def main() -> int:
    """Prints a Markdown table with a column for each commit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('commits', nargs='+', help='what git can name')
    commits = parser.parse_args().commits
    columns = [at_commit(commit) for commit in commits]
    print('| | ' + ' | '.join(f'`{commit}`' for commit in commits) + ' |')
    print('|---' * (len(commits) + 1) + '|')
    for name in columns[0]:
        print(f'| {name} | ' + ' | '.join(column[name] for column in columns) + ' |')
    return 0


if __name__ == '__main__':
    sys.exit(main())
