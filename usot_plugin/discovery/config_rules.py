"""What each field of the discovery config may be."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

PIXEL_UNITS = ('flow', 'frame')


def nearest_name(name: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` for the known name that looks most like ``name``, or an empty string."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ''


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def _is_row(value: Any, length: int | None = None) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and (length is None or len(value) == length)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _between(low: float, high: float):
    return lambda value: _is_number(value) and low <= value <= high


def _count_or_none(least: int):
    return lambda value: value is None or _is_count(value, least)


def _at_least(least: int):
    return lambda value: _is_count(value, least)


_INF = math.inf
#: (field, test, what the message asks for)
RULES = [
    ('flow', lambda v: isinstance(v, Mapping) and bool(v.get('type')), "a dict with a 'type'"),
    ('flow_size_wh', lambda v: _is_row(v, 2) and all(_is_count(s, 16) for s in v), 'two sides of at least 16 pixels'),
    ('pixel_unit', lambda v: v in PIXEL_UNITS, f'one of {PIXEL_UNITS}'),
    ('alphas', lambda v: _is_row(v) and all(_between(0, 1)(a) for a in v), 'one or more numbers in [0, 1]'),
    ('margin', lambda v: _is_number(v) and 0 <= v < 0.5, 'in [0, 0.5)'),
    ('end_noise_min_px', lambda v: _is_row(v, 2) and all(map(_is_number, v)), 'two numbers'),
    *[
        (name, _at_least(1), 'a whole number >= 1')
        for name in (
            'eval_gap_frames',
            'interval_min',
            'interval_max',
            'interval_start',
            'candidates_per_mask',
            'fragment_step',
            'fragment_reach',
            'objects_per_clip',
            'min_picks',
        )
    ],
    *[(name, _at_least(0), 'a whole number >= 0') for name in ('window_overlap', 'quality_radius', 'fragment_trim', 'seed')],
    *[
        (name, _count_or_none(1), 'a whole number >= 1 or None')
        for name in ('max_frames', 'window_frames', 'link_candidates', 'link_frames')
    ],
    *[
        (name, _between(0, 1), 'in [0, 1]')
        for name in (
            'min_side_ratio',
            'max_border_span',
            'edge_weight',
            'corner_discount',
            'suppress_overlap',
            'candidate_nms',
            'max_corner_share',
            'sample_max_corner_share',
            'centrality_cap',
        )
    ],
    *[
        (name, _between(0, _INF), 'a number >= 0')
        for name in (
            'fast_flow_px',
            'slow_flow_px',
            'gate_mean_px',
            'gate_peak_ratio',
            'min_peak_px',
            'min_region_px',
            'min_box_area_px',
            'max_aspect',
            'border_px',
            'centre_weight',
            'peak_factor',
            'border_factor',
            'distance_weight',
            'negative_factor',
            'end_noise_px',
            'corner_tolerance_px',
            'fragment_distance_weight',
        )
    ],
    *[
        (name, _between(-_INF, _INF), 'a number')
        for name in (
            'pick_reward',
            'min_sequence_quality',
            'min_value',
            'sample_min_value',
            'fragment_min_reward',
            'fragment_min_quality',
        )
    ],
    ('min_link_reward', lambda v: v is None or _is_number(v), 'a number or None'),
    *[(name, lambda v: isinstance(v, bool), 'True or False') for name in ('legacy_fill', 'trim_ends', 'store_masks')],
]


def check_values(config: Any) -> None:
    """Hold every field against its rule.

    Raises:
        ValueError: A value breaks its rule; the message names the field, the rule and the value.
    """
    for name, test, wanted in RULES:
        value = getattr(config, name)
        if not test(value):
            raise ValueError(f'discovery config: {name} must be {wanted}, got {value!r}')
