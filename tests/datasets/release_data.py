"""A tiny folder as the USOT release's preprocessing leaves it, made from frames by its own
arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np


def write_release(
    root: Path,
    videos: dict[str, tuple[np.ndarray, np.ndarray]],
    step: int = 1,
    quality: float = 0.8,
) -> tuple[Path, Path]:
    """``train.json`` (indented, sorted keys) and ``crop511/`` of videos ``{name: (frames,
    boxes_xyxy)}``; file numbers begin at 1.

    Cropping is spelt out here a second time: the affine map that takes the corners of the context
    square to pixels 0 and 510.
    """
    content: dict[str, dict] = {}
    for name, (frames, boxes) in videos.items():
        folder = root / 'crop511' / name
        folder.mkdir(parents=True)
        track: dict[str, object] = {}
        for index, (frame, box) in enumerate(zip(frames, boxes.astype(int).tolist(), strict=True)):
            number = 1 + index * step
            track[f'{number:08d}'] = [
                *box,
                0.75,
                0.7,
                max(0, index - 3),
                min(len(frames) - 1, index + 3),
                0.15,
            ]
            x1, y1, x2, y2 = box
            margin = 0.5 * (x2 - x1 + y2 - y1)
            side = np.sqrt((x2 - x1 + margin) * (y2 - y1 + margin)) * 511 / 127
            left, top = (x1 + x2) / 2 - side / 2, (y1 + y2) / 2 - side / 2
            scale = 510 / side
            crop = cv2.warpAffine(
                frame,
                np.array([[scale, 0, -scale * left], [0, scale, -scale * top]]),
                (511, 511),
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=frame.mean((0, 1)).tolist(),
            )
            cv2.imwrite(str(folder / f'{number:06d}.00.x.jpg'), crop)
        track['meta'] = {
            'aver_vary': 0.01,
            'base_path': name,
            'bbox_found_freq': 0.9,
            'bbox_picked_freq': quality,
            'corner_bbox_freq': 0.05,
            'frame_sz': [frames.shape[2], frames.shape[1]],
        }
        content[name] = {'00': track}
    (root / 'train.json').write_text(json.dumps(content, indent=4, sort_keys=True))
    return root / 'train.json', root / 'crop511'
