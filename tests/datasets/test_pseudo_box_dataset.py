from __future__ import annotations

import copy
import logging
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from usot_plugin.datasets.frames.frame_readers import ClipPool
from usot_plugin.datasets.pseudo_box_dataset import NoSampleError, PseudoBoxDataset
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip, write_sequence
from usot_plugin.registry import DATASETS
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.config import load_config

ROOT = Path(__file__).parents[2]

PIPELINE = [
    {'type': 'SiameseCrop', 'views': ['template'], 'size': 127, 'shift_px': 4, 'scale': 0.05},
    {
        'type': 'SiameseCrop',
        'views': ['search', 'memory'],
        'size': 255,
        'shift_px': 64,
        'scale': 0.18,
    },
    {'type': 'ViewFlip', 'views': ['template', 'memory'], 'prob': 0.4},
    {'type': 'ViewBrightness', 'views': ['search', 'memory']},
    {'type': 'PackSOTInputs'},
]


def build(root: Path, **kwargs) -> PseudoBoxDataset:
    return DATASETS.build(
        {'type': 'PseudoBoxDataset', 'table': str(root / 'table'), 'pipeline': PIPELINE, **kwargs}
    )


def assert_same(a: dict, b: dict) -> None:
    assert a['inputs'].keys() == b['inputs'].keys()
    for name in a['inputs']:
        assert torch.equal(a['inputs'][name], b['inputs'][name])
    assert a['data_samples'].metainfo == b['data_samples'].metainfo
    for name in a['data_samples'].keys():  # noqa: SIM118  (a data element, not a dictionary)
        assert torch.equal(a['data_samples'].get(name), b['data_samples'].get(name))


def loaded(dataset, workers: int, **kwargs) -> list[dict]:
    loader = DataLoader(
        dataset, batch_size=1, num_workers=workers, collate_fn=lambda batch: batch[0], **kwargs
    )
    return list(loader)


def test_an_item_has_the_shapes_of_its_stage(rendered):
    dataset = build(rendered)
    item = dataset[0]
    assert {k: tuple(v.shape) for k, v in item['inputs'].items()} == {
        'template': (3, 127, 127),
        'search': (3, 255, 255),
    }
    dataset.set_stage('cycle')
    item = dataset[0]
    assert (
        item['inputs']['memory'].shape == (4, 3, 255, 255)
        and item['inputs']['memory'].dtype == torch.uint8
    )
    sample = item['data_samples']
    assert sample.memory_boxes_xyxy.shape == (4, 4) and len(sample.memory_indices) == 4
    batch = pseudo_collate([item, dataset[1]])
    assert len(batch['inputs']['search']) == len(batch['data_samples']) == 2


def test_boxes_show_the_object_of_the_frame(rendered):
    """The pseudo boxes are exact here, so the middle of the box must have the object's colours, not
    the ground's."""
    plain = [
        {'type': 'SiameseCrop', 'views': ['template'], 'size': 127},
        {'type': 'PackSOTInputs', 'single': ['template']},
    ]
    dataset = build(rendered, pipeline=plain)
    for index in range(len(dataset)):
        item = dataset[index]
        sample = item['data_samples']
        number = int(sample.clip[5])
        video, boxes = render_clip(number, 20, (160, 120), occluders=0)
        cx, cy = (boxes[0, sample.frame_index, :2] + boxes[0, sample.frame_index, 2:]) / 2
        expected = video[
            sample.frame_index, int(cy) - 3 : int(cy) + 4, int(cx) - 3 : int(cx) + 4
        ].mean((0, 1))
        x, y = (sample.template_box_xyxy[:2] + sample.template_box_xyxy[2:]).div(2).int().tolist()
        got = (
            item['inputs']['template'][:, y - 5 : y + 6, x - 5 : x + 6].float().mean((1, 2)).numpy()
        )
        assert np.abs(got - expected).max() < 25


