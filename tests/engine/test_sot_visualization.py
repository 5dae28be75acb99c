"""Pictures of tested sequences, through the visualizers of MMEngine and of mmdet."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.visualization import Visualizer

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.engine.hooks import SOTVisualizationHook
from usot_plugin.structures.clip import ArrayClip

FRAMES = 5
BOX = np.array([20.0, 30, 60, 70])


@pytest.fixture
def sequence() -> AnnotatedSequence:
    boxes = np.tile(BOX, (FRAMES, 1))
    boxes[2] = np.nan
    return AnnotatedSequence('swan', ArrayClip(np.zeros((FRAMES, 96, 128, 3), np.uint8)), boxes)


def _draw(hook, visualizer, sequence, folder, **extra):
    sample = {
        'name': 'swan',
        'tracker': 'Mine',
        'boxes_xyxy': np.tile(BOX + 20, (FRAMES, 1)),
        'scores': np.full(FRAMES, 0.75),
        **extra,
    }
    runner = SimpleNamespace(visualizer=visualizer, work_dir=str(folder))
    hook.after_test_iter(runner, 0, [sequence], [sample])
    return {path.name: cv2.imread(str(path)) for path in sorted(folder.rglob('*.jpg'))}


def _greenness(picture: np.ndarray, x: int, y: int) -> float:
    patch = picture[y - 1 : y + 2, x - 1 : x + 2].astype(float)
    return float((patch[..., 1] - patch[..., 2]).max())


def test_plain_visualizer_draws_both_boxes_every_few_frames(sequence, tmp_path):
    pictures = _draw(SOTVisualizationHook(interval=2), Visualizer(), sequence, tmp_path)
    assert list(pictures) == ['000000.jpg', '000002.jpg', '000004.jpg']
    first, absent = pictures['000000.jpg'], pictures['000002.jpg']
    assert first.shape == (96, 128, 3)
    assert _greenness(first, 40, 80) > 60, 'the left side of the tracked box'
    assert first[40, 18:23].mean(-1).max() > 150, 'the left side of the annotated one is white'
    assert absent[40, 18:23].mean() < 40, 'the target is annotated as absent'


@pytest.mark.parametrize('kind', ['DetLocalVisualizer', 'TrackLocalVisualizer'])
def test_mmdets_visualizers_draw_annotation_beside_prediction(sequence, tmp_path, kind):
    visualization = pytest.importorskip('mmdet.visualization')
    pictures = _draw(
        SOTVisualizationHook(interval=2), getattr(visualization, kind)(), sequence, tmp_path
    )
    assert len(pictures) == 3
    assert all(picture.shape == (96, 256, 3) for picture in pictures.values())
    left, right = pictures['000000.jpg'][:, :128], pictures['000000.jpg'][:, 128:]
    assert left[40, 15:25].max() > 60 and left[80, 35:45].max() < 60
    assert right[80, 35:45].max() > 60
    assert pictures['000002.jpg'][:, :128].max() < 30, 'no annotation, nothing drawn'


def test_back_ends_of_the_visualizer_get_the_picture(sequence, tmp_path):
    visualizer = Visualizer(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    _draw(SOTVisualizationHook(interval=4, out_dir=None), visualizer, sequence, tmp_path / 'unused')
    assert sorted(path.name for path in tmp_path.rglob('*.png')) == [
        'Mine_swan_0.png',
        'Mine_swan_4.png',
    ]


def test_results_without_a_box_per_frame_are_passed_over(sequence, tmp_path):
    runner = SimpleNamespace(visualizer=Visualizer(), work_dir=str(tmp_path))
    SOTVisualizationHook().after_test_iter(
        runner, 0, [sequence], [{'name': 'swan', 'tracker': 'Mine'}]
    )
    assert not list(tmp_path.rglob('*.jpg'))


def test_interval_is_checked():
    with pytest.raises(ValueError, match='interval must be positive'):
        SOTVisualizationHook(interval=0)
