"""Configs of the release before, under their old paths: a warning, and what they said."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config

from usot_plugin._moved import CONFIGS
from usot_plugin.apis.inferencer import resolve_model
from usot_plugin.cli.test import build_config, parse_args
from usot_plugin.utils.config import ConfigError, load_config
from usot_plugin.utils.old_configs import old_config
from usot_plugin.utils.packaged import packaged_folder

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / 'configs/_base_/benchmarks'
KEYS = 'usot/usot_r50_no-naive-stage.py'
BENCHMARK = 'cyclesiam/siammask_vot2018.py'


def read(old: str | Path, **options) -> Config:
    with pytest.warns(FutureWarning, match='the old path goes with the next release'):
        return load_config(old, options)


def test_every_entry_is_gone_and_leads_to_a_file():
    for old, new in CONFIGS.items():
        assert not (packaged_folder('configs') / old).exists(), old
        assert (packaged_folder('configs') / new.split()[0]).is_file(), new
    stems = [Path(old).stem for old in CONFIGS if not old.startswith('_base_')]
    assert len(stems) == len(set(stems)), 'names of model-index.yml are looked up by them'


@pytest.mark.parametrize('old', CONFIGS)
def test_what_the_command_line_takes_beside_it_is_in_it(old):
    with pytest.warns(FutureWarning, match=re.escape(f'{old} is now configs/{CONFIGS[old]};')):
        cfg = Config.fromfile(old_config(f'configs/{old}'))
    file, *words = shlex.split(CONFIGS[old])
    args = parse_args([f'configs/{file}', 'none', *words])
    wanted = Config.fromfile(ROOT / args.config)
    wanted.merge_from_dict(args.cfg_options or {})
    if args.benchmark:
        wanted.update(Config.fromfile(BENCHMARKS / f'{args.benchmark}.py').to_dict())
    assert cfg.to_dict() == wanted.to_dict()


@pytest.mark.parametrize('path', [f'configs/{KEYS}', KEYS, packaged_folder('configs') / KEYS])
def test_an_old_path_is_read_from_anywhere_and_takes_options(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = read(path, **{'model.train_cfg.naive_cls_weight': 0.5})
    assert cfg.model.train_cfg.cycle_start_epoch == 0
    assert cfg.model.train_cfg.naive_cls_weight == 0.5


@pytest.mark.parametrize('old', [KEYS, BENCHMARK, 'udt/udt-lite.py'])
def test_an_own_config_builds_on_an_old_one(old, tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = ['{packaged_folder('configs')}/{old}']\nrandomness = dict(seed=7)\n")
    cfg = read(own)
    assert cfg.randomness.seed == 7 and cfg.model.test_cfg.type.endswith('Tracker')
    assert Config._get_cfg_path.__module__ == 'mmengine.config.config', 'put back'


def test_a_base_of_an_own_base_may_be_an_old_one(tmp_path):
    (tmp_path / 'a.py').write_text(f"_base_ = '{packaged_folder('configs') / BENCHMARK}'\n")
    (tmp_path / 'b.py').write_text("_base_ = './a.py'\ntest_evaluator = dict(eao_low=1)\n")
    cfg = read(tmp_path / 'b.py')
    assert (cfg.test_evaluator.eao_low, cfg.test_evaluator.eao_high) == (1, 356)
    assert cfg.model.test_cfg.region == 'rotated_box'


def test_what_is_wrong_is_said_of_the_path_that_was_given():
    with (
        pytest.warns(FutureWarning),
        pytest.raises(ConfigError, match=rf'^configs/{KEYS}: .* no argument .max_epoch.'),
    ):
        load_config(f'configs/{KEYS}', {'train_cfg.max_epoch': 1})


def test_the_run_keeps_its_folder():
    args = parse_args([f'configs/{BENCHMARK}', 'none'])
    with pytest.warns(FutureWarning):
        assert build_config(args).work_dir == 'work_dirs/siammask_vot2018'


def test_an_old_name_of_the_model_index():
    with pytest.warns(FutureWarning, match='udt/udt_discovered.py'):
        cfg, weights = resolve_model('udt-lite', None)
    assert cfg.model.type == 'UDT' and weights is None


def test_an_own_file_of_an_old_name_wins(tmp_path, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    Path('configs/udt').mkdir(parents=True)
    Path('configs/udt/udt-lite.py').write_text('a = 1\n')
    assert load_config('configs/udt/udt-lite.py').a == 1
    assert not [warning for warning in recwarn if warning.category is FutureWarning]


def test_a_base_that_never_was_is_named(tmp_path):
    (tmp_path / 'own.py').write_text("_base_ = './nothing.py'\n")
    with pytest.raises(ConfigError, match=r'own\.py: cannot be read .*nothing\.py'):
        load_config(tmp_path / 'own.py')


def test_the_log_of_runs_names_configs_that_are_or_were():
    with (ROOT / 'docs/runs.csv').open(encoding='utf-8') as stream:
        named = {row['config'] for row in csv.DictReader(stream)} - {''}  # trackers of others
    assert 'usot_quick' in named
    known = {path.stem for path in packaged_folder('configs').rglob('*.py')}
    assert named <= known | {Path(old).stem for old in CONFIGS}
