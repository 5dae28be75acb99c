"""tools/quickstart.sh as its users call it; what would be installed is here already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from usot_plugin.datasets.synthetic.clips import main as render
from usot_plugin.structures import open_clip

ROOT = Path(__file__).parents[1]


def run(home: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'VIRTUAL_ENV': sys.prefix,
        'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
        'OMP_NUM_THREADS': '1',
        'TORCH_INDEX_URL': 'unused',
        **extra,
    }
    return subprocess.run(
        ['bash', str(home / 'tools/quickstart.sh'), *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


@pytest.fixture(scope='module')
def home(tmp_path_factory) -> Path:
    """A clone whose install script does nothing."""
    home = tmp_path_factory.mktemp('home')
    for name in ('configs', 'usot_plugin'):
        (home / name).symlink_to(ROOT / name)
    (home / 'tools').mkdir()
    for file in (ROOT / 'tools').iterdir():
        (home / 'tools' / file.name).symlink_to(file)
    # Small rendered clips: those of the script take longer than all the rest.
    for out in ('fine', 'scratch'):
        small = ['--clips', '2', '--sequences', '1', '--frames', '40', '--size', '160', '120']
        render([str(home / out / 'rendered'), *small])
        (home / out / 'rendered/complete').touch()
    (home / 'tools/install_stack.sh').unlink()
    (home / 'tools/install_stack.sh').write_text('echo "stack: $*"\n', encoding='utf-8')
    return home


@pytest.mark.parametrize('arguments', [('--help',), ('-h',), ('clips', '--help')])
def test_help_comes_before_anything_else(home, arguments):
    done = run(home, *arguments)
    assert done.returncode == 0 and '--from-scratch' in done.stdout and not done.stderr
    assert 'stack:' not in done.stdout and not (home / 'work_dirs').exists()


@pytest.mark.parametrize(
    ('arguments', 'extra', 'message'),
    [
        (('--fast',), {}, 'error: --fast: no such option'),
        (('a', 'b'), {}, 'usage: '),
        ((), {'EPOCHS': 'x'}, 'error: EPOCHS=x is no positive number'),
        (('--from-scratch', 'gone'), {}, 'error: gone: no such file or folder'),
    ],
)
def test_what_is_refused_before_anything_is_installed(home, arguments, extra, message):
    done = run(home, *arguments, **extra)
    assert done.returncode == 2 and done.stderr.startswith(message)
    assert 'stack:' not in done.stdout


@pytest.mark.process
def test_fine_tuned_from_the_weights_that_ship(home):
    options = {'EPOCHS': '1', 'SAMPLES': '4', 'CLIPS': '2', 'OUT': 'fine'}
    done = run(home, **options)
    assert done.returncode == 0, done.stderr
    assert 'stack: eval' in done.stdout and 'agreement there and back' in done.stdout
    (tuned,) = (home / 'fine').glob('clips-*/finetuned')
    assert {path.name for path in tuned.glob('*.p*')} >= {'adapted.pth', 'before_after.png'}
    again = run(home, **options)
    assert again.returncode == 0, again.stderr
    assert '2/3 train' in done.stderr and '2/3 train' not in again.stderr


@pytest.mark.process
def test_from_scratch(home):
    options = {'EPOCHS': '1', 'SAMPLES': '16', 'OUT': 'scratch'}
    done = run(home, '--from-scratch', **options)
    assert done.returncode == 0, done.stderr
    assert '| seq_000 |' in done.stdout
    (checkpoint,) = (home / 'scratch').glob('clips-*/1x16/epoch_1.pth')
    (video,) = checkpoint.parent.glob('video/*.mp4')
    assert open_clip(video).frame_count == 40


@pytest.mark.process
@pytest.mark.parametrize('way', [(), ('--from-scratch',)])
def test_clips_that_teach_nothing_end_in_one_line(home, tmp_path, way):
    (tmp_path / 'clips').mkdir()
    (tmp_path / 'clips/a.mp4').write_bytes(b'no video')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/rendered').symlink_to(home / 'scratch/rendered')
    done = run(home, *way, str(tmp_path / 'clips'), OUT=str(tmp_path / 'out'))
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == 'error: none of 1 clip can be read (1 unreadable)'
    assert not list((tmp_path / 'out').glob('clips-*/**/*.p[nt][gh]'))
