"""``tools/test.py`` as a process under the protocols of GOT-10k and DAVIS, with a user's function
and with the oracle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.testing.media import moving_square_frames, write_frames

ROOT = Path(__file__).parents[1]
MATCH = """
import cv2

def match(frame, box, memory):
    if box is not None:
        x1, y1, x2, y2 = box.astype(int)
        memory['template'] = frame[y1:y2, x1:x2].copy()
        return box
    x, y = cv2.minMaxLoc(cv2.matchTemplate(frame, memory['template'], cv2.TM_CCOEFF_NORMED))[3]
    height, width = memory['template'].shape[:2]
    return x, y, x + width, y + height
"""


def run_test(
    tmp_path: Path, data: str, protocol: str, metric: str, tracker: str
) -> subprocess.CompletedProcess:
    config = tmp_path / 'config.py'
    config.write_text(
        "custom_imports = dict(imports=['usot_plugin'], allow_failed_imports=False)\n"
        'test_dataloader = dict(batch_size=1, num_workers=0, '
        f'sampler=dict(type="DefaultSampler", shuffle=False), dataset=dict({data}))\n'
        f"test_cfg = dict(type='SOTTestLoop', protocol=dict(type={protocol!r}))\n"
        f'test_evaluator = dict(type={metric!r})\n'
    )
    command = [
        sys.executable,
        'tools/test.py',
        str(config),
        '--tracker',
        tracker,
        '--out',
        str(tmp_path / 'out'),
        '--work-dir',
        str(tmp_path),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


@pytest.mark.process
def test_got10k_with_a_function_of_the_users_own(tmp_path):
    frames, boxes = moving_square_frames(8)
    folder = write_frames(tmp_path / 'data' / 'S1' / 'img', frames).parent
    np.savetxt(folder / 'groundtruth.txt', xyxy_to_xywh(boxes), fmt='%.3f', delimiter=',')
    (tmp_path / 'mine.py').write_text(MATCH)
    data = f"type='SequenceFolderDataset', data_root={str(tmp_path / 'data')!r}"
    done = run_test(tmp_path, data, 'GOT10k', 'GOT10kMetric', f'{tmp_path}/mine.py:match')
    assert done.returncode == 0, done.stderr
    out = tmp_path / 'out' / 'match'
    assert len((out / 'S1' / 'S1_001.txt').read_text().splitlines()) == 8
    report = next(json.loads(file.read_text()) for file in out.glob('got10k.json'))
    assert report['totals']['all frames']['ao'] > 95 and report['sequences']['S1']['fps'] > 0


@pytest.mark.process
def test_davis_with_the_oracle(tmp_path):
    frames, boxes = moving_square_frames(6)
    root = tmp_path / 'DAVIS'
    write_frames(root / 'JPEGImages' / '480p' / 'pair', frames, '{:05d}.jpg', first=0)
    labels = np.zeros(frames.shape[:3], np.uint8)
    for index, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        labels[index, 5:15, 60:80] = 2
        labels[index, y1:y2, x1:x2] = 1
    write_frames(root / 'Annotations' / '480p' / 'pair', labels, '{:05d}.png', first=0)
    lists = root / 'ImageSets' / '2017'
    lists.mkdir(parents=True)
    (lists / 'val.txt').write_text('pair\n')
    done = run_test(
        tmp_path, f"type='DAVISDataset', data_root={str(root)!r}", 'VOS', 'VOSMetric', 'Oracle'
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / 'out' / 'Oracle'
    assert len(list((out / 'pair').glob('*.png'))) == 6
    report = next(json.loads(file.read_text()) for file in out.glob('vos.json'))
    assert report['totals']['mean of objects']['j_and_f'] == 100
    written = cv2.imread(str(out / 'pair' / '00003.png'))  # colours of the palette, BGR
    assert written[10, 70].tolist() == [0, 128, 0]
