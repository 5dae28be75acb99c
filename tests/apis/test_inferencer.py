"""SOTInferencer: forms of input, batches, outputs, and the names of models."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmengine.structures import BaseDataElement

from usot_plugin.apis import SOTInferencer, load_pretrained, track_video
from usot_plugin.apis.inferencer import follow_clips, resolve_model
from usot_plugin.cli.track import main as track
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip
from usot_plugin.registry import INFERENCERS
from usot_plugin.structures.clip import ArrayClip, open_clip
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking import Tracker
from usot_plugin.tracking.box_input import InputError
from usot_plugin.utils.config import ConfigError


@pytest.fixture(scope='module')
def inferencer() -> SOTInferencer:
    return SOTInferencer(device='cpu')


@pytest.fixture(scope='module')
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clips')
    clips = []
    for number, length in enumerate((5, 3)):
        video, boxes = render_clip(number, length, (160, 120), occluders=0)
        clips.append((write_clip(folder / str(number) / 'clip.mp4', video), boxes[0][0]))
    return clips


def test_default_is_the_shipped_tracker(inferencer, rendered, tmp_path):
    path, box = rendered[0]
    result = inferencer(
        str(path),
        init_boxes=box,
        out_dir=tmp_path / 'vis',
        return_vis=True,
        pred_out_file=tmp_path / 'boxes.json',
    )
    (prediction,), (pictures,) = result['predictions'], result['visualization']
    (expected,) = track_video(load_pretrained(device='cpu'), path, box)
    np.testing.assert_allclose(
        np.array(prediction['boxes_xyxy'])[:, 0], expected.boxes_xyxy, atol=1e-3
    )
    assert (
        prediction['clip'] == str(path)
        and prediction['size_wh'] == [160, 120]
        and np.shape(prediction['lost']) == (5, 1)
    )
    assert json.loads((tmp_path / 'boxes.json').read_text()) == [prediction]
    assert open_clip(tmp_path / 'vis/clip.mp4').frame_count == 5
    assert len(pictures) == 5 and pictures[0].shape == (120, 160, 3)
    drawn = np.abs(pictures[0][..., ::-1].astype(int) - open_clip(path).read(0)).max()
    assert drawn > 50, 'a box is drawn into the RGB picture'


def test_clips_as_one_batch_give_the_same_boxes(inferencer, rendered, tmp_path):
    paths, boxes = (
        [str(path) for path, _ in rendered],
        [rendered[0][1], np.stack([rendered[1][1], rendered[1][1] + 2])],
    )
    one, both = (
        inferencer(paths, init_boxes=boxes, batch_size=size, out_dir=tmp_path / str(size))
        for size in (1, 2)
    )
    assert [np.shape(found['boxes_xyxy']) for found in both['predictions']] == [
        (5, 1, 4),
        (3, 2, 4),
    ]
    for left, right in zip(one['predictions'], both['predictions'], strict=True):
        np.testing.assert_allclose(left['boxes_xyxy'], right['boxes_xyxy'], atol=1e-2)
    assert sorted(file.name for file in (tmp_path / '2').iterdir()) == ['clip.mp4', 'clip_1.mp4'], (
        'clips of one name'
    )
    assert both['visualization'] == [[], []]


def test_frames_in_memory_and_data_samples(inferencer, rendered):
    path, box = rendered[1]
    frames = [frame for _, frame in open_clip(path).iter_frames()]
    as_list = inferencer(frames, init_boxes=[box.tolist()], return_datasamples=True)['predictions']
    as_array = inferencer(np.stack(frames), init_boxes=box)['predictions']
    assert len(as_list) == len(as_array) == 1
    samples = as_list[0]
    assert [sample.frame_id for sample in samples] == [0, 1, 2] and isinstance(
        samples[0], BaseDataElement
    )
    last = samples[-1].pred_track_instances
    np.testing.assert_allclose(last.bboxes.numpy(), as_array[0]['boxes_xyxy'][-1], rtol=1e-5)
    assert last.instances_id.tolist() == [0] and last.scores.shape == (1,)


class _Counts(Tracker):
    """The box moves by the brightness of its target's own frame; a state is one number a target."""

    def init(self, frames, boxes_xyxy):
        return np.asarray(boxes_xyxy, float)

    def update(self, frames, state):
        state = state + np.array([frame[0, 0, 0] for frame in frames])[:, None]
        return Prediction(state, np.ones(len(state)), np.zeros(len(state), bool)), state


