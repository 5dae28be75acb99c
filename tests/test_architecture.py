"""The rules of the house: imports point one way, device follows data, names are our own, files stay
readable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.registry import Registry, root

import usot_plugin
from usot_plugin._moved import MOVED

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'usot_plugin'
FILES = sorted(PACKAGE.rglob('*.py'))

#: Files of no room, and what they may import; every room may import them.
LOOSE: dict[str, set[str]] = {'version': set(), '_moved': set(), 'registry': set()}


def _rooms() -> dict[str, set[str]]:
    """Room -> what it may import besides itself, from the table of docs/architecture.md."""
    text = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| `(\w+)/` \|[^|]*\| ([^|]*) \|$', text, re.MULTILINE)
    return {room: set(re.findall(r'`(\w+)`', imports)) | set(LOOSE) for room, imports in rows}


ALLOWED = LOOSE | _rooms()
#: Single doors between rooms of one floor.
DOORS = {
    ('datasets', 'usot_plugin.discovery.quality'),
    ('datasets', 'usot_plugin.discovery.table.reading'),
    ('datasets', 'usot_plugin.discovery.table.format'),
}


def _imports(path: Path) -> set[str]:
    """Absolute names of the modules of this package that a file imports, wherever in the file."""
    package = ('usot_plugin', *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            prefix = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join((*prefix, *((node.module,) if node.module else ())))
            found |= (
                {f'{module}.{alias.name}' for alias in node.names}
                if module == 'usot_plugin'
                else {module}
            )
    return {name for name in found if name.startswith('usot_plugin.')}


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
    if room in ('__init__', '__main__'):
        return
    assert room in ALLOWED, f'{room}: no such room in docs/architecture.md'
    for name in sorted(_imports(path)):
        target = name.split('.')[1]
        assert target == room or target in ALLOWED[room] or (room, name) in DOORS, (
            f'{room} must not import {name}'
        )


@pytest.mark.process
def test_nothing_here_uses_an_old_import_path():
    old = {f'usot_plugin.{name}' for name in MOVED}
    for path in [
        *FILES,
        *sorted((ROOT / 'tools').rglob('*.py')),
        *sorted((ROOT / 'tests').rglob('*.py')),
    ]:
        used = (
            sorted(_imports(path) & old)
            if path.is_relative_to(PACKAGE)
            else _absolute_imports(path, old)
        )
        assert not used, f'{path.relative_to(ROOT)}: {", ".join(used)} has moved'


def _absolute_imports(path: Path, names: set[str]) -> list[str]:
    nodes = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.ImportFrom)
    ]
    modules = {node.module or '' for node in nodes} | {
        f'{node.module}.{alias.name}' for node in nodes for alias in node.names
    }
    return sorted(modules & names)


#: Files of each family; what several of them build on belongs to none.
FAMILIES = {
    'USOT': ('models/usot.py', 'models/heads/usot_head.py', 'tracking/usot/*.py'),
    'UDT': ('models/udt.py', 'tracking/udt/*.py'),
    'S2SiamFC': ('models/s2siamfc*.py', 'models/task_modules/appearance_masks.py'),
    'PUL': ('models/pul*.py',),
    'CycleSiam': (
        'models/cyclesiam.py',
        'models/siamrpn.py',
        'models/heads/rpn_head.py',
        'models/heads/mask_head.py',
        'tracking/siamrpn/*.py',
    ),
}
#: SiamFC is the network that S2SiamFC and PUL train.
SHARED_MODELS = {'__init__.py', 'base_sot.py', 'data_preprocessor.py', 'siamfc.py'}


def _module_file(name: str) -> Path:
    path = ROOT.joinpath(*name.split('.'))
    return path / '__init__.py' if path.is_dir() else path.with_suffix('.py')


def _reachable(path: Path) -> set[Path]:
    """The files of this package that a file imports, directly or through others."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        new = {_module_file(name) for name in _imports(waiting.pop())} - found - {path}
        found |= new
        waiting += [file for file in new if file.is_file()]
    return found


