from __future__ import annotations

import pickle
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.discovery import (
    CallableFlow,
    DiscoveryConfig,
    DISFlow,
    NoMovingObjectError,
    discover,
    is_kept,
    is_samplable,
)
from usot_plugin.discovery.config import FramesConfig
from usot_plugin.discovery.discover import evaluated_frames, window_spans
from usot_plugin.discovery.reasons import FAILED_REASONS, Reason
from usot_plugin.structures import ArrayClip, Clip, FolderClip, open_clip
from usot_plugin.structures.boxes import iou

CONFIG = DiscoveryConfig()


def settings(**groups) -> DiscoveryConfig:
    return DiscoveryConfig.from_dict(groups)


#: Median IoU of a found square: flow spreads over the ground that the square covers next, some 12
#: px at T_f = 4, and the box with it.
FOUND = 0.45


def texture(height: int, width: int, seed: int, sigma: float = 3.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    return cv2.normalize(
        cv2.GaussianBlur(noise, (0, 0), sigma), None, 0, 255, cv2.NORM_MINMAX
    ).astype(np.uint8)


def render(
    length: int,
    size_wh: tuple[int, int] = (320, 240),
    objects: int = 1,
    pan: int = 0,
    still_from: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Textured squares over a textured background that may pan; frames ``(T, H, W, 3)`` and true
    boxes ``(T, objects, 4)``."""
    width, height = size_wh
    side = min(size_wh) // 5
    background = texture(height, width + abs(pan) * length, 0)
    patches = [texture(side, side, k + 1, 2.0) for k in range(objects)]
    frames, boxes = [], []
    for t in range(length):
        frame = background[:, pan * t : pan * t + width].copy()
        moved = min(t, length if still_from is None else still_from)
        row = []
        for k, patch in enumerate(patches):
            # There and back, so that it stays in the frame; the second one goes the other way.
            swing = abs((moved * 3 + width // 4) % (width - 4 * side) - (width - 4 * side) // 2)
            x = side + swing if k == 0 else width - 2 * side - swing
            y = height // 4 if k == 0 else 3 * height // 5
            frame[y : y + side, x : x + side] = patch
            row.append((x, y, x + side, y + side))
        frames.append(frame)
        boxes.append(row)
    return np.stack(frames), np.array(boxes, np.float64)


def overlap(track, boxes: np.ndarray) -> np.ndarray:
    part = slice(track.first_frame, track.first_frame + len(track))
    return iou(track.boxes_xyxy.astype(np.float64), boxes[part])


@pytest.mark.parametrize('pan', [0, 2], ids=['fixed camera', 'panning camera'])
@pytest.mark.parametrize('size_wh', [(320, 240), (321, 241), (1280, 720)])
def test_a_moving_square_is_found(size_wh, pan):
    frames, boxes = render(31, size_wh, pan=pan)
    (track,) = discover(ArrayClip(frames), CONFIG)
    assert np.median(overlap(track, boxes[:, 0])) > FOUND
    assert is_kept(track, CONFIG.quality)
    assert is_samplable(track, CONFIG.quality)


@pytest.mark.parametrize(
    'flow', [dict(type='FarnebackFlow'), dict(type='DISFlow', preset='ultrafast')]
)
def test_other_flow_other_boxes_same_object(flow):
    frames, boxes = render(31)
    (track,) = discover(ArrayClip(frames), replace(CONFIG, flow=flow))
    assert np.median(overlap(track, boxes[:, 0])) > 0.4


def test_columns_of_a_track():
    frames, _ = render(32)
    (track,) = discover(ArrayClip(frames), CONFIG)
    assert len(track) == 32
    assert track.first_frame == 0
    assert track.object_id == 0
    assert np.flatnonzero(track.evaluated).tolist() == [3, 6, 9, 12, 15, 18, 21, 24, 27]
    assert not (track.picked & ~track.evaluated).any()
    assert track.sequence_quality == track.picked.sum() / track.evaluated.sum()
    dtypes = dict(
        boxes_xyxy='f4',
        evaluated='?',
        picked='?',
        frame_quality='f4',
        centrality='f4',
        fragment_first='i4',
        fragment_last='i4',
    )
    for name, dtype in dtypes.items():
        column = getattr(track, name)
        assert column.dtype == np.dtype(dtype), name
        assert len(column) == 32, name
    index = np.arange(32)
    assert (track.fragment_first <= index).all()
    assert (track.fragment_last >= index).all()
    assert (track.boxes_xyxy >= 0).all()
    assert (track.boxes_xyxy <= (320, 240, 320, 240)).all()


def assert_same(a, b):
    for field in fields(a):
        np.testing.assert_array_equal(
            getattr(a, field.name), getattr(b, field.name), err_msg=field.name
        )


def test_the_same_clip_gives_the_same_tracks():
    frames, _ = render(40, objects=2)
    config = settings(
        objects=dict(per_clip=3), candidates=dict(per_mask=3), fill=dict(end_noise_px=3.0)
    )
    first, again = (
        discover(ArrayClip(frames), config),
        discover(ArrayClip(frames), config, DISFlow()),
    )
    assert len(first) == len(again) > 1
    for a, b in zip(first, again, strict=True):
        assert_same(a, b)


def test_a_smaller_copy_gives_the_same_boxes_scaled():
    # The unit is a pixel of the shrunk frame: a 1280 x 720 clip and its 640 x 360 copy mean the
    # same.
    frames, _ = render(25, (1280, 720))
    small = np.stack(
        [cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA) for frame in frames]
    )
    (large_track,), (small_track,) = (
        discover(ArrayClip(frames), CONFIG),
        discover(ArrayClip(small), CONFIG),
    )
    assert iou(large_track.boxes_xyxy / 2, small_track.boxes_xyxy).min() > 0.9
    assert large_track.corner_share == pytest.approx(small_track.corner_share, abs=0.05)


def test_two_objects_two_tracks():
    frames, boxes = render(40, objects=2)
    config = settings(objects=dict(per_clip=5, min_picks=4), candidates=dict(per_mask=3, nms=0.7))
    tracks = discover(ArrayClip(frames), config)
    assert [track.object_id for track in tracks] == list(range(len(tracks)))
    best = [max(np.median(overlap(track, boxes[:, k])) for track in tracks[:2]) for k in range(2)]
    assert min(best) > 0.5
    assert len(discover(ArrayClip(frames), CONFIG)) == 1


def test_tracks_may_end_with_their_picks():
    frames, boxes = render(60, still_from=27)
    (whole,) = discover(ArrayClip(frames), CONFIG)
    (cut,) = discover(ArrayClip(frames), settings(objects=dict(trim_ends=True)))
    assert len(whole) == 60
    assert len(cut) < 45
    assert cut.sequence_quality > whole.sequence_quality
    index = np.arange(len(cut)) + cut.first_frame
    assert (cut.fragment_first <= index).all()
    assert (cut.fragment_first >= cut.first_frame).all()
    assert (cut.fragment_last < cut.first_frame + len(cut)).all()
    assert np.median(overlap(cut, boxes[:, 0])) > FOUND


@pytest.mark.parametrize(
    ('total', 'changes', 'spans'),
    [
        (50, {}, [(0, 50)]),
        (2500, {}, [(0, 2000)]),
        (2500, dict(max_count=None), [(0, 2500)]),
        (220, dict(window=200), [(0, 220)]),
        (221, dict(window=200), [(0, 220), (1, 221)]),
        (410, dict(window=200), [(0, 220), (190, 410)]),
        (700, dict(window=200), [(0, 220), (200, 420), (400, 620), (480, 700)]),
        (9000, dict(window=200, max_count=500), [(0, 220), (200, 420), (280, 500)]),
    ],
)
def test_windows(total, changes, spans):
    assert window_spans(total, FramesConfig(**changes)) == spans


def test_windows_of_one_clip_give_tracks_of_their_own():
    frames, boxes = render(75)
    config = settings(frames=dict(window=30, window_overlap=6))
    tracks = discover(ArrayClip(frames), config)
    assert sorted(track.first_frame for track in tracks) == [0, 30, 39]
    assert [track.object_id for track in tracks] == [0, 1, 2]
    for track in tracks:
        assert len(track) == 36
        assert np.median(overlap(track, boxes[:, 0])) > FOUND
        assert (track.fragment_first >= track.first_frame).all()
        assert (track.fragment_last < track.first_frame + 36).all()
    alone = discover(ArrayClip(frames[30:66]), CONFIG)[0]
    middle = next(track for track in tracks if track.first_frame == 30)
    np.testing.assert_array_equal(middle.boxes_xyxy, alone.boxes_xyxy)
    np.testing.assert_array_equal(middle.fragment_last - 30, alone.fragment_last)


def test_a_window_without_a_mover_is_left_out():
    frames, _ = render(90, still_from=30)
    tracks = discover(ArrayClip(frames), settings(frames=dict(window=28, window_overlap=6)))
    assert [track.first_frame for track in tracks] == [0]


def test_best_track_comes_first():
    frames, _ = render(75, still_from=50)
    tracks = discover(ArrayClip(frames), settings(frames=dict(window=30, window_overlap=6)))
    values = [track.sequence_quality - track.corner_share / 3 for track in tracks]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(
    ('frames', 'reason'),
    [
        (np.zeros((1, 64, 64, 3), np.uint8), 'too short: 1 frame, 7 are needed'),
        (np.zeros((6, 64, 64, 3), np.uint8), 'too short: 6 frames'),
        (np.zeros((20, 8, 8, 3), np.uint8), 'too small: 8x8'),
        (np.zeros((20, 8, 4000, 3), np.uint8), 'too small: 4000x8 pixels leave 640x1'),
        (np.zeros((20, 17, 17, 3), np.uint8), 'nothing moves'),
        (np.zeros((20, 65, 43, 3), np.uint8), 'nothing moves'),
        (
            np.tile(texture(90, 120, 0), (20, 1, 1, 1)),
            'nothing moves against the background in any of 5 evaluated frames',
        ),
    ],
)
def test_a_clip_without_a_mover_has_a_reason(frames, reason):
    with pytest.raises(NoMovingObjectError, match=reason) as caught:
        discover(ArrayClip(frames), CONFIG)
    kind = reason.partition(':')[0] if ':' in reason else 'no moving object'
    assert caught.value.reason == kind and pickle.loads(pickle.dumps(caught.value)).reason == kind


def test_a_reason_is_its_text_and_a_known_one():
    assert f'{Reason.TOO_SHORT}' == str(Reason.TOO_SHORT) == 'too short'  # on every Python
    assert 'unreadable' in FAILED_REASONS and 'corner share' not in FAILED_REASONS


def test_noise_of_a_still_camera_is_no_mover():
    still = texture(120, 160, 0).astype(np.float64)
    frames = np.clip(
        still + np.random.default_rng(0).normal(0, 2, (20, 120, 160, 3)), 0, 255
    ).astype(np.uint8)
    with pytest.raises(NoMovingObjectError, match='nothing moves'):
        discover(ArrayClip(frames), CONFIG)


@pytest.mark.parametrize('speed', [1, 2, 5])
def test_camera_motion_alone_is_never_kept(speed):
    # Ground that comes into view at a border has no match and gives wild flow there: the corner
    # rule is for that.
    background = texture(240, 500, 0)
    frames = np.stack([background[:, speed * t : speed * t + 320] for t in range(25)])
    try:
        tracks = discover(ArrayClip(frames), CONFIG)
    except NoMovingObjectError:
        return
    assert not is_kept(tracks[0], CONFIG.quality)


def test_too_few_picks_have_a_reason_of_their_own():
    frames, _ = render(31)
    with pytest.raises(NoMovingObjectError, match='at least 50 picks among'):
        discover(ArrayClip(frames), settings(objects=dict(min_picks=50)))


class CountingClip(ArrayClip):
    """Says how many of its frames are alive at once, and how often each was decoded."""

    def __init__(self, frames: np.ndarray) -> None:
        super().__init__(frames)
        self.asked: list[tuple] = []
        self.decoded: list[int] = []

    def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
        self.asked.append((start, stop, size_wh, gray))
        for index, frame in super().iter_frames(start, stop, size_wh, gray):
            self.decoded.append(index)
            yield index, frame


def test_each_frame_is_decoded_once_small_and_gray():
    clip = CountingClip(render(40, (1280, 720))[0])
    discover(clip, CONFIG)
    assert clip.asked == [(0, 40, (640, 360), True)]
    assert clip.decoded == list(range(40))


def flow_with_notes(notes: list, **options) -> CallableFlow:
    """Flow of a block that moves by 10 px a frame interval of any length, and a note of every
    call."""

    def flow(frame0, frame1, *before):
        notes.append(tuple(int(frame.flat[0]) for frame in (frame0, frame1, *before)))
        flow_uv = np.zeros((*frame0.shape[:2], 2), np.float32)
        flow_uv[30:60, 40:80] = (10, 0)
        return flow_uv

    return CallableFlow(flow, **options)


def numbered_clip(length: int) -> ArrayClip:
    return ArrayClip(
        np.arange(length, dtype=np.uint8)[:, None, None, None] * np.ones((1, 96, 128, 3), np.uint8)
    )


def test_flow_runs_from_each_evaluated_frame_to_the_one_the_interval_later():
    notes: list = []
    discover(numbered_clip(16), CONFIG, flow_with_notes(notes, color='gray'))
    assert notes == [
        (3, 7),
        (6, 10),
        (9, 13),
        (12, 15),
    ]  # the last one is cut off by the end of the clip


def test_flow_can_ask_for_the_frame_before_in_colour():
    notes: list = []
    clip = CountingClip(numbered_clip(16).frames)
    discover(clip, CONFIG, flow_with_notes(notes, color='bgr', needs_before=True))
    assert notes == [(3, 7, 0), (6, 10, 2), (9, 13, 5), (12, 15, 8)]
    assert clip.asked[0][3] is False


def test_interval_carries_over_to_the_next_frame_and_no_pair_is_computed_twice():
    notes: list = []

    def slow(frame0, frame1):
        notes.append((int(frame0.flat[0]), int(frame1.flat[0])))
        return np.zeros((*frame0.shape[:2], 2), np.float32)

    with pytest.raises(NoMovingObjectError):
        discover(numbered_clip(14), CONFIG, CallableFlow(slow, color='gray'))
    assert notes == [(3, 7), (3, 8), (3, 9), (3, 10), (6, 13), (9, 13)]


def test_memory_does_not_grow_with_the_clip():
    held: list[int] = []

    class Tracked(np.ndarray):
        def __array_finalize__(self, base):
            held.append(1)

        def __del__(self):
            held.pop()

    peak = []

    class LongClip(CountingClip):
        def iter_frames(self, start=0, stop=None, size_wh=None, gray=False):
            for index in range(start, stop):
                frame = np.full((96, 128), index % 250, np.uint8).view(Tracked)
                peak.append(len(held))
                yield index, frame

    discover(LongClip(numbered_clip(200).frames), CONFIG, flow_with_notes([], color='gray'))
    assert max(peak) <= 2 * (CONFIG.interval.max + 5)


def test_evaluated_frames_are_multiples_of_the_gap():
    assert evaluated_frames(13, 3).tolist() == [3, 6, 9]
    assert evaluated_frames(14, 3).tolist() == [3, 6, 9]
    assert evaluated_frames(5, 1).tolist() == [1, 2, 3]
    assert evaluated_frames(6, 3).tolist() == []


def test_a_folder_of_images_is_a_clip_too(tmp_path: Path):
    frames, boxes = render(22)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f'{index:05d}.png'), frame)
    clip: Clip = open_clip(tmp_path)
    assert isinstance(clip, FolderClip)
    (track,) = discover(clip, CONFIG)
    assert np.median(overlap(track, boxes[:, 0])) > FOUND


@pytest.mark.shared_data
@pytest.mark.parametrize(('name', 'share'), [('davis_car-shadow', 0.85), ('davis_bmx-trees', 0.75)])
def test_boxes_of_real_clips_lie_on_the_annotated_mover(shared_dir, name, share):
    folder = shared_dir / 'data' / 'eval' / name
    truth = np.loadtxt(folder / 'groundtruth.txt', delimiter=',')
    truth[:, 2:] += truth[:, :2]
    track = discover(open_clip(folder / 'img'), CONFIG)[0]
    assert (overlap(track, truth) > 0.3).mean() >= share