@pytest.mark.process
@pytest.mark.parametrize('stage', ['naive', 'cycle'])
def test_samples_do_not_depend_on_the_number_of_workers(rendered, stage):
    dataset = build(rendered, stage=stage, samples_per_epoch=6, seed=7)
    alone, shared = loaded(dataset, 0), loaded(dataset, 2)
    assert len(alone) == 6
    for a, b in zip(alone, shared, strict=True):
        assert_same(a, b)


def only(batch: list) -> dict:
    return batch[0]


@pytest.mark.process
@pytest.mark.parametrize('start', ['fork', 'spawn'])
def test_epoch_and_stage_reach_running_workers(rendered, start):
    dataset = build(rendered, samples_per_epoch=4)
    loader = DataLoader(
        dataset,
        batch_size=1,
        num_workers=2,
        collate_fn=only,
        persistent_workers=True,
        multiprocessing_context=start,
    )
    for epoch, stage in ((0, 'naive'), (1, 'cycle'), (2, 'cycle')):
        dataset.set_epoch(epoch)
        dataset.set_stage(stage)
        items = list(loader)
        assert all(('memory' in item['inputs']) == (stage == 'cycle') for item in items)
        fresh = build(rendered, samples_per_epoch=4, stage=stage)  # as a resumed run would
        fresh.set_epoch(epoch)
        for index, item in enumerate(items):
            assert_same(item, fresh[index])


def test_epochs_and_seeds_differ(rendered):
    first, other_seed = build(rendered), build(rendered, seed=1)
    a = first[0]
    first.set_epoch(1)
    assert not torch.equal(
        a['data_samples'].search_box_xyxy, first[0]['data_samples'].search_box_xyxy
    )
    assert not torch.equal(
        a['data_samples'].search_box_xyxy, other_seed[0]['data_samples'].search_box_xyxy
    )


def test_every_track_is_visited_once_before_any_comes_again(rendered):
    dataset = build(rendered, samples_per_epoch=3)  # four tracks
    visited = []
    for epoch in range(8):
        dataset.set_epoch(epoch)
        visited += [dataset._ordered_track(epoch * 3 + index) for index in range(3)]
    for start in range(0, 24, 4):
        assert sorted(visited[start : start + 4]) == [0, 1, 2, 3]
    assert visited[:4] != visited[4:8] or visited[4:8] != visited[8:12]


def test_a_data_set_travels_without_its_clips(rendered):
    dataset = build(rendered, samples_per_epoch=5)
    expected = dataset[3]  # opens a clip
    data = pickle.dumps(dataset)
    assert len(data) < 20_000
    assert_same(pickle.loads(data)[3], expected)
    assert_same(copy.deepcopy(dataset)[3], expected)


def test_many_tracks_cost_columns_only(tmp_path):
    """Workers get a copy of the pickle (or of the pages they touch): it must not grow with the
    frames of the table."""
    for number in range(30):
        boxes = np.tile(np.array([10.0, 10, 60, 60]), (1000, 1))
        write_table_part(
            tmp_path / 'table',
            f'{number}.mp4',
            f'/nowhere/{number}.mp4',
            pseudo_track(boxes, number),
        )
    dataset = build(tmp_path)
    assert len(dataset) == 30
    assert len(pickle.dumps(dataset)) < 20_000  # the boxes alone are 480 kB


def test_a_subset_is_of_tracks(rendered):
    dataset = build(rendered).get_subset([2])
    assert dataset.track_count == 1
    assert {dataset[0]['data_samples'].clip} == {'clip_2.mp4'}
    assert build(rendered, indices=2).track_count == 2


