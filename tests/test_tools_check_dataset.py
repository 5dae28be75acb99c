"""tools/check_dataset.py as its users run it: a process of its own on a small folder in a real
layout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.testing.benchmarks import write_got10k, write_lasot, write_otb
from usot_plugin.testing.tools import run_tool_main

REPO = Path(__file__).resolve().parents[1]
TOOL = REPO / 'tools/check_dataset.py'


def run_tool(*args) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(REPO), 'OMP_NUM_THREADS': '1'}
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_main(*args: object) -> int:
    return run_tool_main(TOOL, *args)


@pytest.mark.process
def test_a_broken_folder(tmp_path):
    names = list(write_lasot(tmp_path))
    (tmp_path / 'airplane/airplane-1/img/00000004.jpg').unlink()
    (tmp_path / 'airplane/airplane-1/out_of_view.txt').unlink()
    done = run_tool('--type', 'LaSOTDataset', '--root', tmp_path, '--only', *names, 'book-3')
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(':')[0] for line in lines] == ['airplane-1', 'airplane-1', 'book-3', 'LaSOT']
    assert (
        'are missing: 4' in lines[0]
        and 'out_of_view.txt: cannot be read' in lines[1]
        and 'the sequence is missing' in lines[2]
    )
    assert lines[3] == 'LaSOT: 1 of 3 sequences are fine, 8 frames; problems: 3'


def test_decode_names_damaged_pictures(tmp_path, capfd):
    names = list(write_lasot(tmp_path))
    folder = tmp_path / 'airplane/airplane-1/img'
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    for name in ('00000002.jpg', '00000003.jpg'):
        size = cv2.imread(str(folder / name)).shape
        (folder / name).write_bytes(
            cv2.imencode('.jpg', cv2.resize(noise, size[1::-1]))[1].tobytes()
        )
    whole = bytearray((folder / '00000002.jpg').read_bytes())
    whole[len(whole) * 3 // 4 : len(whole) * 3 // 4 + 40] = bytes(40)
    (folder / '00000002.jpg').write_bytes(whole)
    os.truncate(folder / '00000003.jpg', (folder / '00000003.jpg').stat().st_size // 2)
    arguments = ('--type', 'LaSOTDataset', '--root', tmp_path, '--only', *names)
    assert run_main(*arguments) == 0
    assert run_main(*arguments, '--decode') == 1
    printed = capfd.readouterr()
    assert (
        '00000002.jpg, frame 1: damaged, Corrupt JPEG data' in printed.out
        and '00000003.jpg, frame 2: not an image' in printed.out
    )
    assert 'Corrupt' not in printed.err


def test_a_whole_folder_by_its_config(tmp_path, capsys):
    names = write_otb(tmp_path, ['Deer', 'Jogging.1', 'Jogging.2'])
    config = REPO / 'configs/_base_/benchmarks/otb100.py'
    assert run_main(config, '--root', tmp_path, '--only', *names, '--decode') == 0
    assert (
        capsys.readouterr().out == 'OTB-100: 3 of 3 sequences are fine, 685 frames; problems: 0\n'
    )


def test_findings_as_json(tmp_path, capsys):
    names = list(write_got10k(tmp_path))
    (tmp_path / 'val' / names[0] / 'cover.label').unlink()
    assert run_main('--type', 'GOT10kDataset', '--root', tmp_path, '--subset', 'val', '--json') == 1
    findings = json.loads(capsys.readouterr().out)
    assert {key: findings[key] for key in ('dataset', 'sequences', 'broken', 'frames')} == {
        'dataset': 'GOT-10k val',
        'sequences': 2,
        'broken': 1,
        'frames': 8,
    }
    assert findings['problems'] == ['2 sequences, 180 are published']
    assert [len(check['problems']) for check in findings['checks']] == [1, 0]


def test_a_missing_list_is_a_problem_of_the_folder(tmp_path, capsys):
    assert run_main('--type', 'VOTDataset', '--root', tmp_path) == 1
    assert 'list.txt: cannot be read' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        ([], 'give a config, or --type and --root'),
        (['--type', 'OTB100Dataset'], '--type needs --root'),
        (['--type', 'OTB10Dataset', '--root', '.'], "did you mean 'OTB100Dataset'"),
        (['--type', 'OTB100Dataset', '--root', '{tmp}/nowhere'], 'nowhere: no such folder'),
        (['--type', 'OTB100Dataset', '--root', '.', '--only', 'Dear'], "did you mean 'Deer'"),
        (['{tmp}/none.py'], 'no such config'),
        ([str(REPO / 'configs/discovery/default.py')], 'no test_dataloader'),
    ],
)
def test_wrong_usage_is_one_line(args, words, tmp_path, capsys):
    assert run_main(*[arg.format(tmp=tmp_path) for arg in args]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count('\n') == 1 and not captured.out
