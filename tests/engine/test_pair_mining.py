"""Pair mining: a known motion is followed, chains end for the right reason, and every frame is
decoded once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from usot_plugin.engine.pair_mining import MiningConfig, PairMiner, anchor_frames
from usot_plugin.models import BackgroundDiscriminator
from usot_plugin.structures.boxes import xyxy_to_cxcywh
from usot_plugin.structures.clip import ArrayClip
from usot_plugin.testing.media import moving_square_frames

NET = dict(
    backbone=dict(type='SiamFCAlexNet', width=1 / 16),
    data_preprocessor=dict(type='SOTDataPreprocessor', mean=[110.0] * 3, std=[60.0] * 3),
)


@pytest.fixture(scope='module')
def model() -> BackgroundDiscriminator:
    torch.manual_seed(0)
    return BackgroundDiscriminator(**NET)  # random filters tell textures apart well enough


@pytest.fixture(scope='module')
def scene() -> tuple[ArrayClip, np.ndarray]:
    frames, boxes = moving_square_frames(14, (160, 120), side_px=28, step_px=3.0)
    return ArrayClip(frames, 'square.mp4'), boxes


def centres(boxes_xyxy: np.ndarray) -> np.ndarray:
    return xyxy_to_cxcywh(boxes_xyxy)[:, :2]


def test_a_moving_square_is_followed_and_found_back(model, scene):
    clip, boxes = scene
    (chain,) = PairMiner(model, MiningConfig(clip_frames=8, min_similarity=0.2)).mine(
        clip, {2: [boxes[2]]}
    )
    assert (
        chain.end == 'full length'
        and chain.frames.tolist() == list(range(2, 11))
        and len(chain) == 8
    )
    # Places are whole cells over eight: about a pixel of the frame at this size.
    assert np.abs(centres(chain.boxes_xyxy) - centres(boxes[2:11])).max() < 3.5
    assert (chain.similarity <= 1 + 1e-6).all() and (chain.forward_backward_px <= 16).all()
    assert np.ptp(chain.boxes_xyxy[:, 2] - chain.boxes_xyxy[:, 0]) < 1e-9


def test_several_instances_at_once_are_those_mined_one_by_one(model, scene):
    clip, boxes = scene
    miner = PairMiner(model, MiningConfig(clip_frames=4, min_similarity=0.2, step_frames=2))
    ground = np.array([10.0, 80.0, 40.0, 110.0])
    together = miner.mine(clip, {2: [boxes[2], ground], 4: [boxes[4]]})
    alone = [
        miner.mine(clip, {index: [box]})[0]
        for index, box in ((2, boxes[2]), (2, ground), (4, boxes[4]))
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.frames.tolist() == other.frames.tolist() and one.end == other.end
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-6)
    assert together[0].frames.tolist() == [2, 4, 6]


def test_the_end_of_the_clip_and_of_the_likeness(model, scene):
    clip, boxes = scene
    late = PairMiner(model, MiningConfig(clip_frames=30, min_similarity=0.2)).mine(
        clip, {11: [boxes[11]]}
    )[0]
    assert late.end == 'end of the clip' and late.frames.tolist() == [11, 12, 13]
    frames = clip.frames.copy()
    frames[6:] = 255 - frames[6:]  # nothing looks as before
    cut = PairMiner(model, MiningConfig(min_similarity=0.6)).mine(
        ArrayClip(frames), {3: [boxes[3]]}
    )[0]
    assert cut.frames.tolist() == [3, 4, 5] and cut.end in ('too little similarity', 'no way back')


def test_no_way_back(model, scene):
    clip, boxes = scene
    chain = PairMiner(model, MiningConfig(min_similarity=-1, max_return_px=1e-3)).mine(
        clip, {0: [boxes[0]]}
    )[0]
    assert len(chain) == 0 and chain.end == 'no way back'


def test_black_frames_are_a_flat_response(model):
    clip = ArrayClip(np.zeros((5, 120, 160, 3), np.uint8))
    chain = PairMiner(model, MiningConfig()).mine(clip, {0: [np.array([60.0, 40.0, 90.0, 80.0])]})[
        0
    ]
    assert len(chain) == 0 and chain.end == 'flat response'


def test_frames_smaller_than_a_crop_and_a_target_at_the_border(model):
    frames, boxes = moving_square_frames(6, (48, 36), side_px=16, step_px=1.0)
    chain = PairMiner(
        model, MiningConfig(clip_frames=3, min_similarity=-1, max_return_px=500.0)
    ).mine(ArrayClip(frames), {0: [boxes[0]]})[0]
    assert len(chain) == 3 and np.isfinite(chain.boxes_xyxy).all()


class CountingClip(ArrayClip):
    """Counts the frames that are decoded."""

    decoded = 0

    def iter_frames(self, *args, **kwargs):
        for item in super().iter_frames(*args, **kwargs):
            self.decoded += 1
            yield item


def test_no_frame_is_decoded_in_vain(model, scene):
    clip = CountingClip(scene[0].frames)
    PairMiner(model, MiningConfig(clip_frames=3, min_similarity=0.2)).mine(
        clip, {2: [scene[1][2]], 4: [scene[1][4]]}
    )
    assert clip.decoded == 6
    assert PairMiner(model, MiningConfig()).mine(clip, {}) == []


def test_anchors_are_spread_and_something_follows_them():
    config = MiningConfig(anchors=3, step_frames=2)
    assert list(anchor_frames(np.arange(10, 31), config)) == [12, 20, 26]
    assert list(anchor_frames(np.array([4, 5]), config)) == []
    assert list(anchor_frames(np.array([4, 6]), config)) == [4]


@pytest.mark.parametrize(
    'options',
    [
        dict(anchors=0),
        dict(step_frames=0),
        dict(max_return_px=0),
        dict(min_similarity=1),
        dict(clip_frames=0),
    ],
)
def test_impossible_numbers_are_refused(options):
    with pytest.raises(ValueError, match='mining: impossible numbers'):
        MiningConfig(**options)
