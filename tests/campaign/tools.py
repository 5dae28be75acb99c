"""The tools under test, their material, and what of their output has to be the same."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

MODULES = tuple(
    f'usot_plugin.cli.{name}'
    for name in (
        'discover',
        'crops',
        'test',
        'relabel',
        'train',
        'export_annotations',
        'browse',
        'track',
        'convert_results',
    )
)
CLIPS, FRAMES = 4, 24
#: A tracker that follows the white border of the square.
FOLLOW = """
import numpy as np

def follow(frame, box, memory):
    rows, columns = np.nonzero(frame.min(-1) > 235)
    if box is not None:
        memory['box'] = box
    elif len(rows):
        corners = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        memory['box'] = np.array(corners, float)
    return memory['box']
"""


def main_of(tool: str, *arguments: object) -> Callable[[], int]:
    """The call of a tool with a command line."""
    return lambda: import_module(f'usot_plugin.cli.{tool}').main([str(one) for one in arguments])


def make_material(place: Path) -> None:
    """Clips, a table of their boxes, a crop store, two sequences, weights and configs."""
    import cv2
    import torch

    from tests.apis.test_inference import MODEL
    from tests.engine.tiny_training import ROOT, tiny_config
    from tests.evaluation.tiny_benchmark import write_benchmark
    from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
    from usot_plugin.datasets.frames.store_building import build_crop_store
    from usot_plugin.discovery.config import DiscoveryConfig
    from usot_plugin.registry import MODELS
    from usot_plugin.testing.media import moving_square_frames, write_video
    from usot_plugin.testing.tables import pseudo_track, write_table_part
    from usot_plugin.utils.config import load_config

    cv2.setNumThreads(1)
    (place / 'clips').mkdir(parents=True)
    for number in range(CLIPS):
        frames, boxes = moving_square_frames(FRAMES, (128, 96), 28, 2.0 + number / 2, number)
        frames = np.where(frames == 255, 255, np.minimum(frames, 180)).astype(np.uint8)
        clip = write_video(place / f'clips/clip_{number}.mp4', frames)
        track = pseudo_track(boxes, number, frame_quality=np.full(FRAMES, 0.8, np.float32))
        write_table_part(
            place / 'table',
            clip.name,
            clip,
            track,
            True,
            (128, 96),
            config=DiscoveryConfig().to_dict(),
        )
    build_crop_store(DiscoveredBoxes(place / 'table'), place / 'crops', workers=0)
    (place / 'follow.py').write_text(FOLLOW)
    (place / 'discovery.py').write_text(
        "discovery = dict(flow=dict(type='FarnebackFlow', levels=2))\n"
    )
    write_benchmark(place / 'sequences')
    (place / 'tracker.py').write_text(
        f"custom_imports = dict(imports=['usot_plugin'])\nmodel = {MODEL!r}\n"
    )
    torch.manual_seed(1)
    model = MODELS.build(load_config(place / 'tracker.py').model)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, place / 'weights.pth')
    pipeline = load_config(ROOT / 'configs/_base_/datasets/usot_pipeline.py').train_pipeline
    data = dict(
        type='PseudoBoxDataset',
        table=str(place / 'table'),
        crop_store=str(place / 'crops'),
        frame_sampler=dict(type='QualityFrames', memory=2),
        samples_per_epoch=8,
        pipeline=pipeline,
    )
    config = tiny_config(place / 'unused')
    config.merge_from_dict(
        {
            'train_dataloader.sampler.shuffle': True,
            'train_dataloader.dataset': dict(_delete_=True, **data),
            'default_hooks.checkpoint.by_epoch': False,
            'default_hooks.checkpoint.interval': 1,
            'custom_hooks': [
                dict(type='FrozenBackboneHook', train_from_epoch=1),
                dict(type='RecordLossHook'),
                dict(type='EMAHook', momentum=0.1),
            ],
        }
    )
    config.dump(place / 'train.py')


@dataclass(frozen=True)
class Tool:
    """A tool, its command line for an output, and what is compared.

    Attributes:
        arguments: Command line for material, output and number of workers.
        content: Output -> part -> what has to be equal; raises where a file is damaged.
    """

    name: str
    module: str
    arguments: Callable[[Path, Path, int], list[object]]
    content: Callable[[Path], dict[str, Any]]

    def call(self, place: Path, out: Path, workers: int = 0) -> Callable[[], int]:
        return main_of(self.module, *self.arguments(place, out, workers))


def files_below(out: Path) -> list[Path]:
    """All files, and what lies beside under the folder's name: ``out.parquet``, temporary ones."""
    beside = [*out.parent.glob(f'{out.name}.*'), *out.parent.glob(f'.{out.name}*')]
    return sorted([*beside, *(path for path in out.rglob('*') if not path.is_dir())])


def same_bytes(out: Path) -> dict[str, Any]:
    """Hash of every file."""
    return {
        str(path.relative_to(out.parent)): path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_below(out)
        if '.arrow' not in path.name  # a cache of readers
    }


def same_rows(out: Path) -> dict[str, Any]:
    """Columns and metadata of the parts and of the merged table, and the names of the files."""
    import pyarrow.parquet as pq

    content: dict[str, Any] = {}
    for path in files_below(out):
        if '.arrow' in path.name:
            continue
        content[str(path.relative_to(out.parent))] = None
        if path.suffix == '.parquet':
            table = pq.read_table(path, page_checksum_verification=True)
            content[str(path.relative_to(out.parent))] = (
                str(table.schema),
                repr(table.schema.metadata),
                pickle.dumps(table.to_pydict()),
            )
    return content


