"""Small pseudo-box tables with known boxes, for tests and self-checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..discovery.table.format import TableInfo, part_bytes, part_name, track_columns
from ..structures import PseudoTrack


def pseudo_track(
    boxes_xyxy: np.ndarray | Sequence,
    seed: int = 0,
    first_frame: int = 0,
    sequence_quality: float = 0.6,
    corner_share: float = 0.1,
    **columns: np.ndarray,
) -> PseudoTrack:
    """A track with random quality columns; it is one smooth passage unless ``columns`` say
    otherwise.

    Args:
        boxes_xyxy: ``(L, 4)``.
        seed: Of the qualities.
        first_frame: Frame of the clip the first box belongs to.
        sequence_quality, corner_share, columns: Replace what is made up.
    """
    rng = np.random.default_rng(seed)
    length = len(boxes_xyxy)
    values: dict[str, Any] = {
        'evaluated': np.ones(length, bool),
        'picked': np.ones(length, bool),
        'frame_quality': rng.uniform(0.3, 1, length).astype(np.float32),
        'centrality': rng.uniform(0, 0.2, length).astype(np.float32),
        'fragment_first': np.full(length, first_frame, np.int32),
        'fragment_last': np.full(length, first_frame + length - 1, np.int32),
        **columns,
    }
    boxes = np.asarray(boxes_xyxy, np.float32)
    return PseudoTrack(
        0,
        first_frame,
        boxes,
        sequence_quality=sequence_quality,
        corner_share=corner_share,
        **values,
    )


def write_table_part(
    table: str | Path,
    clip: str,
    path: str | Path,
    track: PseudoTrack | Sequence[PseudoTrack] | None,
    samplable: bool | Sequence[bool] = True,
    size_wh: tuple[int, int] = (160, 120),
    status: str = 'kept',
    frame_count: int | None = None,
    config: dict[str, Any] | None = None,
) -> Path:
    """Write one clip's part of a table.

    Args:
        table: Folder of parts.
        clip: Name of the clip.
        path: Where its frames are.
        track: Its track or tracks; None for a clip that was skipped.
        samplable: Good enough to be drawn; of all tracks or of each.
        size_wh: Frame size in pixels.
        status: Of a clip with tracks.
        frame_count: Of the clip; by default up to its last box.
        config: Discovery config.

    Returns:
        The Parquet file.
    """
    tracks = [track] if track is None or isinstance(track, PseudoTrack) else list(track)
    good = [samplable] * len(tracks) if isinstance(samplable, bool) else list(samplable)
    boxed = [one.first_frame + len(one) for one in tracks if one is not None]
    rows = [
        {
            'clip': clip,
            'path': str(path),
            'fingerprint': '',
            'width': size_wh[0],
            'height': size_wh[1],
            'fps': 25.0,
            'frame_count': max(boxed, default=0) if frame_count is None else frame_count,
            'status': 'skipped' if one is None else status,
            'reason': 'no moving object' if one is None else '',
            'detail': '',
            'samplable': is_good and one is not None,
            **track_columns(one),
        }
        for one, is_good in zip(tracks, good, strict=True)
    ]
    file = Path(table) / part_name(clip)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        part_bytes(rows, TableInfo({'made_for': 'a test'} if config is None else config))
    )
    return file
