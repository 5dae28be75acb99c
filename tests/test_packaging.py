"""The wheel holds what it needs and asks for no host of its own; pins, extras and scripts agree."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.structures.boxes import iou, xywh_to_xyxy, xyxy_to_xywh
from usot_plugin.testing.media import moving_square_frames, write_video

ROOT = Path(__file__).parents[1]


def _requirement_names(text: str) -> set[str]:
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    return {
        re.split(r'[^A-Za-z0-9_.-]', line)[0].lower()
        for line in lines
        if line and not line.startswith('%')
    }


@pytest.fixture(scope='module')
def declared() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / 'setup.cfg', encoding='utf-8')
    return parser


def _extra(declared: configparser.ConfigParser, name: str) -> str:
    """The lines of an extra, wherever they stand."""
    value = declared['options.extras_require'][name]
    return (
        (ROOT / value.removeprefix('file:').strip()).read_text(encoding='utf-8')
        if value.startswith('file:')
        else value
    )


def _all_extras(declared: configparser.ConfigParser) -> str:
    return '\n'.join(_extra(declared, name) for name in declared['options.extras_require'])


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """The wheel of what is tracked here, built away from the clone."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    tracked = (
        subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, check=True)
        .stdout.decode()
        .split('\0')
    )
    for name in tracked:
        if name and (ROOT / name).is_file() and not name.startswith('tests/'):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '-q',
        '--no-deps',
        '--no-build-isolation',
        '-w',
        str(folder),
        str(source),
    ]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    (path,) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def run_verb(wheel, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess]:
    """Runs ``python ...`` in a folder, with the unpacked wheel instead of the clone."""
    installed = tmp_path_factory.mktemp('installed')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = {**os.environ, 'PYTHONPATH': str(installed), 'OMP_NUM_THREADS': '1'}

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.process
@pytest.mark.slow
def test_wheel_has_types_configs_and_tools_and_asks_for_no_host(wheel, declared):
    with zipfile.ZipFile(wheel) as archive:
        infos = archive.infolist()
        names = {info.filename for info in infos}
        metadata = archive.read(next(name for name in names if name.endswith('METADATA'))).decode()
    assert {
        'usot_plugin/py.typed',
        'usot_plugin/.mim/configs/usot_r50.py',
        'usot_plugin/.mim/tools/train.py',
        'usot_plugin/.mim/model-index.yml',
    } <= names
    assert not any(name.startswith('tests') for name in names)
    required = [
        line
        for line in metadata.splitlines()
        if line.startswith('Requires-Dist') and 'extra ==' not in line
    ]
    assert required
    assert not any(host in line for line in required for host in ('mmengine', 'mmcv', 'mmdet'))
    assert (
        max(info.file_size for info in infos if info.filename.startswith('usot_plugin/pretrained/'))
        < 4_000_000
    )
    in_mim = {
        line.split(':')[1].split(';')[0].strip()
        for line in metadata.splitlines()
        if re.search(r'extra == .mim.$', line)
    }
    assert {re.split('[<>=]', line)[0] for line in in_mim} == _requirement_names(
        _extra(declared, 'mim')
    )


@pytest.mark.process
@pytest.mark.slow
def test_wheel_finds_its_own_configs(run_verb, tmp_path):
    code = (
        'import usot_plugin\n'
        'from usot_plugin.utils.config import load_config\n'
        "load_config(usot_plugin.__path__[0] + '/.mim/configs/quick/usot_quick.py')\n"
        'print(usot_plugin.__file__)'
    )
    done = run_verb(tmp_path, '-c', code)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.splitlines()[-1]).is_relative_to(ROOT)
    done = run_verb(
        tmp_path,
        '-m',
        'usot_plugin',
        'train',
        'configs/quick/usot_quick.py',
        '--cfg-options',
        'train_cfg.max_epoch=1',
    )
    assert done.returncode == 2 and "no argument 'max_epoch'" in done.stderr, done.stderr


