"""Functions and got10k-style classes as trackers, from memory and from a file."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from usot_plugin.apis import track_video, tracker_from_function
from usot_plugin.datasets.benchmarks import SequenceFolderDataset
from usot_plugin.evaluation import OPE, OnePassResults, run_sequences
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import FunctionTracker, build_tracker, needs_model, tracker_label

FILE = """
import numpy as np
from usot_plugin.tracking import StandStill

def follow(frame, box, memory):
    if box is not None:
        memory['box'] = box
    memory['box'] = memory['box'] + [1, 0, 1, 0]
    return memory['box']

class Follower:
    def init(self, image, box):
        assert image.mode == 'RGB'
        self.box, self.red = np.array(box), image.getpixel((0, 0))[0]

    def update(self, image):
        self.box[0] += 2
        return self.box

class Own(StandStill):
    def __init__(self, shift=3.0):
        self.shift = shift

    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        return prediction, state + self.shift

number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'my_trackers.py'
    path.write_text(FILE)
    return path


@pytest.fixture
def clip():
    return ArrayClip(moving_square_frames(5)[0])


def follow(frame, box, memory):
    if box is not None:
        memory['box'], memory['steps'] = box, 0
    memory['steps'] = memory['steps'] + 1
    return None if memory['steps'] == 4 else memory['box'] + memory['steps'] - 1


def test_a_function_follows_every_target_with_a_memory_of_its_own(clip):
    one, two = track_video(tracker_from_function(follow), clip, [[0, 0, 10, 10], [20, 20, 40, 40]])
    np.testing.assert_array_equal(one.boxes_xyxy[:, 0], [0, 1, 2, 2, 4])
    np.testing.assert_array_equal(two.boxes_xyxy[:, 0], [20, 21, 22, 22, 24])
    assert one.lost.tolist() == [False, False, False, True, False] and one.scores.tolist() == [
        1,
        1,
        1,
        0,
        1,
    ]


def test_a_state_can_be_used_twice(clip):
    tracker, frame = tracker_from_function(follow), clip.read(0)
    state = tracker.init(frame, [[0, 0, 10, 10]])
    first, later = tracker.update(frame, state)
    tracker.update(frame, later)
    np.testing.assert_array_equal(tracker.update(frame, state)[0].boxes_xyxy, first.boxes_xyxy)


class Recorder:
    def init(self, image, box):
        self.seen = [(image.mode, image.size, image.getpixel((0, 0)), box.tolist())]

    def update(self, image):
        return np.array(self.seen[0][3]) + 1


def test_a_class_gets_rgb_images_and_one_based_boxes(clip, monkeypatch):
    tracker, frame = tracker_from_function(Recorder), clip.read(0)
    state = tracker.init(frame, [[0, 5, 10, 20]])
    follower = state[0][1][0]
    assert follower.tracker.seen == [
        ('RGB', (96, 72), tuple(frame[0, 0, ::-1].tolist()), [1, 6, 10, 15])
    ]
    prediction, _ = tracker.update(frame, state)
    np.testing.assert_array_equal(prediction.boxes_xyxy, [[1, 6, 12, 22]])
    with pytest.raises(ValueError, match='Recorder remembers its target inside and cannot go back'):
        tracker.update(frame, state)


@pytest.mark.parametrize(
    ('name', 'second', 'label'),
    [('follow', [2, 0, 12, 10], 'follow'), ('Follower', [2, 0, 12, 10], 'Follower')],
)
def test_from_a_file(file, clip, name, second, label):
    config = {'type': f'{file}:{name}'}
    assert not needs_model(config) and tracker_label(config) == label
    tracker = build_tracker(None, config)
    (trajectory,) = track_video(pickle.loads(pickle.dumps(tracker)), clip, [[0, 0, 10, 10]])
    np.testing.assert_array_equal(trajectory.boxes_xyxy[1], second)


@pytest.mark.process
def test_a_tracker_class_from_a_file_takes_options_and_runs_in_worker_processes(file, tmp_path):
    tracker = build_tracker(None, {'type': f'{file}:Own', 'shift': 2.0})
    root = write_benchmark(tmp_path / 'data', names=('a', 'b'))
    folder = OnePassResults(tmp_path / 'out')
    run_sequences(tracker, OPE(), SequenceFolderDataset(root), folder, workers=1)
    boxes = folder.read('a').boxes_xyxy
    np.testing.assert_allclose(boxes[2] - boxes[1], [2, 2, 2, 2])
    with pytest.raises(ValueError, match="no option 'shfit', did you mean 'shift'"):
        build_tracker(None, {'type': f'{file}:Own', 'shfit': 2})


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda file: f'{file}:folow', "there is no 'folow' in it, did you mean 'follow'"),
        (lambda file: f'{file}:number', 'is no tracker: neither a function nor'),
        (lambda file: f'{file.parent}/none.py:follow', 'no such file'),
        (lambda file: dict, 'a class needs init'),
    ],
)
def test_bad_references(file, make, message):
    with pytest.raises(ValueError, match=message):
        FunctionTracker(make(file))


def test_a_file_that_cannot_be_imported_is_named(tmp_path):
    (tmp_path / 'broken.py').write_text('import no_such_module_anywhere')
    with pytest.raises(ValueError, match=r'broken.py: cannot be imported \(ModuleNotFoundError'):
        build_tracker(None, {'type': f'{tmp_path}/broken.py:f'})


@pytest.mark.parametrize('answer', ['box', [1, 2, 3], 7])
def test_answers_that_are_no_box_are_named(clip, answer):
    with pytest.raises(ValueError, match='<lambda> returned .* which is no box of four numbers'):
        track_video(
            tracker_from_function(lambda frame, box, memory: answer), clip, [[0, 0, 10, 10]]
        )


def test_a_class_that_wants_arguments_is_named(clip):
    class Demanding(Recorder):
        def __init__(self, path):
            self.path = path

    with pytest.raises(ValueError, match='Demanding cannot be made without arguments'):
        track_video(tracker_from_function(Demanding), clip, [[0, 0, 10, 10]])