def _family_files(family: str) -> set[Path]:
    return {path for pattern in FAMILIES[family] for path in PACKAGE.glob(pattern)}


def test_every_model_is_of_a_family_or_shared():
    known = SHARED_MODELS | {path.name for family in FAMILIES for path in _family_files(family)}
    assert {path.name for path in (PACKAGE / 'models').glob('*.py')} <= known, (
        'say in FAMILIES or SHARED_MODELS what the new file is'
    )


@pytest.mark.parametrize('family', FAMILIES)
def test_no_family_imports_another(family):
    own = _family_files(family)
    assert own
    others = {path for other in FAMILIES if other != family for path in _family_files(other)}
    for path in sorted(own):
        borrowed = sorted(str(file.relative_to(PACKAGE)) for file in _reachable(path) & others)
        assert not borrowed, (
            f'{path.relative_to(PACKAGE)} needs {", ".join(borrowed)} of another family: share '
            'what both need'
        )


FORBIDDEN = {
    r'\.cuda\(': 'device follows data',
    r'except\s*:': 'catch what you can name',
    r'weights_only\s*=\s*False': "a user's file is never unpickled",
    r'\bTODO\b|\bFIXME\b': 'finish it',
}


@pytest.mark.parametrize('pattern', FORBIDDEN, ids=list(FORBIDDEN.values()))
def test_forbidden_patterns(pattern):
    tools = sorted((ROOT / 'tools').rglob('*.py'))
    found = []
    for path in FILES + tools:
        for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
            if re.search(pattern, line) and '``' not in line:
                found.append(f'{path.relative_to(ROOT)}:{number}: {line.strip()}')
    assert not found, f'{FORBIDDEN[pattern]}:\n' + '\n'.join(found)


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        isinstance(kind, ast.Name) and kind.id in ('Exception', 'BaseException') for kind in caught
    )


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_broad_handlers_raise_again_or_say_why(path):
    text = path.read_text(encoding='utf-8')
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node):
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert raises or '# ' in text.splitlines()[node.lineno - 1], (
                f'line {node.lineno} swallows every error and does not say why'
            )


def test_modules_stay_readable():
    long = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding='utf-8').splitlines())
        for path in FILES
    }
    assert not {name: lines for name, lines in long.items() if lines > 550}


@pytest.mark.process
def test_importing_needs_no_optional_part():
    # Every optional dependency is imported where it is used.
    optional = [
        'ray',
        'onnx',
        'onnxruntime',
        'matplotlib.pyplot',
        'mmdet',
        'vot',
        'trax',
        'openvino',
    ]
    code = f'import sys, usot_plugin; print([name for name in {optional!r} if name in sys.modules])'
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert loaded <= {'matplotlib.pyplot'}, 'only what MMEngine itself imports'


def _root_registries() -> dict[str, Registry]:
    return {name: value for name, value in vars(root).items() if isinstance(value, Registry)}


def _our_names() -> set[str]:
    return {
        name
        for registry in _root_registries().values()
        for name, target in registry.module_dict.items()
        if getattr(target, '__module__', '').startswith('usot_plugin.')
    }


def test_registered_names_are_not_the_hosts():
    # mmdet without compiled ops: its names are read from its sources, which cannot all be imported.
    mmdet = pytest.importorskip('mmdet')
    sources = Path(mmdet.__file__).parent.rglob('*.py')
    theirs = set()
    for path in sources:
        text = path.read_text(encoding='utf-8')
        theirs |= set(re.findall(r'@\w+\.register_module\(\)\s*\n(?:@.*\n)*class (\w+)', text))
        theirs |= set(re.findall(r"register_module\(name=['\"](\w+)['\"]", text))
    assert len(theirs) > 200
    assert len(_our_names()) > 20
    assert not _our_names() & theirs


def test_everything_registers_in_mmengines_root():
    assert 'USOT' in _root_registries()['MODELS'].module_dict
    assert usot_plugin.__version__
