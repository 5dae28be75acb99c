"""What tests of start methods run in other processes; importable, as a spawned one finds it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

from usot_plugin.apis import OnlineTracker, SOTInferencer, init_tracker, track_video
from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.frames.crop_store import StoredCrops
from usot_plugin.datasets.pseudo_box_dataset import PseudoBoxDataset
from usot_plugin.structures.clip import open_clip
from usot_plugin.utils.worker_pool import run_jobs

PIPELINE = [
    {'type': 'SiameseCrop', 'views': ['template'], 'size': 127},
    {'type': 'SiameseCrop', 'views': ['search', 'memory'], 'size': 255, 'shift_px': 64},
    {'type': 'PackSOTInputs'},
]


class Everything:
    """Objects of the API that have been used: what a process inherits or gets pickled."""

    def __init__(self, folder, clip, box) -> None:
        self.folder, self.path, self.box = str(folder), str(clip), box
        self.weights = str(folder / 'weights.pth')
        self.config = str(folder / 'config.py')
        self.tracker = init_tracker(self.config, self.weights, 'cpu')
        self.inferencer = SOTInferencer(self.config, self.weights, device='cpu')
        self.clip = open_clip(clip)
        self.source = DiscoveredBoxes(folder / 'table')
        self.crops = StoredCrops(folder / 'crops')
        self.dataset = PseudoBoxDataset(
            table=str(folder / 'table'),
            crop_store=str(folder / 'crops'),
            samples_per_epoch=3,
            pipeline=PIPELINE,
        )
        self.online = OnlineTracker(self.tracker)
        self.online.init(self.clip.read(0), self.box)

    def use(self) -> dict[str, Any]:
        """Use everything; the same in every process that has the same objects."""
        tracker = init_tracker(self.config, self.weights, 'cpu')
        (fresh,) = track_video(tracker, self.path, self.box)
        (found,) = self.inferencer(self.path, init_boxes=self.box)['predictions']
        track = self.source.track(0)
        return {
            'tracker': self.online.update(self.clip.read(1)).boxes_xyxy,
            'fresh tracker': fresh.boxes_xyxy,
            'inferencer': np.array(found['boxes_xyxy']),
            'video': digest(frame for _, frame in self.clip.iter_frames()),
            'crops': digest([self.crops.view(track, 2, track.box(2)).image]),
            'data set': digest(self.dataset[0]['inputs'].values()),
            'pool': sorted(run_jobs(square, jobs(), 1, preload='tests.start_methods')),
            'sum': float(torch.ones(1 << 20).sum()),
        }


def digest(arrays) -> str:
    return hashlib.sha1(b''.join(np.asarray(one).tobytes() for one in arrays)).hexdigest()


def jobs():
    return [(str(number), (number,)) for number in range(2)]


def square(number: int) -> int:
    return number * number


def read_on(frames, connection) -> None:
    """Read an iterator of frames, that another process has begun, to its end."""
    connection.send([(index, digest([frame])) for index, frame in frames])


def use_and_send(everything: Everything, connection) -> None:
    connection.send(everything.use())


def start_workers(connection) -> None:
    """A pool in a daemonic process."""
    try:
        list(run_jobs(square, jobs(), 1))
    except Exception as error:
        connection.send(f'{type(error).__name__}: {error}')
