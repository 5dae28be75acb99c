"""Damaged files, with a fixed seed: each reader gives what is there, or names the file.

``USOT_FUZZ_CASES=10000`` tries more.
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from usot_plugin.datasets.benchmarks import AnnotationError
from usot_plugin.datasets.benchmarks.annotations import parse_boxes_xywh
from usot_plugin.datasets.coco_video import CocoVideoBoxes
from usot_plugin.datasets.release_crops import ReleaseBoxes
from usot_plugin.discovery.table.format import TableError
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.evaluation.results.result_files import OnePassResults, ResultError
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.tracking.box_input import InputError, boxes_from_json
from usot_plugin.utils.checkpoint import CheckpointError, extract_state_dict, load_checkpoint
from usot_plugin.utils.legacy_checkpoint import MAGIC, PROTOCOL

NAMED = (AnnotationError, CheckpointError, InputError, ResultError, TableError)
CASES = int(os.environ.get('USOT_FUZZ_CASES', 500))
#: What is put in place of a part of a text.
TOKENS = (
    b'',
    b'null',
    b'[]',
    b'{}',
    b'-1',
    b'1e999',
    b'nan',
    b'"x"',
    b'true',
    b'\xff',
    b'9' * 400,
    b'[' * 3000,
    b',',
    b'\x00',
)


def checkpoint(file: Path) -> None:
    torch.save(
        {'meta': {'epoch': 1}, 'state_dict': {'a.weight': torch.ones(40), 'b': torch.arange(9)}},
        file,
    )


def legacy(file: Path) -> None:
    parts = (
        MAGIC,
        PROTOCOL,
        {'little_endian': True},
        {'state_dict': {'a': [1.0, 2.0], 'b': {'c': 'text'}}},
        [],
    )
    file.write_bytes(b''.join(pickle.dumps(part, 2) for part in parts))


def table(file: Path) -> None:
    part = write_table_part(
        file.parent / 'made',
        'a.mp4',
        '/nowhere/a.mp4',
        pseudo_track(np.tile([1.0, 1, 20, 20], (30, 1))),
        True,
    )
    file.write_bytes(part.read_bytes())


def boxes(file: Path) -> None:
    file.write_text(''.join(f'{i},2,30,40\n' for i in range(8)))


def coco(file: Path) -> None:
    images = [{'id': i, 'file_name': f'{i}.jpg', 'frame_id': i, 'video_id': 1} for i in range(3)]
    entries = [{'id': i, 'image_id': i, 'instance_id': 1, 'bbox': [1, 2, 3, 4]} for i in range(3)]
    file.write_text(
        json.dumps({'images': images, 'videos': [{'id': 1, 'name': 'v'}], 'annotations': entries})
    )


def release(file: Path) -> None:
    frame = [1, 2, 30, 40, 0.5, 0.5, 0, 1, 0.1]
    meta = {'bbox_picked_freq': 0.9, 'corner_bbox_freq': 0.0}
    file.write_text(json.dumps({'v': {'00': {'000000': frame, '000001': frame, 'meta': meta}}}))


#: Form -> how a whole file is made, and its reader.
FORMS = {
    'w.pth': (checkpoint, lambda file: extract_state_dict(load_checkpoint(file), file)),
    'old.pth': (legacy, load_checkpoint),
    't.parquet': (table, lambda file: [row.track for row in read_table(file)]),
    'groundtruth.txt': (boxes, parse_boxes_xywh),
    's.txt': (boxes, lambda file: OnePassResults(file.parent).read('s')),
    'coco.json': (coco, CocoVideoBoxes),
    'train.json': (release, ReleaseBoxes),
    'boxes.json': (lambda file: file.write_text('[[1, 2, 3, 4], [5, 6, 7, 8]]'), boxes_from_json),
    'run.json': (
        lambda file: file.write_text('{"a": {"b": 1}}'),
        lambda file: OnePassResults(file.parent).claim({'a': {'b': 1}}),
    ),
}
#: A table costs a hundred times a text.
SHARE = {'t.parquet': 0.05}


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to three kinds of damage."""
    for _ in range(int(rng.integers(1, 4))):
        at, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 12))
        kind = int(rng.integers(4))
        if kind == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + TOKENS[int(rng.integers(len(TOKENS)))] + data[at + length :]
        elif kind == 2:
            data = data[:at]
        else:
            data = data[:at] + data[at : at + length] * 2 + data[at + length :]
    return data


def outcome(name: str, file: Path, data: bytes) -> str:
    """What is wrong with the way these bytes are read; '' where they are read, or the file is
    named."""
    file.write_bytes(data)
    try:
        FORMS[name][1](file)
    except NAMED as error:
        if name not in str(error) and str(file.parent) not in str(error):
            return f'does not name the file: {error}'
    except Exception as error:
        return f'{type(error).__name__}: {error} for {data[:300]!r}'
    return ''


@pytest.mark.parametrize('name', FORMS)
@pytest.mark.filterwarnings('ignore')
def test_a_damaged_file_is_read_or_named(tmp_path, name):
    make, read = FORMS[name]
    file = tmp_path / name
    make(file)
    whole = file.read_bytes()
    read(file)
    rng = np.random.default_rng(list(name.encode()))
    others = (1 - sum(SHARE.values())) / (len(FORMS) - len(SHARE))
    for case in range(round(CASES * SHARE.get(name, others))):
        wrong = outcome(name, file, mutated(whole, rng))
        assert not wrong, f'case {case} of {name}: {wrong}'