@pytest.mark.process
def test_unreadable_clips_are_named_once_and_replaced(rendered, tmp_path, caplog):
    video, boxes = render_clip(9, 20, (160, 120), occluders=0)
    good = write_clip(tmp_path / 'clips' / 'good.mp4', video)
    (tmp_path / 'clips' / 'bad.mp4').write_bytes(b'not a video')
    for name in ('good.mp4', 'bad.mp4', 'gone.mp4', 'short.mp4'):
        track = pseudo_track(
            np.concatenate([boxes[0], boxes[0]]) if name == 'short.mp4' else boxes[0]
        )
        write_table_part(
            tmp_path / 'table',
            name,
            good if name == 'short.mp4' else tmp_path / 'clips' / name,
            track,
        )
    dataset = build(tmp_path, samples_per_epoch=12)
    with caplog.at_level(logging.WARNING):
        clips = [dataset[index]['data_samples'].clip for index in range(12)]
    assert set(clips) == {'good.mp4'}
    for index in (0, 5):  # the replacement, too, depends on the index alone
        assert_same(dataset[index], build(tmp_path, samples_per_epoch=12)[index])
    assert dataset._reported and all(
        'good.mp4: ' not in text or '40' in text or 'has 20' in text for text in dataset._reported
    )
    assert any('bad.mp4' in text for text in dataset._reported) and any(
        'no such file' in text for text in dataset._reported
    )
    assert any('has 20 frames, but its boxes reach frame 39' in text for text in dataset._reported)


def test_nothing_readable_ends_with_the_cause(tmp_path):
    write_table_part(
        tmp_path / 'table',
        'gone.mp4',
        tmp_path / 'gone.mp4',
        pseudo_track(np.tile([1.0, 1, 9, 9], (5, 1))),
    )
    with pytest.raises(
        NoSampleError,
        match=r'clips in a row could not be used; the last: .*gone\.mp4: no such file',
    ):
        build(tmp_path, max_failures=3)[0]


def ranked_table(tmp_path: Path, count: int = 100) -> PseudoBoxDataset:
    """Tracks of rising quality; 30 % must not be drawn."""
    rng = np.random.default_rng(0)
    for number in range(count):
        quality, corner = float(rng.uniform(0.3, 0.9)), float(rng.uniform(0, 0.3))
        track = pseudo_track(
            np.tile([1.0, 1, 9, 9], (5, 1)), number, sequence_quality=quality, corner_share=corner
        )
        samplable = quality - corner / 3 >= 0.40 and corner < 0.25
        write_table_part(tmp_path / 'table', f'{number:03d}.mp4', 'x', track, samplable)
    return build(tmp_path)


@pytest.mark.process
def test_a_bad_track_is_replaced_by_the_best_of_three_neighbours(tmp_path):
    dataset = ranked_table(tmp_path)
    source = dataset.source
    margin = source.sequence_quality - source.corner_share / 3
    good = (margin >= 0.40) & (source.corner_share < 0.25)
    np.testing.assert_array_equal(dataset._good, good)
    by_keys = build(tmp_path, min_quality=0.40, max_corner_share=0.25)
    np.testing.assert_array_equal(
        by_keys._good, good
    )  # the same rule, from keys instead of the column
    for start in range(100):
        for seed in range(5):
            row = dataset._good_row(start, np.random.default_rng(seed))
            # Slow twin.
            rng, expected = np.random.default_rng(seed), start
            for _ in range(20):
                if good[expected]:
                    break
                drawn = rng.integers(max(0, start - 30), min(100, start + 31), 3).tolist()
                expected = max(drawn, key=lambda r: margin[r])
            assert row == expected and good[row]
            assert abs(row - start) <= 30


@pytest.mark.process
def test_without_any_try_a_bad_track_stays(tmp_path):
    dataset = ranked_table(tmp_path)
    dataset.redraw_tries = 0
    bad = int(np.flatnonzero(~dataset._good)[0])
    assert dataset._good_row(bad, np.random.default_rng(0)) == bad