def same_records(out: Path) -> dict[str, Any]:
    """Every record of a crop store."""
    import lmdb

    from usot_plugin.datasets.frames.crop_store import check_length

    content: dict[str, Any] = {path.name: None for path in files_below(out)}
    if not (out / 'data.mdb').exists():
        return content
    check_length(out)
    with lmdb.open(str(out), readonly=True, lock=False) as store, store.begin() as reading:
        for key, value in reading.cursor():
            content[bytes(key).decode('utf-8', 'backslashreplace')] = hashlib.sha256(
                value
            ).hexdigest()
    return content


def same_scores(out: Path) -> dict[str, Any]:
    """Boxes, confidences, the claim and every number of the report that is no time."""
    from usot_plugin.utils.json_text import parse_json

    content: dict[str, Any] = {}
    for path in files_below(out):
        name = str(path.relative_to(out.parent))
        content[name] = None
        if path.name == 'report.json':
            content[name] = timeless(parse_json(path.read_text(encoding='utf-8')))
        elif path.suffix in ('.txt', '.json') and not path.stem.endswith('_time'):
            content[name] = path.read_bytes()
    return content


def timeless(value: Any) -> Any:
    """A report without seconds, speeds and dates; nan compares equal as text."""
    if isinstance(value, dict):
        return {
            key: timeless(one)
            for key, one in value.items()
            if not any(word in key.lower() for word in ('fps', 'second', 'time', 'date', 'speed'))
        }
    if isinstance(value, list):
        return [timeless(one) for one in value]
    return repr(value)


def same_weights(out: Path) -> dict[str, Any]:
    """Weights, averages, optimizer and schedules of the checkpoints kept, losses of every step."""
    import torch

    from tests.engine.tiny_training import read_losses

    content: dict[str, Any] = {}
    for path in sorted(out.glob('*.pth')):
        loaded = torch.load(path, weights_only=False)  # written by this campaign
        parts = {
            key: loaded.get(key)
            for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')
        }
        content[path.name] = hashlib.sha256(repr(flat(parts)).encode()).hexdigest()
    # A step that was made again has to give the same losses: one value for each iteration.
    for row in read_losses(out) if (out / 'losses_0.jsonl').exists() else []:
        content.setdefault(f'losses {row["iteration"]}', set()).add(repr(sorted(row.items())))
    for path in out.iterdir():
        if path.is_file() and path.suffix != '.pth' and '.tmp' in path.name:
            content[f'left behind: {path.name}'] = None
    return content


def flat(value: Any) -> Any:
    """Nested containers with tensors as bytes, in a fixed order."""
    import torch

    if isinstance(value, torch.Tensor):
        array = value.detach().cpu().contiguous().numpy()
        return str(array.dtype), array.shape, array.tobytes()
    if isinstance(value, dict):
        return [
            (str(key), flat(one))
            for key, one in sorted(value.items(), key=lambda item: str(item[0]))
        ]
    if isinstance(value, (list, tuple)):
        return [flat(one) for one in value]
    return repr(value)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            'discover',
            'discover',
            lambda m, out, n: [m / 'discovery.py', m / 'clips', '--out', out, '--workers', n],
            same_rows,
        ),
        Tool(
            'crops',
            'crops',
            lambda m, out, n: [m / 'table', '--out', out, '--workers', n],
            same_records,
        ),
        Tool(
            'crops --frames',
            'crops',
            lambda m, out, n: [m / 'table', '--frames', '--out', out, '--workers', n],
            same_bytes,
        ),
        Tool(
            'test',
            'test',
            lambda m, out, n: [
                *(m / 'tracker.py', m / 'weights.pth', '--sequences', m / 'sequences'),
                *('--out', out, '--work-dir', f'{out}_log', '--workers', n),
            ],
            same_scores,
        ),
        Tool(
            'relabel',
            'relabel',
            lambda m, out, n: [
                *(m / 'tracker.py', 'none', m / 'table', '--out', out, '--workers', n),
                *('--tracker', f'{m / "follow.py"}:follow'),
            ],
            same_rows,
        ),
        Tool(
            'export-boxes',
            'export_annotations',
            lambda m, out, _: [
                *(m / 'table', '--format', 'usot-json', '--crops', '--out', out, '--overwrite'),
            ],
            same_bytes,
        ),
        Tool(
            'train',
            'train',
            lambda m, out, n: [
                *(m / 'train.py', '--work-dir', out, '--resume', '--cfg-options'),
                f'train_dataloader.num_workers={n}',
                f'train_dataloader.persistent_workers={n > 0}',
            ],
            same_weights,
        ),
    )
}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """What is not as in an undisturbed run, in words; nothing where all is."""
    words = [f'{key} is missing' for key in expected if key not in found]
    words += [f'{key} is too much' for key in found if key not in expected]
    words += [f'{key} differs' for key in expected if key in found and found[key] != expected[key]]
    return '; '.join(words[:6])


def output_of(place: Path, tool: Tool) -> Path:
    """The same name in every case: it may be part of what is written."""
    folder = place / 'run'
    os.makedirs(folder, exist_ok=True)
    return folder / 'out'
