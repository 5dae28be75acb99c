"""The API in processes that were forked after use, spawned, and forked by a server."""

from __future__ import annotations

import multiprocessing as mp

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS
from torch.utils.data import DataLoader

from tests.engine.tiny_training import tiny_config
from tests.start_methods import Everything, digest, read_on, start_workers, use_and_send
from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.frames.store_building import build_crop_store
from usot_plugin.datasets.synthetic.clips import write_clip
from usot_plugin.structures.clip import open_clip
from usot_plugin.testing.tables import pseudo_track, write_table_part

TIMEOUT_S = 200
METHODS = mp.get_all_start_methods()
NEEDS_FORK = pytest.mark.skipif('fork' not in METHODS, reason='no fork here')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A clip of noise (many read buffers long), its table and its crops."""
    folder = tmp_path_factory.mktemp('used')
    video = np.random.default_rng(0).integers(0, 256, (30, 120, 160, 3), np.uint8)
    video[:, 40:70, 50:80] //= 4
    clip = write_clip(folder / 'clip.mp4', video)
    assert clip.stat().st_size > 1 << 18
    boxes = np.tile([50.0, 40, 80, 70], (30, 1))
    write_table_part(folder / 'table', clip.name, clip, pseudo_track(boxes))
    cfg = tiny_config(folder, **{'model.test_cfg': dict(type='USOTTracker')})
    cfg.dump(folder / 'config.py')
    torch.save({'state_dict': MODELS.build(cfg.model).state_dict()}, folder / 'weights.pth')
    build_crop_store(DiscoveredBoxes(folder / 'table'), folder / 'crops', workers=0)
    return folder


@pytest.fixture(scope='module')
def everything(folder):
    """Objects that have been used."""
    return Everything(folder, folder / 'clip.mp4', [50.0, 40, 80, 70])


@pytest.fixture
def two_threads():
    """As a process that has computed with several threads, and would go on to."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.ones(1 << 22).sum()  # large enough for OpenMP to start its threads
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def expected(everything):
    return everything.use()


def answer(method: str, function, *arguments, daemon: bool = False):
    """What a function sends from another process."""
    context = mp.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=function, args=(*arguments, theirs), daemon=daemon)
    process.start()
    theirs.close()
    try:
        assert ours.poll(TIMEOUT_S), f'{method}: hangs'
        return ours.recv()
    finally:
        process.kill()
        process.join()


@pytest.mark.process
@pytest.mark.parametrize('method', METHODS)
def test_everything_works_in_a_child_and_afterwards(everything, expected, two_threads, method):
    everything.online.init(everything.clip.read(0), everything.box)
    found = answer(method, use_and_send, everything)
    for part, value in expected.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(found[part], value, atol=1e-2, err_msg=part)
        else:
            assert found[part] == value, part
    assert digest([everything.clip.read(20)]) == digest([open_clip(everything.path).read(20)])


@NEEDS_FORK
@pytest.mark.process
def test_parent_and_forked_child_read_one_clip_at_the_same_time(folder):
    clip = open_clip(folder / 'clip.mp4')
    expected = [(index, digest([frame])) for index, frame in clip.iter_frames()]
    frames = clip.iter_frames()
    begun = [(index, digest([frame])) for index, frame in (next(frames) for _ in range(3))]
    assert answer('fork', read_on, frames) == expected[3:]
    rest = [(index, digest([frame])) for index, frame in frames]
    assert begun + rest == expected


@pytest.mark.process
@pytest.mark.parametrize('method', METHODS)
def test_loaders_give_the_same_samples(everything, method):
    loader = DataLoader(
        everything.dataset,
        batch_size=None,
        num_workers=1,
        multiprocessing_context=method,
        timeout=TIMEOUT_S,
    )
    found = [digest(sample['inputs'].values()) for sample in loader]
    dataset = everything.dataset
    assert found == [digest(dataset[index]['inputs'].values()) for index in range(len(dataset))]


@pytest.mark.process
def test_a_daemonic_process_is_told_that_it_cannot_start_workers():
    said = answer(METHODS[0], start_workers, daemon=True)
    assert said.startswith('WorkerStartError: a daemonic process') and said.endswith('use 0')
