from __future__ import annotations

from pathlib import Path

import pytest

from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.testing.tables import pseudo_track, write_table_part


@pytest.fixture(scope='session')
def rendered(tmp_path_factory) -> Path:
    """A folder with ``clips/clip_N.mp4`` (20 frames of 160x120) and ``table/``, the exact boxes as
    pseudo boxes, and one skipped clip."""
    root = tmp_path_factory.mktemp('rendered')
    for number in range(4):
        video, boxes = render_clip(number, 20, (160, 120), occluders=0)
        path = write_clip(root / 'clips' / f'clip_{number}.mp4', video)
        write_table_part(root / 'table', path.name, path, pseudo_track(boxes[0], number))
    write_table_part(root / 'table', 'still.mp4', root / 'clips' / 'still.mp4', None)
    return root
