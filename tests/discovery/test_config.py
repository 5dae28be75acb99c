from __future__ import annotations

import dataclasses
import json
import math
import re
import warnings
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from usot_plugin._moved import DISCOVERY_KEYS, rename_keys
from usot_plugin.discovery import DiscoveryConfig
from usot_plugin.discovery.config import CandidatesConfig, MapConfig
from usot_plugin.discovery.config_file import load_discovery
from usot_plugin.discovery.table.format import TableInfo, read_info

CONFIGS = sorted((Path(__file__).parents[2] / 'configs' / 'discovery').glob('*.py'))

#: The config of a table with all defaults, as the release before wrote it: 58 flat keys.
FLAT = json.loads(Path(__file__).with_name('flat_config.json').read_text(encoding='utf-8'))


def nested(dotted: str, value: Any) -> dict[str, Any]:
    group, _, name = dotted.rpartition('.')
    return {group: {name: value}} if group else {name: value}


@pytest.mark.parametrize('key', ['eval_gap', 'eval_gap_frame', 'frames.eval_gaps'])
def test_unknown_key_names_the_nearest(key):
    with pytest.raises(
        ValueError, match=rf"unknown key '{key}' \(did you mean 'frames.eval_gap'\?\)"
    ):
        DiscoveryConfig.from_dict(nested(key, 1))


def test_unknown_key_like_nothing_names_none():
    with pytest.raises(ValueError, match="unknown key 'zzz'$"):
        DiscoveryConfig.from_dict(dict(zzz=1))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_config_files_are_known_and_survive_json(path: Path):
    config = DiscoveryConfig.from_dict(Config.fromfile(path).discovery)
    again = DiscoveryConfig.from_dict(json.loads(json.dumps(config.to_dict(), allow_nan=False)))
    assert again.to_dict() == config.to_dict()
    assert type(config.flow) is dict


def test_there_is_a_config_file_for_every_documented_case():
    assert {p.stem for p in CONFIGS} >= {
        'default',
        'farneback',
        'arflow',
        'youtube_vos',
        'lasot',
        'multi_object',
    }


def test_default_file_is_the_default():
    default = next(p for p in CONFIGS if p.stem == 'default')
    assert DiscoveryConfig.from_dict(Config.fromfile(default).discovery) == DiscoveryConfig()


#: Numbers of the paper (arXiv:2108.12711) and of its release.
PUBLISHED = {
    'frames.eval_gap': 3,
    'interval.start': 4,
    'interval.max': 7,
    'interval.fast_px': 16,
    'interval.slow_px': 8,
    'map.margin': 1 / 32,
    'candidates.alphas': (0.3, 0.16),
    'candidates.gate_mean_px': 0.05,
    'candidates.gate_peak_ratio': 2.5,
    'candidates.min_region_px': 80,
    'candidates.min_side_ratio': 0.02,
    'candidates.min_area_px': 50,
    'candidates.max_aspect': 6,
    'candidates.max_border_span': 0.7,
    'candidates.border_px': 15,
    'candidates.centre_weight': 0.5,
    'trajectory.distance_weight': 4.1,
    'trajectory.negative_factor': 3,
    'trajectory.pick_reward': 0.091,
    'trajectory.link_candidates': 100,
    'quality.radius': 3,
    'quality.corner_tolerance_px': 10,
    'quality.edge_weight': 0.3,
    'quality.min_sequence_quality': 0.35,
    'quality.max_corner_share': 0.4,
    'quality.min_value': 0.33,
    'quality.sample_min_value': 0.40,
    'quality.sample_max_corner_share': 0.25,
    'fragments.step': 2,
    'fragments.reach': 320,
    'fragments.distance_weight': 2.5,
    'fragments.min_reward': 0.45,
    'fragments.min_quality': 0.40,
    'quality.centrality_cap': 0.1,
    'frames.max_count': 2000,
    'frames.window_overlap': 20,
    'objects.per_clip': 1,
    'fill.legacy': False,
    'fill.end_noise_px': 0,
}


@pytest.mark.parametrize(('name', 'value'), PUBLISHED.items())
def test_defaults_are_the_published_numbers(name, value):
    assert attrgetter(name)(DiscoveryConfig()) == value


WRONG = [
    ('flow', 'DISFlow'),
    ('flow', {}),
    ('map.size_wh', 640),
    ('map.size_wh', (640,)),
    ('map.size_wh', (8, 8)),
    ('map.pixel_unit', 'metre'),
    ('candidates.alphas', ()),
    ('candidates.alphas', 0.3),
    ('candidates.alphas', (1.5,)),
    ('map.margin', 0.5),
    ('map.margin', math.nan),
    ('frames.eval_gap', 0),
    ('frames.eval_gap', 2.5),
    ('frames.eval_gap', True),
    ('frames.max_count', 0),
    ('frames.window', 6),
    ('frames.window_overlap', -1),
    ('interval.start', 9),
    ('trajectory.link_frames', 0),
    ('candidates.border_px', -1),
    ('objects.suppress_overlap', 2),
    ('fill.legacy', 1),
    ('trajectory.min_link_reward', 'x'),
    ('trajectory.pick_reward', None),
    ('fill.end_noise_min_px', (1,)),
    ('fill.seed', -1),
    ('candidates.max_aspect', 'wide'),
]


@pytest.mark.parametrize(('name', 'value'), WRONG)
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f' {re.escape(name)} must be') as caught:
        DiscoveryConfig.from_dict(nested(name, value))
    assert '\n' not in str(caught.value)


def test_lists_become_tuples():
    assert CandidatesConfig(alphas=[0.3]).alphas == (0.3,)
    assert MapConfig(size_wh=[320, 192]).size_wh == (320, 192)


def test_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DiscoveryConfig().map.margin = 0.1  # type: ignore[misc]


# --- keys of the release before ---


def test_flat_keys_of_a_config_are_read_with_a_warning():
    with pytest.warns(FutureWarning, match='eval_gap_frames is now frames.eval_gap'):
        config = DiscoveryConfig.from_dict({'eval_gap_frames': 1, 'frames': {'window': 50}})
    assert (config.frames.eval_gap, config.frames.window) == (1, 50)


def test_flat_keys_of_the_command_line_are_read_with_a_warning():
    default = CONFIGS[0].with_name('default.py')
    with pytest.warns(FutureWarning, match='the old key goes with the next release'):
        config, _ = load_discovery(default, {'discovery.eval_gap_frames': 1})
    assert config.frames.eval_gap == 1


def test_a_flat_key_wins_over_the_config_it_builds_on():
    with pytest.warns(FutureWarning):
        config = DiscoveryConfig.from_dict({'trajectory': {'link_frames': 5}, 'link_frames': 9})
    assert config.trajectory.link_frames == 9


def test_every_flat_key_has_its_place():
    assert set(FLAT) == {*DISCOVERY_KEYS, 'flow'}
    assert rename_keys(FLAT, DISCOVERY_KEYS) == DiscoveryConfig().to_dict()


def test_a_table_with_flat_keys_equals_one_of_today():
    old, new = TableInfo(FLAT), TableInfo(DiscoveryConfig().to_dict())
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # nobody can edit a finished table
        read = read_info(old.columns, Path('old.parquet'))
    assert read.config_hash == new.config_hash and read.differences(new) == []


def test_a_group_has_to_be_a_dict():
    with pytest.raises(ValueError, match='frames must be a dict of settings, got 3'):
        DiscoveryConfig.from_dict({'frames': 3})
