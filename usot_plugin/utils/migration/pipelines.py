"""Transforms of MMTracking's training pipelines: frame sampling becomes a frame sampler, the rest a
pipeline of views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .report import Migration, plain_type

VIEWS = ['template', 'search']

#: What a test pipeline does happens inside our test loop.
READING: dict[str, dict[str, Any]] = {
    'LoadImageFromFile': {
        'type': ...,
        'to_float32': ...,
        'backend_args': None,
        'file_client_args': {'backend': 'disk'},
    },
    'LoadTrackAnnotations': {
        'type': ...,
        'with_instance_id': ...,
        'with_bbox': True,
        'with_label': ...,
    },
    'PackTrackInputs': {
        'type': ...,
        'ref_prefix': 'search',
        'num_template_frames': ...,
        'pack_single_img': ...,
    },
}

#: Why a transform has no counterpart.
NO_COUNTERPART = {
    'TridentSampling': 'templates that lie around one search frame are not drawn here; the frame '
    'sampler QualityFrames is used',
    'DiMPSampling': 'several search frames after several templates are not drawn here; the frame '
    'sampler QualityFrames is used',
    'GrayAug': 'GroupGray takes the colour out of a whole group; add it by hand',
    'SeqColorAug': 'no transform adds random RGB offsets; ViewHueSaturation and ViewBrightness '
    'are near',
    'SeqBlurAug': 'its random kernels are others than those of ViewMotionBlur; add that by hand',
    'SeqBboxJitter': 'boxes are not jittered; SiameseCrop has shift_px and scale',
    'SeqCropLikeStark': 'no crop of sqrt(w h) times a factor; SiameseCrop cuts with context as '
    'SiamFC does',
    'CropLikeDiMP': 'no crop of sqrt(w h) times a factor; SiameseCrop cuts with context as '
    'SiamFC does',
    'CheckPadMaskValidity': 'there are no padding masks',
}


def check_test_pipeline(
    pipeline: Sequence[Mapping[str, Any]], key: str, migration: Migration
) -> None:
    """Name what a test pipeline does besides reading frames and boxes."""
    for where, step, _ in _steps(pipeline, key):
        name = plain_type(step)
        if name in READING:
            migration.leave_others(
                where,
                step,
                READING[name],
                'the test loop reads frames and boxes itself, so this has no place',
            )
        else:
            migration.leave(where, f'{name}: frames reach the tracker as they are')


def translate_train_pipeline(
    pipeline: Sequence[Mapping[str, Any]], key: str, migration: Migration
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Frame sampler (None for the default) and pipeline of ``PseudoBoxDataset``."""
    sampler: dict[str, Any] | None = None
    crop: dict[str, Any] = {}
    result: list[dict[str, Any]] = []
    for where, step, shared in _steps(pipeline, key):
        name = plain_type(step)
        if name in NO_COUNTERPART:
            migration.leave(where, f'{name}: {NO_COUNTERPART[name]}')
        elif name in READING:
            migration.leave_others(where, step, READING[name], f'{name} has no such argument here')
        elif name == 'PairSampling':
            sampler = _pair_sampling(step, where, migration)
        elif name == 'CropLikeSiamFC':
            migration.leave_others(
                where,
                step,
                {'type': ..., 'context_amount': ..., 'exemplar_size': ..., 'crop_size': ...},
                'unknown',
            )
            crop = {
                'exemplar': step.get('exemplar_size', 127),
                'context': step.get('context_amount', 0.5),
            }
        elif name == 'SeqShiftScaleAug':
            result += _shift_scale(step, crop)
        elif name in ('RandomFlip', 'BrightnessAug'):
            result.append(_per_view(name, step, where, migration))
            if shared:
                migration.note(
                    where,
                    f'{name}: each view draws its own parameters, MMTracking drew one for all',
                )
        else:
            migration.leave(where, f'{name or "a step without a type"}: not known')
    return sampler, [
        *result,
        {'type': 'PackSOTInputs', 'single': VIEWS, 'stacked': [] if sampler else ['memory']},
    ]


def _steps(
    pipeline: Sequence[Mapping[str, Any]], key: str, shared: bool = False
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """Place, step, and whether its parameters are shared by all views, broadcasters taken apart."""
    for index, step in enumerate(pipeline):
        where = f'{key}.{index}'
        if plain_type(step) == 'TransformBroadcaster':
            inner = step.get('transforms', [])
            inner = [inner] if isinstance(inner, Mapping) else inner
            yield from _steps(
                inner, f'{where}.transforms', bool(step.get('share_random_params', False))
            )
        else:
            yield where, step, shared


def _pair_sampling(step: Mapping[str, Any], where: str, migration: Migration) -> dict[str, Any]:
    frame_range = step.get('frame_range', 5)
    reach = (
        frame_range if isinstance(frame_range, int) else max(abs(int(end)) for end in frame_range)
    )
    if step.get('pos_prob', 0.8) != 1:
        migration.leave(
            f'{where}.pos_prob',
            'PairSampling: template and search area of different videos are not paired here',
        )
    if step.get('filter_template_img', False):
        migration.note(
            f'{where}.filter_template_img', 'template and search area are always different frames'
        )
    known = {'type': ..., 'frame_range': ..., 'pos_prob': ..., 'filter_template_img': ...}
    migration.leave_others(where, step, known, 'PairSampling: not known')
    migration.note(
        where,
        'PairSampling: the template is the earlier of two frames; MMTracking took them in either '
        'order',
    )
    return {
        'type': 'WindowFrames',
        'count': 2,
        'span': reach + 1,
        'views': {'template': [0], 'search': [1]},
    }


def _shift_scale(step: Mapping[str, Any], crop: Mapping[str, Any]) -> list[dict[str, Any]]:
    sizes = step.get('target_size', [127, 255])
    shifts = step.get('shift', [4, 64])
    scales = step.get('scale', [0.05, 0.18])
    rows = zip(VIEWS, sizes, shifts, scales, strict=True)
    return [
        {'type': 'SiameseCrop', 'views': [view], 'size': size, **crop, 'shift_px': px, 'scale': by}
        for view, size, px, by in rows
    ]


def _per_view(
    name: str, step: Mapping[str, Any], where: str, migration: Migration
) -> dict[str, Any]:
    if name == 'BrightnessAug':
        reach = step.get('jitter_range', 0.0)
        migration.leave_others(
            where, step, {'type': ..., 'jitter_range': ...}, f'{name}: not known'
        )
        return {
            'type': 'ViewBrightness',
            'views': VIEWS,
            'factor': [max(0.0, 1 - reach), 1 + reach],
        }
    direction = step.get('direction', 'horizontal')
    if direction not in ('horizontal', 'vertical'):
        migration.leave(f'{where}.direction', f'{name}: one axis at a time, horizontal or vertical')
        direction = 'horizontal'
    migration.leave_others(
        where, step, {'type': ..., 'prob': ..., 'direction': ...}, f'{name}: not known'
    )
    return {'type': 'ViewFlip', 'views': VIEWS, 'prob': step.get('prob', 0.5), 'axis': direction}
