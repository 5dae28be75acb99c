"""Data sets of MMTracking: a list file and a prefix become the owners' folder and a subset of
it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .pipelines import check_test_pipeline, translate_train_pipeline
from .report import Migration, plain_type


@dataclass(frozen=True)
class OldDataset:
    """How a data set of MMTracking is one of ours.

    Attributes:
        name: Our class.
        subsets: Our subset for each word (``train``, ``val``, ``test``) in the name of the list
            file.
        folder: Our root below MMTracking's prefix; its lists say ``data/...`` for some benchmarks.
    """

    name: str
    subsets: Mapping[str, str]
    folder: str = ''


_OTB = OldDataset('OTB100Dataset', {'': 'otb100'}, 'data')

BENCHMARKS = {
    'GOT10kDataset': OldDataset('GOT10kDataset', {'train': 'train', 'val': 'val', 'test': 'test'}),
    'LaSOTDataset': OldDataset('LaSOTDataset', {'train': 'train', 'test': 'test'}),
    'OTB100Dataset': _OTB,
    'OTB2015Dataset': _OTB,
    'TrackingNetDataset': OldDataset('TrackingNetDataset', {'test': 'TEST', 'train': 'TRAIN_0'}),
    'UAV123Dataset': OldDataset('UAV123Dataset', {'': 'UAV123'}),
    'VOTDataset': OldDataset('VOTDataset', {'': 'all'}, 'data'),
}

#: Data sets of images or videos with a COCO file.
COCO_DATASETS = ('SOTImageNetVIDDataset', 'SOTCocoDataset')

#: Arguments that are taken care of, or change nothing at this value.
KNOWN = {
    'type': ...,
    'data_root': ...,
    'ann_file': ...,
    'data_prefix': ...,
    'pipeline': ...,
    'test_mode': ...,
    'bbox_min_size': 0,
    'only_eval_visible': ...,
    'dataset_type': ...,
    'chunks_list': ...,
}

ALL_CHUNKS = tuple(range(12))


def translate_test_dataset(
    old: Mapping[str, Any], key: str, migration: Migration
) -> dict[str, Any] | None:
    """A benchmark of ours, or None where there is none."""
    name = plain_type(old)
    if name not in BENCHMARKS:
        migration.leave(
            f'{key}.type',
            f'{name}: no benchmark of this name here; there are {", ".join(BENCHMARKS)}',
        )
        return None
    migration.leave_others(key, old, KNOWN, f'{name} has no such argument here')
    check_test_pipeline(old.get('pipeline', ()), f'{key}.pipeline', migration)
    return _benchmark(old, key, migration)


def translate_train_dataset(
    old: Mapping[str, Any], key: str, migration: Migration
) -> list[dict[str, Any]]:
    """Training sets of ours: none, one, or one for each chunk of TrackingNet."""
    name = plain_type(old)
    if name not in BENCHMARKS and name not in COCO_DATASETS:
        migration.leave(f'{key}.type', f'{name}: no training data of this kind here')
        return []
    migration.leave_others(key, old, KNOWN, f'{name} has no such argument here')
    sampler, pipeline = translate_train_pipeline(
        old.get('pipeline', ()), f'{key}.pipeline', migration
    )
    rest: dict[str, Any] = (
        {'pipeline': pipeline}
        if sampler is None
        else {'frame_sampler': sampler, 'pipeline': pipeline}
    )
    if name in COCO_DATASETS:
        if name == 'SOTCocoDataset' and sampler is not None:
            # One image has no second frame: MMTracking pairs it with itself.
            rest['frame_sampler'] = {
                'type': 'WindowFrames',
                'count': 1,
                'span': 1,
                'views': {'template': [0], 'search': [0]},
            }
        annotation = posixpath.join(old.get('data_root', ''), old.get('ann_file', ''))
        return [
            {
                'type': 'CocoVIDDataset',
                'annotation': annotation,
                'image_root': _root(old, key, migration),
                **rest,
            }
        ]
    sequences = _benchmark(old, key, migration)
    parts = [sequences]
    if name == 'TrackingNetDataset':
        chunks = old.get('chunks_list', ['all'])
        numbers = ALL_CHUNKS if 'all' in chunks else [int(chunk) for chunk in chunks]
        parts = [{**sequences, 'subset': f'TRAIN_{number}'} for number in numbers]
    return [
        {'type': 'PseudoBoxDataset', 'box_source': 'annotated', 'sequences': part, **rest}
        for part in parts
    ]


def _root(old: Mapping[str, Any], key: str, migration: Migration) -> str:
    """Folder of the images."""
    root = str(old.get('data_root') or '')
    if '://' in root or re.match(r'\w+:s3:', root):
        migration.leave(f'{key}.data_root', f'{root} is no local folder; write one')
    prefix = old.get('data_prefix') or {}
    return posixpath.join(root, prefix.get('img_path', prefix.get('img', '')))


def _benchmark(old: Mapping[str, Any], key: str, migration: Migration) -> dict[str, Any]:
    kind = BENCHMARKS[plain_type(old)]
    folder = (
        posixpath.join(_root(old, key, migration), kind.folder)
        if kind.folder
        else _root(old, key, migration)
    )
    return {'type': kind.name, 'data_root': folder, 'subset': _subset(old, kind, key, migration)}


def _subset(old: Mapping[str, Any], kind: OldDataset, key: str, migration: Migration) -> str:
    if '' in kind.subsets:
        return kind.subsets['']
    listed = posixpath.basename(str(old.get('ann_file', '')))
    found = re.search(r'(train|val|test)(_vot)?_infos\.txt$', listed)
    if found is None or found[1] not in kind.subsets:
        usual = next(iter(kind.subsets)) if not old.get('test_mode') else 'test'
        migration.leave(
            f'{key}.ann_file',
            f'{listed}: not a list that MMTracking makes, so all of subset {usual!r} is taken',
        )
        return kind.subsets[usual]
    if found[2]:
        migration.leave(
            f'{key}.ann_file',
            f'{listed}: the split that VOT allows is not known here, so all of subset '
            f'{found[1]!r} is taken',
        )
    return kind.subsets[found[1]]