@pytest.mark.process
@pytest.mark.slow
def test_wheel_tracks_with_the_weights_in_it(run_verb, tmp_path):
    frames, boxes_xyxy = moving_square_frames(12, size_wh=(320, 240), side_px=64)
    write_video(tmp_path / 'clip.mp4', frames)
    (tmp_path / 'empty').mkdir()
    box = ','.join(f'{value:g}' for value in xyxy_to_xywh(boxes_xyxy[0]))
    done = run_verb(
        tmp_path / 'empty',
        '-m',
        'usot_plugin',
        'track',
        str(tmp_path / 'clip.mp4'),
        '--box',
        box,
        '--out',
        'out',
    )
    assert done.returncode == 0, done.stderr
    tracked_xywh = np.loadtxt(tmp_path / 'empty/out/clip_target0.txt', delimiter=',')
    overlaps = iou(xywh_to_xyxy(tracked_xywh), boxes_xyxy)
    assert len(overlaps) == 12 and overlaps.mean() > 0.5


def test_mim_installs_the_same_host_with_the_whole_mmcv(declared):
    ranges = {
        name: {line for line in _extra(declared, name).split('\n') if line and line[0] != '#'}
        for name in ('mim', 'openmmlab')
    }
    assert {line.replace('mmcv-lite', 'mmcv') for line in ranges['openmmlab']} == ranges['mim']
    assert not any(line.startswith('mmcv-lite') for line in ranges['mim']), (
        'mmdet asks MIM for mmcv, and the two exclude each other'
    )


def test_every_declared_requirement_is_pinned(declared):
    pinned = _requirement_names((ROOT / 'requirements/constraints.txt').read_text(encoding='utf-8'))
    wanted = _requirement_names(
        declared['options']['install_requires'] + '\n' + _all_extras(declared)
    )
    assert len(wanted) > 15
    assert wanted <= pinned


@pytest.mark.process
def test_every_import_is_declared(declared):
    # Names of distributions whose import name differs.
    module_of = {
        'opencv-python': 'cv2',
        'pyyaml': 'yaml',
        'scikit-image': 'skimage',
        'scikit-learn': 'sklearn',
        'pillow': 'PIL',
        'vot-trax': 'trax',
    }
    names = _requirement_names(
        declared['options']['install_requires'] + '\n' + _all_extras(declared)
    )
    not_on_pypi = {
        'davis2017'
    }  # the official DAVIS evaluation, which one comparison script asks for
    known = (
        not_on_pypi
        | {module_of.get(name, name.replace('-', '_')) for name in names}
        | {'usot_plugin', 'tests', 'mmengine', 'mmcv', 'mmdet'}
    )
    imported = set()
    paths = [
        path
        for folder in ('usot_plugin', 'tools', 'tests')
        for path in (ROOT / folder).rglob('*.py')
    ]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split('.')[0])
    assert imported - set(sys.stdlib_module_names) - {path.stem for path in paths} <= known


@pytest.mark.parametrize('script', sorted(path.name for path in (ROOT / 'tools').glob('*.sh')))
def test_shell_scripts_parse(script):
    subprocess.run(['bash', '-n', str(ROOT / 'tools' / script)], check=True)


@pytest.mark.parametrize(
    ('script', 'arguments'),
    [
        ('dist_train.sh', ['config.py']),
        ('dist_test.sh', ['config.py', 'x.pth']),
        ('slurm_train.sh', []),
    ],
)
def test_launchers_say_how_they_are_used(script, arguments):
    done = subprocess.run(
        ['bash', str(ROOT / 'tools' / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith('usage: ')


def test_quickstart_refuses_a_wrong_path_before_it_installs_anything(tmp_path):
    done = subprocess.run(
        ['bash', str(ROOT / 'tools/quickstart.sh'), str(tmp_path / 'nothing.mp4')],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f'error: {tmp_path / "nothing.mp4"}: no such file or folder\n'


def test_too_old_python_is_named(tmp_path):
    fake = tmp_path / 'python3'
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.1" && exit 0\nexit 1\n',
        encoding='utf-8',
    )
    fake.chmod(0o755)
    code = f'source {ROOT / "tools/lib_env.sh"}; check_python {fake}'
    done = subprocess.run(['bash', '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'is Python 3.8.1, this project needs Python 3.10 or later' in done.stderr
