"""tools/analysis/get_flops.py and print_config.py as processes, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from usot_plugin.testing.tools import run_tool_main

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / 'tools/analysis'
CONFIG = ROOT / 'configs/quick/usot_quick.py'


def _run(tool: str, *arguments: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    command = [sys.executable, TOOLS / tool, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
    )


@pytest.mark.process
def test_flops_are_a_table_and_a_file(tmp_path):
    done = _run(
        'get_flops.py',
        CONFIG,
        '--modules',
        1,
        '--shape',
        127,
        255,
        '--json',
        tmp_path / 'flops.json',
    )
    assert done.returncode == 0, done.stderr[-2000:]
    content = json.loads((tmp_path / 'flops.json').read_text())
    assert (content['template_px'], content['search_px']) == (127, 255)
    assert f'USOTTracker, {content["parameters"]:,} parameters' in done.stdout
    rows = {line[:16].strip(): line for line in done.stdout.splitlines()}
    for part in ('template_branch', 'search_branch', 'first_frame', 'tracked_frame'):
        assert f'{content[part] / 1e6:,.1f} M' in rows[part.replace('_', ' ')]
    assert (
        content['modules']['head']['tracked_frame'] > 0
        and 'head' in rows
        and 'head.memory' not in done.stdout
    )
    listed = sum(
        cost['tracked_frame'] for name, cost in content['modules'].items() if '.' not in name
    )
    assert f'{(content["tracked_frame"] - listed) / 1e6:,.1f} M' in done.stdout.splitlines()[-1], (
        'what belongs to no module'
    )


@pytest.mark.process
def test_print_config_merges_and_saves_what_can_be_read_again(tmp_path):
    saved = tmp_path / 'merged.py'
    done = _run(
        'print_config.py', CONFIG, '--cfg-options', 'model.test_cfg.memory_size=5', '--save', saved
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert saved.read_text().strip() == done.stdout.strip()
    cfg = Config.fromfile(saved)
    assert cfg.model.test_cfg.memory_size == 5
    assert cfg.model.type == 'USOT', 'from a base'


@pytest.mark.parametrize(
    ('tool', 'arguments', 'message'),
    [
        ('get_flops.py', ['nowhere.py'], 'nowhere.py: no such config'),
        ('get_flops.py', [CONFIG, '--shape', '0'], '--shape takes one or two positive numbers'),
        ('get_flops.py', [ROOT / 'configs/discovery/default.py'], 'there is no model in it'),
        (
            'get_flops.py',
            [ROOT / 'configs/quick/udt_quick.py', '--shape', '125', '141'],
            'udt_quick.py: UDTTracker has crops of one size',
        ),
        (
            'print_config.py',
            [CONFIG, '--save', 'merged.txt'],
            '--save merged.txt: the name ends in one of .py, .json, .yaml, .yml',
        ),
        ('print_config.py', [CONFIG, '--cfg-options', 'modle.type=x'], "did you mean 'model'?"),
    ],
)
def test_what_the_user_can_mend_is_one_line(capsys, tool, arguments, message):
    assert run_tool_main(TOOLS / tool, *arguments) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1
