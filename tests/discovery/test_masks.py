"""Motion masks in the pseudo-box table: what is kept of them, and tables with and without."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.discovery.test_discover import render
from usot_plugin.datasets import DiscoveredBoxes
from usot_plugin.discovery import DiscoveryConfig, discover
from usot_plugin.discovery.candidates import candidate_boxes, motion_mask_of
from usot_plugin.discovery.config import CandidatesConfig
from usot_plugin.discovery.table.format import TableInfo, part_bytes, part_name, track_columns
from usot_plugin.discovery.table.parts import PartFolder
from usot_plugin.discovery.table.reading import TableError, read_table
from usot_plugin.structures import ArrayClip, PseudoTrack
from usot_plugin.structures.box_masks import grid_to_runs, runs_to_grid

CONFIG = DiscoveryConfig(store_masks=True)


@pytest.fixture(scope='module')
def tracks() -> tuple[PseudoTrack, PseudoTrack]:
    frames, _ = render(22)
    return discover(ArrayClip(frames), DiscoveryConfig())[0], discover(ArrayClip(frames), CONFIG)[0]


def test_masks_change_no_box_and_are_there_at_the_picks(tracks):
    plain, masked = tracks
    assert plain.mask_runs is None
    np.testing.assert_array_equal(plain.boxes_xyxy, masked.boxes_xyxy)
    assert [len(runs) > 0 for runs in masked.mask_runs] == masked.picked.tolist()
    for runs in masked.mask_runs:
        if len(runs):
            grid = runs_to_grid(runs)
            assert grid.shape == (64, 64)
            assert grid.mean() > 0.25, 'a square in its rectangle'


def test_the_mask_is_the_area_that_the_rectangle_is_around():
    distance = np.zeros((120, 160), np.float32)
    y, x = np.mgrid[:120, :160]
    ring = np.hypot(x - 60, y - 50)
    distance[ring < 25] = 10
    distance[ring < 8] = 0  # a hole counts as the object
    distance[100:110, 120:150] = 9
    config = CandidatesConfig(min_side_ratio=0.01, min_area_px=20, gate_mean_px=100)
    box = candidate_boxes(distance, config)[0]
    mask = motion_mask_of(box, distance, config)
    np.testing.assert_array_equal(mask, (ring < 25)[box[1] : box[3], box[0] : box[2]])


def test_a_rectangle_of_no_area_gets_all_that_moves_in_it():
    distance = np.zeros((40, 40), np.float32)
    distance[5:10, 5:10] = distance[20:30, 20:30] = 3
    mask = motion_mask_of(np.array([0, 0, 32, 32]), distance, CONFIG.candidates)
    np.testing.assert_array_equal(mask, distance[:32, :32] > 0)


def write_part(folder, clip: str, track: PseudoTrack | None, config: dict) -> None:
    row = dict(
        clip=clip, path=clip, fingerprint='', width=320, height=240, fps=25.0, frame_count=22
    )
    row.update(
        status='kept' if track else 'skipped',
        reason='',
        detail='',
        samplable=track is not None,
        **track_columns(track),
    )
    folder.mkdir(exist_ok=True)
    (folder / part_name(clip)).write_bytes(part_bytes([row], TableInfo(config)))


def test_masks_come_back_from_the_table(tmp_path, tracks):
    for clip, track in (('a', tracks[1]), ('b', None)):
        write_part(tmp_path / 'table', clip, track, CONFIG.to_dict())
    parts = PartFolder(tmp_path / 'table', TableInfo(CONFIG.to_dict()))
    merged = parts.merge()
    for path in (tmp_path / 'table', merged):
        table = read_table(path)
        assert table.info.schema_version == 2
        for read, kept in zip(table[0].track.mask_runs, tracks[1].mask_runs, strict=True):
            np.testing.assert_array_equal(read, kept)
        assert table[1].track is None
        track = DiscoveredBoxes(path).track(0)
        picked = np.flatnonzero(tracks[1].picked) + track.first_frame
        np.testing.assert_array_equal(track.masked_frames(), picked)
        np.testing.assert_array_equal(
            grid_to_runs(track.box_mask(int(picked[0]))),
            tracks[1].mask_runs[int(picked[0]) - track.first_frame],
        )
        assert track.box_mask(int(picked[0]) + 1) is None


def test_tables_without_masks_are_as_before(tmp_path, tracks):
    write_part(tmp_path / 'old', 'a', tracks[0], DiscoveryConfig().to_dict())
    schema = pq.read_schema(next((tmp_path / 'old').glob('*.parquet')))
    assert schema.metadata[b'usot_plugin.schema_version'] == b'1'
    assert 'mask_runs' not in schema.names
    assert 'store_masks' not in DiscoveryConfig().to_dict(), (
        'so that discovery goes on with tables of older versions'
    )
    assert read_table(tmp_path / 'old')[0].track.mask_runs is None
    assert DiscoveredBoxes(tmp_path / 'old').track(0).masked_frames().size == 0


def test_parts_with_and_without_masks_do_not_mix(tmp_path, tracks):
    write_part(tmp_path / 'mixed', 'a', tracks[0], DiscoveryConfig().to_dict())
    write_part(tmp_path / 'mixed', 'b', tracks[1], CONFIG.to_dict())
    with pytest.raises(TableError, match='store_masks'):
        read_table(tmp_path / 'mixed')
