"""Archives for servers: checked before written, whole or not at all, equal for equal results."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from usot_plugin.datasets.benchmarks import SequenceFolderDataset
from usot_plugin.evaluation import OPE, run_sequences
from usot_plugin.evaluation.protocols import GOT10k
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.evaluation.results.submissions import SERVERS, make_submission
from usot_plugin.tracking import NoisyOracle, Oracle

ROOT = Path(__file__).parents[3]
PROTOCOLS = {'got10k': GOT10k(), 'trackingnet': OPE()}


@pytest.fixture(params=list(SERVERS))
def server(request) -> str:
    return request.param


@pytest.fixture
def dataset(tmp_path) -> SequenceFolderDataset:
    return SequenceFolderDataset(write_benchmark(tmp_path / 'data'))


@pytest.fixture
def results(tmp_path, dataset, server) -> Path:
    protocol = PROTOCOLS[server]
    folder = protocol.result_folder(tmp_path / 'Oracle')
    folder.claim({'tracker': 'Oracle'})
    run_sequences(Oracle(), protocol, dataset, folder)
    return folder.path


def packed(dataset, results, server, out):
    return make_submission(dataset, results, server, out, subset=True)


def test_archive_holds_what_the_server_wants_and_nothing_else(dataset, results, server, tmp_path):
    names = packed(dataset, results, server, tmp_path / 'x.zip')
    expected = {
        'got10k': [f'{name}/{name}_{kind}.txt' for name in 'abc' for kind in ('001', 'time')],
        'trackingnet': [f'{name}.txt' for name in 'abc'],
    }[server]
    with zipfile.ZipFile(tmp_path / 'x.zip') as archive:
        assert archive.namelist() == names == expected and archive.testzip() is None
        rows = np.loadtxt(archive.read(expected[0]).decode().splitlines(), delimiter=',')
    assert rows.shape == (len(dataset[0]), 4)
    np.testing.assert_allclose(rows[:, :2], dataset[0].boxes_xyxy[:, :2], atol=1e-3)


def test_equal_results_give_equal_archives(dataset, results, server, tmp_path):
    packed(dataset, results, server, tmp_path / 'x.zip')
    shutil.copytree(results, tmp_path / 'copy' / 'Oracle')
    for file in (tmp_path / 'copy').rglob('*'):
        os.utime(file, (1e9, 1e9))
    packed(dataset, tmp_path / 'copy' / 'Oracle', server, tmp_path / 'y.zip')
    assert (tmp_path / 'x.zip').read_bytes() == (tmp_path / 'y.zip').read_bytes()


def box_file(results, server, name='b') -> Path:
    return results / (f'{name}/{name}_001.txt' if server == 'got10k' else f'{name}.txt')


def remove(results, server):
    box_file(results, server).unlink()


def shorten(results, server):
    file = box_file(results, server)
    file.write_text(''.join(file.read_text().splitlines(keepends=True)[:-1]))


def lose(results, server):
    file = box_file(results, server)
    lines = file.read_text().splitlines()
    file.write_text('\n'.join([*lines[:3], 'nan,nan,nan,nan', *lines[4:]]) + '\n')


def start_elsewhere(results, server):
    file = box_file(results, server)
    file.write_text('\n'.join(['3,3,9,9', *file.read_text().splitlines()[1:]]) + '\n')


def add_a_stranger(results, server):
    stranger = box_file(results, server, 'stranger')
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text('1,2,3,4\n')


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (remove, 'no such'),
        (shorten, 'lines'),
        (lose, '1 boxes are not finite, the first in line 4'),
        (start_elsewhere, 'another box than the annotation'),
        (add_a_stranger, 'stranger: is no result of this test set'),
    ],
)
def test_nothing_is_written_where_anything_is_wrong(
    dataset, results, server, tmp_path, damage, message
):
    damage(results, server)
    (tmp_path / 'x.zip').write_bytes(b'before')
    with pytest.raises(ResultError, match=message):
        packed(dataset, results, server, tmp_path / 'x.zip')
    assert (tmp_path / 'x.zip').read_bytes() == b'before' and not list(tmp_path.glob('.x.zip*'))


def test_other_test_sets_and_servers_are_refused(dataset, results, server, tmp_path):
    with pytest.raises(ValueError, match='3 sequences, the test set of .* has (180|511)'):
        make_submission(dataset, results, server, tmp_path / 'x.zip')
    with pytest.raises(ValueError, match="unknown server 'gotk', did you mean 'got10k'"):
        make_submission(dataset, results, 'gotk', tmp_path / 'x.zip')
    with pytest.raises(ResultError, match='no such folder'):
        packed(dataset, tmp_path / 'nowhere', server, tmp_path / 'x.zip')


def test_got10k_wants_every_repetition_and_all_times(dataset, tmp_path):
    folder = GOT10k().result_folder(tmp_path / 'Noisy')
    run_sequences(NoisyOracle(0.05), GOT10k(), dataset, folder)
    names = packed(dataset, folder.path, 'got10k', tmp_path / 'x.zip')
    assert len(names) == 12
    with zipfile.ZipFile(tmp_path / 'x.zip') as archive:
        times = np.loadtxt(archive.read('a/a_time.txt').decode().splitlines(), delimiter=',')
    assert times.shape == (len(dataset[0]), 3)
    folder.time_file('b').unlink()
    with pytest.raises(ResultError, match='b: the time of some frames is missing'):
        packed(dataset, folder.path, 'got10k', tmp_path / 'x.zip')


def run_tool(name, *options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / 'tools' / name), *options],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.process
def test_tools(dataset, tmp_path):
    folder = OPE().result_folder(tmp_path / 'Oracle')
    run_sequences(Oracle(), OPE(), dataset, folder)
    config = tmp_path / 'config.py'
    config.write_text(
        "test_dataloader = dict(dataset=dict(type='SequenceFolderDataset', "
        f'data_root={str(dataset.data_root)!r}))\n'
    )
    options = [
        str(config),
        str(folder.path),
        '--server',
        'trackingnet',
        '--out',
        str(tmp_path / 'x.zip'),
    ]
    done = run_tool('make_submission.py', *options)
    assert (
        done.returncode == 2
        and done.stderr.strip().splitlines()[-1].startswith('error: ')
        and not (tmp_path / 'x.zip').exists()
    )
    done = run_tool('make_submission.py', *options, '--allow-subset')
    assert done.returncode == 0 and 'wrote' in done.stdout and (tmp_path / 'x.zip').exists(), (
        done.stderr
    )
    done = run_tool(
        'convert_results.py', str(folder.path), '--to', 'got10k', '--out', str(tmp_path / 'got10k')
    )
    assert done.returncode == 0, done.stderr
    assert GOT10k().result_folder(tmp_path / 'got10k').unfinished_reason(dataset[0]) is None
    done = run_tool(
        'convert_results.py', str(folder.path), '--to', 'pysot', '--out', str(tmp_path / 'pysot')
    )
    assert (
        done.returncode == 2
        and 'origin' in done.stderr
        and len(done.stderr.strip().splitlines()) == 1
    )
