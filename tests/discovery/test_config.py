from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from mmengine.config import Config

from usot_plugin.discovery import DiscoveryConfig

CONFIGS = sorted((Path(__file__).parents[2] / 'configs' / 'discovery').glob('*.py'))


def test_unknown_key_names_the_nearest():
    with pytest.raises(ValueError, match=r"unknown key 'eval_gap_frame' \(did you mean 'eval_gap_frames'\?\)"):
        DiscoveryConfig.from_dict(dict(eval_gap_frame=1))


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
    assert {p.stem for p in CONFIGS} >= {'default', 'farneback', 'arflow', 'youtube_vos', 'lasot', 'multi_object'}


def test_default_file_is_the_default():
    default = next(p for p in CONFIGS if p.stem == 'default')
    assert DiscoveryConfig.from_dict(Config.fromfile(default).discovery) == DiscoveryConfig()


#: Numbers of the paper (arXiv:2108.12711) and of its release.
PUBLISHED = dict(
    eval_gap_frames=3,
    interval_start=4,
    interval_max=7,
    fast_flow_px=16,
    slow_flow_px=8,
    margin=1 / 32,
    alphas=(0.3, 0.16),
    gate_mean_px=0.05,
    gate_peak_ratio=2.5,
    min_region_px=80,
    min_side_ratio=0.02,
    min_box_area_px=50,
    max_aspect=6,
    max_border_span=0.7,
    border_px=15,
    centre_weight=0.5,
    distance_weight=4.1,
    negative_factor=3,
    pick_reward=0.091,
    link_candidates=100,
    quality_radius=3,
    corner_tolerance_px=10,
    edge_weight=0.3,
    min_sequence_quality=0.35,
    max_corner_share=0.4,
    min_value=0.33,
    sample_min_value=0.40,
    sample_max_corner_share=0.25,
    fragment_step=2,
    fragment_reach=320,
    fragment_distance_weight=2.5,
    fragment_min_reward=0.45,
    fragment_min_quality=0.40,
    centrality_cap=0.1,
    max_frames=2000,
    window_overlap=20,
    objects_per_clip=1,
    legacy_fill=False,
    end_noise_px=0,
)


@pytest.mark.parametrize(('name', 'value'), PUBLISHED.items())
def test_defaults_are_the_published_numbers(name, value):
    assert getattr(DiscoveryConfig(), name) == value


WRONG = [
    ('flow', 'DISFlow'),
    ('flow', {}),
    ('flow_size_wh', 640),
    ('flow_size_wh', (640,)),
    ('flow_size_wh', (8, 8)),
    ('pixel_unit', 'metre'),
    ('alphas', ()),
    ('alphas', 0.3),
    ('alphas', (1.5,)),
    ('margin', 0.5),
    ('margin', math.nan),
    ('eval_gap_frames', 0),
    ('eval_gap_frames', 2.5),
    ('eval_gap_frames', True),
    ('max_frames', 0),
    ('window_frames', 6),
    ('window_overlap', -1),
    ('interval_start', 9),
    ('link_frames', 0),
    ('border_px', -1),
    ('suppress_overlap', 2),
    ('legacy_fill', 1),
    ('min_link_reward', 'x'),
    ('pick_reward', None),
    ('end_noise_min_px', (1,)),
    ('seed', -1),
    ('max_aspect', 'wide'),
]


@pytest.mark.parametrize(('name', 'value'), WRONG)
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name) as caught:
        DiscoveryConfig(**{name: value})
    assert '\n' not in str(caught.value)


def test_lists_become_tuples():
    assert DiscoveryConfig(alphas=[0.3]).alphas == (0.3,)
    assert DiscoveryConfig(flow_size_wh=[320, 192]).flow_size_wh == (320, 192)


def test_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DiscoveryConfig().margin = 0.1  # type: ignore[misc]