@pytest.mark.process
@pytest.mark.parametrize('source', ['random', 'centre'])
def test_sources_without_a_table(rendered, source):
    dataset = PseudoBoxDataset(
        box_source=source,
        clips=str(rendered / 'clips'),
        pipeline=PIPELINE,
        stage='cycle',
        samples_per_epoch=6,
    )
    assert dataset.track_count == 4
    items = loaded(dataset, 0)
    assert all(item['inputs']['memory'].shape == (4, 3, 255, 255) for item in items)
    for a, b in zip(items, loaded(dataset, 2), strict=True):
        assert_same(a, b)


@pytest.mark.process
def test_one_word_changes_the_box_source(rendered):
    boxes = {}
    for source in ('discovered', 'random', 'centre'):
        dataset = build(rendered, box_source=source, pipeline=[])
        view = dataset[0]['views']['template'][0]
        boxes[source] = view.box_xyxy
    assert boxes['centre'].tolist() == pytest.approx(
        [160 * 5 / 12, 120 * 5 / 12, 160 * 7 / 12, 120 * 7 / 12]
    )
    assert not np.allclose(boxes['discovered'], boxes['random'])


@pytest.mark.process
@pytest.mark.parametrize(
    'source', ['discovered', 'random', 'centre', 'entropy', 'saliency', 'annotated']
)
def test_one_key_of_a_config_changes_the_box_source(rendered, tmp_path, source):
    video, boxes = render_clip(7, 20, (160, 120), occluders=0)
    write_sequence(tmp_path / 'seq', video, boxes[0])
    options = load_config(ROOT / 'configs/quick/udt_quick.py').train_dataloader.dataset
    options = {
        **options,
        'table': str(rendered / 'table'),
        'box_source': source,
        'samples_per_epoch': 4,
    }
    options['sequences'] = {**options['sequences'], 'data_root': str(tmp_path)}
    clips = {item['data_samples'].clip for item in loaded(DATASETS.build(options), 0)}
    assert clips == (
        {'seq'} if source == 'annotated' else {f'clip_{number}.mp4' for number in range(4)}
    )


def test_a_table_and_the_clips_of_another_source_may_stand_side_by_side(rendered):
    assert build(rendered, clips='nowhere', images='nowhere').track_count == 4
    assert build(rendered, box_source={'type': 'DiscoveredBoxes'}, clips='nowhere').track_count == 4


@pytest.mark.parametrize(
    ('source', 'key'),
    [
        ('discovered', 'table'),
        ('annotated', 'sequences'),
        ('annotated_masks', 'sequences'),
        ('annotated_first_masks', 'sequences'),
        ({'type': 'AnnotatedBoxes', 'longest_run': 9}, 'sequences'),
    ],
)
def test_what_a_box_source_needs_is_named(source, key):
    name = source if isinstance(source, str) else source['type']
    with pytest.raises(ValueError, match=f'^box_source={name!r} needs {key}=...$'):
        PseudoBoxDataset(source, clips='somewhere')


def test_three_frames_of_a_window_from_the_centre(rendered):
    """UDT's triple: three frames within ten, the centre half of each, resized to 125 pixels."""
    dataset = PseudoBoxDataset(
        box_source={'type': 'CentreBoxes', 'share': 1 / 6},
        clips=str(rendered / 'clips'),
        frame_sampler={'type': 'WindowFrames', 'count': 3, 'span': 10},
        pipeline=[
            {
                'type': 'SiameseCrop',
                'views': ['frames'],
                'size': 125,
                'window': 'scaled',
                'scaled': 3.0,
            },
            {'type': 'PackSOTInputs', 'single': [], 'stacked': ['frames']},
        ],
    )
    item = dataset[1]
    assert item['inputs']['frames'].shape == (3, 3, 125, 125)
    frames = item['data_samples'].frames_indices
    assert frames == sorted(frames) and frames[-1] - frames[0] < 10


