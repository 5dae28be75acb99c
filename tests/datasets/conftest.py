from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from usot_plugin.datasets.synthetic import render_clip, write_clip
from usot_plugin.discovery.table_format import TableInfo, part_bytes, part_name, track_columns
from usot_plugin.structures import PseudoTrack


def pseudo_track(
    boxes: np.ndarray, seed: int = 0, first_frame: int = 0, sequence_quality: float = 0.6, corner_share: float = 0.1, **columns
) -> PseudoTrack:
    """A track with random quality columns; the whole track is one passage unless said otherwise."""
    rng = np.random.default_rng(seed)
    length = len(boxes)
    values = {
        'evaluated': np.ones(length, bool),
        'picked': np.ones(length, bool),
        'frame_quality': rng.uniform(0.3, 1, length).astype(np.float32),
        'centrality': rng.uniform(0, 0.2, length).astype(np.float32),
        'fragment_first': np.full(length, first_frame, np.int32),
        'fragment_last': np.full(length, first_frame + length - 1, np.int32),
        **columns,
    }
    return PseudoTrack(0, first_frame, boxes.astype(np.float32), sequence_quality=sequence_quality, corner_share=corner_share, **values)


def table_part(folder: Path, clip: str, path: Path, track: PseudoTrack | None, samplable: bool = True, frames: int = 20) -> None:
    """Write the part of one clip the way discovery does."""
    row = {
        'clip': clip,
        'path': str(path),
        'fingerprint': '',
        'width': 160,
        'height': 120,
        'fps': 25.0,
        'frame_count': frames,
        'status': 'skipped' if track is None else 'kept',
        'reason': 'no_motion' if track is None else '',
        'detail': '',
        'samplable': samplable and track is not None,
        **track_columns(track),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / part_name(clip)).write_bytes(part_bytes([row], TableInfo({'made': 'by a test'})))


@pytest.fixture(scope='session')
def rendered(tmp_path_factory) -> Path:
    """A folder with ``clips/clip_N.mp4`` (20 frames of 160x120) and ``table/``, the exact boxes as pseudo boxes, and one skipped clip."""
    root = tmp_path_factory.mktemp('rendered')
    for number in range(4):
        video, boxes = render_clip(number, 20, (160, 120), occluders=0)
        path = write_clip(root / 'clips' / f'clip_{number}.mp4', video)
        table_part(root / 'table', path.name, path, pseudo_track(boxes[0], number))
    table_part(root / 'table', 'still.mp4', root / 'clips' / 'still.mp4', None)
    return root
