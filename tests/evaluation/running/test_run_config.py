"""The test part of a config: benchmark, data, metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from usot_plugin.evaluation.running.run_config import (
    benchmark_file,
    point_data,
    prepare_metrics,
    use_benchmark,
)
from usot_plugin.utils.config import ConfigError

CONFIGS = Path(__file__).parents[3] / 'configs'
LOADER = dict(batch_size=1, dataset=dict(type='SequenceFolderDataset', data_root='somewhere'))


def test_benchmark_by_name_or_file(tmp_path):
    assert (
        benchmark_file('sequence_folder', CONFIGS)
        == CONFIGS / '_base_' / 'benchmarks' / 'sequence_folder.py'
    )
    assert benchmark_file('own/bench.py', CONFIGS) == Path('own/bench.py')
    with pytest.raises(
        ConfigError,
        match="--benchmark sequence_foldr: no such benchmark, did you mean 'sequence_folder'",
    ):
        benchmark_file('sequence_foldr', CONFIGS)
    with pytest.raises(ConfigError, match='no such benchmark; there are .*sequence_folder'):
        benchmark_file('xxxxxxxxxxxx', CONFIGS)


def test_a_benchmark_replaces_the_test_part_but_not_the_tracker(tmp_path):
    cfg = Config(
        dict(
            model=dict(type='USOT'),
            test_cfg=dict(type='SOTTestLoop', tracker=dict(type='StandStill'), workers=3),
        )
    )
    use_benchmark(cfg, CONFIGS / '_base_' / 'benchmarks' / 'sequence_folder.py')
    assert cfg.test_cfg.to_dict() == {'type': 'SOTTestLoop', 'tracker': {'type': 'StandStill'}}
    assert (
        cfg.test_dataloader.dataset.type == 'SequenceFolderDataset'
        and cfg.test_evaluator.type == 'SOTMetric'
    )
    assert cfg.model.type == 'USOT'
    (tmp_path / 'no.py').write_text("test_cfg = dict(type='SOTTestLoop')\n")
    with pytest.raises(
        ConfigError, match='no.py: no test_dataloader in it, so it is not a benchmark'
    ):
        use_benchmark(cfg, tmp_path / 'no.py')


def test_where_the_data_lies():
    cfg = Config(dict(test_dataloader=LOADER))
    point_data(cfg, data_root='there', only=['a', 'b'])
    assert cfg.test_dataloader.dataset.to_dict() == {
        'type': 'SequenceFolderDataset',
        'data_root': 'there',
        'sequences': ['a', 'b'],
    }
    point_data(cfg, sequences='own')
    assert cfg.test_dataloader.dataset.data_root == 'own'
    with pytest.raises(ConfigError, match='give one of them'):
        point_data(cfg, sequences='own', data_root='there')
    with pytest.raises(ConfigError, match='no test_dataloader in it'):
        point_data(Config(dict(a=1)))


def test_metrics_write_beside_the_results(tmp_path):
    cfg = Config(
        dict(
            test_evaluator=[
                dict(type='SOTMetric'),
                dict(type='SOTMetric', convention='got10k', about=dict(own=1)),
            ]
        )
    )
    prepare_metrics(cfg, tmp_path, {'config': 'x.py'}, 'pysot')
    first, second = cfg.test_evaluator
    assert (
        first.report_dir == str(tmp_path)
        and first.about == {'config': 'x.py'}
        and first.convention == 'pysot'
    )
    assert second.report_dir == str(tmp_path / 'SOTMetric_2') and second.about == {'own': 1}
    cfg = Config(dict(test_evaluator=dict(type='DumpResults', out_file_path='x.pkl')))
    prepare_metrics(cfg, tmp_path, {})
    assert cfg.test_evaluator[0].to_dict() == {'type': 'DumpResults', 'out_file_path': 'x.pkl'}
    with pytest.raises(ConfigError, match='--convention pysot: DumpResults knows no conventions'):
        prepare_metrics(cfg, tmp_path, {}, 'pysot')
