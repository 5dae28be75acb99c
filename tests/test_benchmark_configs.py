"""Every config of a benchmark is a whole test configuration beside a model: data set, rule book and
measure fit each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from usot_plugin.registry import DATASETS, METRICS, TASK_UTILS
from usot_plugin.testing import benchmarks as tiny
from usot_plugin.testing.tools import run_tool_main
from usot_plugin.utils.config import load_config

REPO = Path(__file__).resolve().parents[1]
CONFIGS = REPO / 'configs/_base_/benchmarks'
#: Config -> the writer of a folder for it.
BENCHMARKS = {
    'otb100': tiny.write_otb,
    'otb50': lambda root: tiny.write_otb(root, ['Deer']),
    'otb2013': lambda root: tiny.write_otb(root, ['Deer']),
    'lasot': tiny.write_lasot,
    'got10k_val': tiny.write_got10k,
    'got10k_test': lambda root: tiny.write_got10k(root, 'test'),
    'trackingnet': tiny.write_trackingnet,
    'uav123': tiny.write_uav123,
    'uav20l': lambda root: tiny.write_uav123(root, ['person20'], 'UAV20L'),
    'nfs30': tiny.write_nfs,
    'nfs240': tiny.write_nfs,
    'tcolor128': tiny.write_tcolor128,
    'vot2016': tiny.write_vot,
    'vot2017': lambda root: tiny.write_vot(root, regions='polygon'),
    'vot2018': lambda root: tiny.write_vot(root, regions='polygon', color_folder=True),
    'vot2019': lambda root: tiny.write_vot(root, regions='polygon', color_folder=True),
    'vot2020': lambda root: tiny.write_vot(
        root, regions='mask', color_folder=True, anchors={0: 1, 6: 1, 11: -1}
    ),
    'davis2016': lambda root: tiny.write_davis(root, year=2016),
    'davis2017': tiny.write_davis,
}


def leaf(folder: Path, benchmark: str) -> Path:
    """A config of the small network on a benchmark, as a user writes it."""
    bases = [
        REPO / 'configs/_base_/models/usot_quick_net.py',
        CONFIGS / f'{benchmark}.py',
        REPO / 'configs/_base_/default_runtime.py',
    ]
    path = folder / f'leaf_{benchmark}.py'
    path.write_text(f'_base_ = {[str(base) for base in bases]}\n', encoding='utf-8')
    return path


def test_all_configs_are_tested():
    assert {path.stem for path in CONFIGS.glob('*.py')} == {*BENCHMARKS, 'sequence_folder'}


@pytest.mark.parametrize('name', BENCHMARKS)
def test_a_leaf_config_builds_and_reads(name, tmp_path):
    written = BENCHMARKS[name](tmp_path / 'data')
    cfg = load_config(leaf(tmp_path, name))
    dataset = DATASETS.build(
        {
            **cfg.test_dataloader.dataset,
            'data_root': str(tmp_path / 'data'),
            'sequences': list(written),
        }
    )
    assert [sequence.name for sequence in dataset] == list(written)
    TASK_UTILS.build(cfg.test_cfg.protocol)
    metric = METRICS.build(cfg.test_evaluator)
    assert (cfg.test_evaluator.type == 'SubmissionOnly') == dataset.metainfo['first_box_only']
    assert metric.default_prefix


WINDOWS = {
    'vot2016': (108, 371),
    'vot2017': (100, 356),
    'vot2018': (100, 356),
    'vot2019': (46, 291),
    'vot2020': (115, 755),
}


@pytest.mark.parametrize('name', WINDOWS)
def test_eao_windows(name):
    cfg = load_config(CONFIGS / f'{name}.py')
    assert (cfg.test_evaluator.eao_low, cfg.test_evaluator.eao_high) == WINDOWS[name]
    assert cfg.test_dataloader.dataset.metainfo.dataset_name == name.upper()


@pytest.mark.process
@pytest.mark.parametrize('name', ['otb100', 'got10k_test', 'vot2018', 'davis2017'])
def test_a_benchmark_is_tracked_and_scored(name, tmp_path):
    written = BENCHMARKS[name](tmp_path / 'data')
    options = f'test_dataloader.dataset.data_root={tmp_path / "data"}'
    out, config = tmp_path / 'out', leaf(tmp_path, name)
    folders = ['--out', out, '--work-dir', tmp_path / 'work']
    tracker = ['none', '--tracker', 'StandStill', '--only', *written]
    assert (
        run_tool_main(REPO / 'tools/test.py', config, *tracker, *folders, '--cfg-options', options)
        == 0
    )
    assert len(json.loads((out / 'StandStill/run.json').read_text())) > 1
    assert any(
        path.name.startswith(next(iter(written))) for path in (out / 'StandStill').rglob('*')
    )