def test_each_target_of_a_batch_sees_its_own_clip():
    clips = [
        ArrayClip(np.full((length, 4, 4, 3), value, np.uint8))
        for length, value in ((2, 1), (4, 10), (3, 100))
    ]
    boxes = [np.tile([0.0, 0, 2, 2], (count, 1)) for count in (1, 2, 1)]
    found = follow_clips(_Counts(), list(zip(clips, boxes, strict=True)))
    assert [[prediction.boxes_xyxy[:, 0].tolist() for prediction in clip] for clip in found] == [
        [[0], [1]],
        [[0, 0], [10, 10], [20, 20], [30, 30]],
        [[0], [100], [200]],
    ]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'init_boxes is missing'),
        ({'init_boxes': [500, 10, 520, 30]}, 'lies outside the 160x120 frame'),
        ({'init_boxes': [[[1, 2, 9, 9]], [[1, 2, 9, 9]]]}, 'init_boxes has 2 entries for 1 clips'),
        ({'init_boxes': [1, 2, 9, 9], 'batch_size': 0}, 'batch_size has to be positive'),
    ],
)
def test_what_the_user_can_mend(inferencer, rendered, options, message):
    with pytest.raises(InputError, match=message):
        inferencer(str(rendered[0][0]), **options)


def test_a_result_never_replaces_its_clip_and_a_window_needs_a_display(
    inferencer, rendered, monkeypatch
):
    path, box = rendered[0]
    with pytest.raises(InputError, match='the result would replace it'):
        inferencer(str(path), init_boxes=box, out_dir=path.parent)
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    with pytest.raises(InputError, match='needs a display'):
        inferencer(str(path), init_boxes=box, show=True)


def test_models_by_name_file_and_registry(inferencer):
    assert INFERENCERS.get('SOTInferencer') is SOTInferencer
    assert {'usot_small', 'usot_r50', 'usot_quick'} <= set(SOTInferencer.list_models())
    assert SOTInferencer.list_models(patterns='udt_pub') == ['udt_published']
    cfg, weights = resolve_model('usot_quick', 'none')
    assert cfg.model.type == 'USOT' and weights == 'none'
    assert resolve_model('usot_small', None)[1].name == 'usot_small.pth'
    with pytest.raises(
        ConfigError,
        match='usot_smal: neither a config file nor a model of this package, did you mean '
        "'usot_small'",
    ):
        resolve_model('usot_smal', None)


@pytest.mark.parametrize(
    ('name', 'how'),
    [
        ('usot_r50_published', r'convert the authors. file \(usot convert PUBLISHED FILE\)'),
        (
            'usot_quick',
            r'usot train configs.quick.usot_quick.py, then weights=work_dirs/usot_quick',
        ),
    ],
)
def test_a_name_without_weights_is_refused_with_the_way_to_get_them(
    tmp_path, monkeypatch, name, how
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f'{name}: its weights are not here: {how}') as caught:
        SOTInferencer(name)
    assert '\n' not in str(caught.value)


def test_where_the_weights_of_each_model_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    states = SOTInferencer.list_models(weights=True)
    assert list(states) == SOTInferencer.list_models()
    assert states['usot_mobile'] == states['usot_small'] == 'shipped'
    assert states['usot_r50_published'] == 'to convert' and states['usot_quick'] == 'to train'
    work_dir = tmp_path / 'work_dirs/usot_quick'
    work_dir.mkdir(parents=True)
    (work_dir / 'last_checkpoint').write_text('/elsewhere/usot_quick/epoch_10.pth')
    assert SOTInferencer.list_models(patterns='usot_quick$', weights=True) == {
        'usot_quick': 'to train'  # the file itself is gone
    }
    (work_dir / 'epoch_10.pth').touch()
    with pytest.raises(ConfigError, match=r'weights=.work_dirs/usot_quick/epoch_10.pth. are here'):
        SOTInferencer('usot_quick')


def test_the_table_of_models_on_the_command_line(capsys):
    with pytest.raises(SystemExit) as ended:
        track(['--list-models'])
    rows = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0 and rows[0].startswith('name')
    assert rows[1].split()[:2] == ['usot_mobile', 'shipped'] and rows[1].endswith('usot_mobile.pth')
    assert any(row.split()[:2] == ['udt_published', 'to'] for row in rows)
