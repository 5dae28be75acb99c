"""Mining a clip for the table: boxes from any source, rows for instances without a pair, clips that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.engine.test_pair_mining import NET
from usot_plugin.datasets.box_sources import DiscoveredBoxes, RandomBoxes
from usot_plugin.datasets.frame_readers import DecodedFrames
from usot_plugin.datasets.store_building import tracks_by_clip
from usot_plugin.discovery.table_format import TableInfo, part_bytes
from usot_plugin.engine.pair_mining import MiningConfig, PairMiner
from usot_plugin.engine.pul_stages import _mine_clip
from usot_plugin.models import BackgroundDiscriminator
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp('stages')
    frames, boxes = moving_square_frames(8, (120, 90), side_px=26, step_px=2.0)
    write_table_part(folder / 'table', 'square', write_frames(folder / 'square', frames), pseudo_track(boxes))
    return folder / 'table'


def mined(source, config: MiningConfig, seed: int = 0):
    torch.manual_seed(0)
    miner = PairMiner(BackgroundDiscriminator(**NET), config)
    (tracks,) = tracks_by_clip(source)
    return _mine_clip(miner, source, DecodedFrames(), tracks, np.random.default_rng(seed))


LENIENT = MiningConfig(anchors=2, clip_frames=2, min_similarity=-1, max_return_px=500.0)


def test_random_regions_are_instances_too_and_repeat_with_the_seed(clips):
    source = RandomBoxes(table=clips, share=(0.2, 0.3))
    rows, chains = mined(source, LENIENT)
    assert len(chains) == 2 and [row['object_id'] for row in rows] == [0, 1]
    again = mined(source, LENIENT)[1]
    other = mined(source, LENIENT, seed=1)[1]
    assert np.array_equal(again[0].boxes_xyxy, chains[0].boxes_xyxy)
    assert not np.array_equal(other[0].boxes_xyxy, chains[0].boxes_xyxy)


def test_an_instance_without_a_pair_is_a_dropped_row_that_says_why(clips):
    rows, chains = mined(DiscoveredBoxes(clips), MiningConfig(anchors=2, max_return_px=1e-9, min_similarity=-1))
    assert [(row['status'], row['reason'], row['samplable']) for row in rows] == [('dropped', 'no way back', False)] * 2
    assert [len(chain) for chain in chains] == [0, 0]
    assert part_bytes(rows, TableInfo({})) == part_bytes(rows, TableInfo({}))


def test_a_clip_too_short_for_a_pair_has_a_row(clips, tmp_path):
    frames, boxes = moving_square_frames(1, (120, 90))
    write_table_part(tmp_path / 'table', 'still', write_frames(tmp_path / 'still', frames), pseudo_track(boxes))
    (row,), chains = mined(DiscoveredBoxes(tmp_path / 'table'), LENIENT)
    assert (row['status'], row['reason'], row['frame_count']) == ('skipped', 'no instance', 1) and chains == []