def test_extracted_frames_replace_the_video(rendered, tmp_path):
    for number in range(4):
        video, _ = render_clip(number, 20, (160, 120), occluders=0)
        write_clip(tmp_path / f'clip_{number}.mp4.d', video)  # a folder of PNG files
        (tmp_path / f'clip_{number}.mp4.d').rename(tmp_path / f'clip_{number}.mp4')
    item = build(rendered, frame_root=tmp_path, pipeline=[])[0]
    video, _ = render_clip(int(item['clip'][5]), 20, (160, 120), occluders=0)
    view = item['views']['template'][0]
    np.testing.assert_array_equal(view.image, video[view.frame_index])
    with pytest.raises(ValueError, match='no such folder'):
        build(rendered, frame_root=tmp_path / 'gone')


def test_template_and_search_share_their_frame(rendered):
    dataset = build(rendered, pipeline=[])
    for index in range(4):
        views = dataset[index]['views']
        assert views['template'][0].image is views['search'][0].image


@pytest.mark.parametrize(
    'kwargs, message',
    [
        ({'box_source': 'magic'}, 'box_source is one of'),
        ({'stage': 'late'}, 'stage is one of'),
        ({'samples_per_epoch': 0}, 'samples_per_epoch'),
        ({'min_quality': 2.0}, 'none of its 4 tracks'),
    ],
)
def test_wrong_values_are_refused(rendered, kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(rendered, **kwargs)


FIRST_WITH_MASK = {'type': 'WindowFrames', 'count': 2, 'span': 20, 'first_with_mask': True}


def test_masks_are_not_asked_of_tables_without_them(rendered, tmp_path):
    line = (
        'table: the table holds no masks: discover it with configs/discovery/masks.py; '
        're-labelled tables have none'
    )
    with pytest.raises(ValueError, match=re.escape(line)):
        build(rendered, frame_sampler=FIRST_WITH_MASK)
    track = pseudo_track(np.tile([1.0, 1, 9, 9], (5, 1)))
    part = write_table_part(
        tmp_path / 'table', 'a.mp4', tmp_path / 'a.mp4', track, config={'store_masks': True}
    )
    build(
        tmp_path, frame_sampler=FIRST_WITH_MASK
    )  # whether a frame has one is seen when it is drawn
    plain = pq.read_table(part)
    pq.write_table(
        plain.replace_schema_metadata(
            {**plain.schema.metadata, b'usot_plugin.relabelled': b'[{"round": 1}]'}
        ),
        part,
    )
    with pytest.raises(ValueError, match=re.escape(line)):
        build(tmp_path, frame_sampler=FIRST_WITH_MASK)
    with pytest.raises(ValueError, match='found in the picture come without masks'):
        build(rendered, box_source='random', frame_sampler=FIRST_WITH_MASK)


def test_indices_end(rendered):
    dataset = build(rendered)
    assert len(list(dataset)) == 4  # plain iteration stops
    with pytest.raises(IndexError, match='outside 0..3'):
        dataset[4]


def test_a_pool_keeps_the_clips_used_last(rendered):
    pool = ClipPool(2)
    paths = [str(rendered / 'clips' / f'clip_{n}.mp4') for n in range(3)]
    first = pool.get(paths[0])
    assert pool.get(paths[0]) is first
    pool.get(paths[1])
    pool.get(paths[0])
    pool.get(paths[2])  # the second goes
    assert len(pool) == 2 and pool.get(paths[0]) is first
    assert len(pickle.loads(pickle.dumps(pool))) == 0


@pytest.mark.process
@pytest.mark.shared_data
def test_real_clips_of_every_kind_need_no_table(shared_dir):
    clips = sorted(str(path) for path in (shared_dir / 'data' / 'unlabeled').iterdir())[::6]
    dataset = PseudoBoxDataset(box_source='random', clips=clips, pipeline=PIPELINE, max_failures=0)
    drawn = [dataset[index]['data_samples'] for index in range(len(dataset))]
    assert {sample.clip for sample in drawn} == {Path(clip).name for clip in clips}
