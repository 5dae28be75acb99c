from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.boxes.annotated_boxes import AnnotatedBoxes, visible_runs
from usot_plugin.datasets.pseudo_box_dataset import PseudoBoxDataset
from usot_plugin.datasets.synthetic.clips import render_clip, write_sequence
from usot_plugin.testing.benchmarks import write_otb


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two sequences; the target of the second is absent from frame 8 to 14."""
    root = tmp_path_factory.mktemp('sequences')
    for number in range(2):
        video, boxes = render_clip(number, 20, (160, 120), occluders=0)
        track = boxes[0].copy()
        if number == 1:
            track[8:15] = np.nan
        write_sequence(root / f'seq_{number}', video, track)
    return root


def slow_runs(visible, longest):
    firsts, lasts = [], []
    for t in range(len(visible)):
        first = last = t
        while visible[t] and first > 0 and visible[first - 1] and t - first < longest:
            first -= 1
        while visible[t] and last + 1 < len(visible) and visible[last + 1] and last - t < longest:
            last += 1
        firsts.append(first)
        lasts.append(last)
    return firsts, lasts


@pytest.mark.parametrize('seed', range(20))
def test_visible_runs(seed):
    rng = np.random.default_rng(seed)
    visible = rng.random(25) < 0.75
    for longest in (3, 100):
        first, last = visible_runs(visible, longest)
        assert (first.tolist(), last.tolist()) == slow_runs(visible, longest)


def test_boxes_are_the_annotation(folder):
    source = AnnotatedBoxes({'type': 'SequenceFolderDataset', 'data_root': str(folder)})
    assert len(source) == 2
    track = source.track(1)
    assert track.clip == 'seq_1'
    assert track.usable_frames().tolist() == [*range(8), *range(15, 20)]
    assert track.fragment(3) == (0, 7) and track.fragment(16) == (15, 19)
    rows = np.loadtxt(folder / 'seq_1' / 'groundtruth.txt', delimiter=',')
    box = source.boxes(track, [4], lambda index: None, np.random.default_rng(0))[0]
    assert box == pytest.approx(np.array([*rows[4, :2], *(rows[4, :2] + rows[4, 2:])]), abs=1e-3)


def test_the_same_data_set_trains_from_real_boxes(folder):
    dataset = PseudoBoxDataset(
        box_source='annotated',
        sequences={'type': 'SequenceFolderDataset', 'data_root': str(folder)},
        stage='cycle',
        samples_per_epoch=20,
        pipeline=[
            {'type': 'SiameseCrop', 'views': ['template'], 'size': 127},
            {'type': 'SiameseCrop', 'views': ['search', 'memory'], 'size': 255},
            {'type': 'PackSOTInputs'},
        ],
    )
    for index in range(20):
        sample = dataset[index]['data_samples']
        frames = [sample.frame_index, *sample.memory_indices]
        if sample.clip == 'seq_1':  # one visible passage, never the gap
            assert max(frames) < 8 or min(frames) >= 15


def test_only_benchmark_data_sets_are_annotated():
    with pytest.raises(TypeError, match='benchmark data set'):
        AnnotatedBoxes({'type': 'PseudoBoxDataset', 'lazy_init': True})


def test_a_part_of_a_folder_is_found_at_its_own_frames(tmp_path):
    written = write_otb(tmp_path, ['BlurCar4'])  # frames 18 to 397
    source = AnnotatedBoxes(
        {'type': 'OTB100Dataset', 'data_root': str(tmp_path), 'sequences': list(written)}
    )
    track = source.track(0)
    assert track.length == 397 and np.isnan(track.boxes_xyxy[:17]).all()
    np.testing.assert_allclose(track.boxes_xyxy[17:], written['BlurCar4'])
