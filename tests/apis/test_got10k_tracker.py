"""The got10k toolkit's tracker interface, by its contract and, where it is installed, by the
toolkit itself."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.tiny_benchmark import TemplateMatcher
from usot_plugin.apis.got10k_tracker import GOT10kTracker
from usot_plugin.structures.boxes import xyxy_to_xywh
from usot_plugin.structures.clip import ClipError
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.tracking import NoisyOracle, StandStill


@pytest.fixture
def clip(tmp_path):
    frames, boxes = moving_square_frames(6)
    folder = write_frames(tmp_path / 'GOT-10k' / 'val' / 'GOT_1', frames, '{:08d}.jpg')
    return sorted(map(str, folder.glob('*.jpg'))), xyxy_to_xywh(boxes), frames


@pytest.mark.parametrize('origin', [0, 1])
def test_the_contract(clip, origin):
    files, boxes, _ = clip
    shifted = boxes + [origin, origin, 0, 0]
    tracker = GOT10kTracker(TemplateMatcher(), 'Matcher', origin)
    assert tracker.name == 'Matcher' and tracker.is_deterministic
    found, seconds = tracker.track(files, shifted[0])
    assert found.shape == (6, 4) and (seconds > 0).all()
    np.testing.assert_allclose(found, shifted, atol=1.5)
    np.testing.assert_array_equal(found[0], shifted[0])


class Colours(StandStill):
    """Keeps the frame that it was shown."""

    def init(self, frames, boxes_xyxy):
        self.seen = frames
        return super().init(frames, boxes_xyxy)


def test_images_of_pillow_become_bgr(clip):
    tracker, frame = Colours(), clip[2][0]
    for image in (
        Image.fromarray(frame[..., ::-1]),
        Image.fromarray(frame[..., ::-1]).convert('RGBA'),
        frame[..., ::-1],
    ):
        GOT10kTracker(tracker, 'x').init(image, [5, 5, 10, 10])
        np.testing.assert_array_equal(tracker.seen, frame)


def test_a_stochastic_tracker_says_so():
    assert not GOT10kTracker(NoisyOracle(), 'x').is_deterministic


def test_bad_input(clip, tmp_path):
    with pytest.raises(ValueError, match='origin is 0 or 1'):
        GOT10kTracker(StandStill(), 'x', 2)
    with pytest.raises(RuntimeError, match='call init'):
        GOT10kTracker(StandStill(), 'x').update(clip[2][0])
    with pytest.raises(ValueError, match='outside the 96x72 frame'):
        GOT10kTracker(StandStill(), 'x').init(clip[2][0], [500, 5, 10, 10])
    with pytest.raises(ClipError, match='none.jpg'):
        GOT10kTracker(StandStill(), 'x').track([tmp_path / 'none.jpg'], [5, 5, 10, 10])


def test_the_toolkit_runs_it_and_scores_it(clip, tmp_path):
    experiments = pytest.importorskip('got10k.experiments')
    folder = tmp_path / 'GOT-10k' / 'val'
    (folder / 'list.txt').write_text('GOT_1')
    np.savetxt(folder / 'GOT_1' / 'groundtruth.txt', clip[1], fmt='%.4f', delimiter=',')
    (folder / 'GOT_1' / 'meta_info.ini').write_text('[METAINFO]\nresolution: (96, 72)\n')
    for label in ('cover', 'absence', 'cut_by_image'):
        np.savetxt(folder / 'GOT_1' / f'{label}.label', np.full(6, 8), fmt='%d')
    experiment = experiments.ExperimentGOT10k(
        str(folder.parent), 'val', str(tmp_path / 'results'), str(tmp_path / 'reports')
    )
    experiment.run(GOT10kTracker(TemplateMatcher(), 'Matcher', origin=0))
    assert experiment.report(['Matcher'])['Matcher']['overall']['ao'] > 0.8
