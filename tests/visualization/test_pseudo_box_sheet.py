"""The contact sheet shows what discovery saw: the same candidates, the chosen boxes, at the right
frames."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from usot_plugin.discovery.config import DiscoveryConfig, FramesConfig, QualityConfig
from usot_plugin.discovery.discover import discover, observe
from usot_plugin.discovery.flow import build_flow
from usot_plugin.discovery.many_clips.one_clip import ClipTask, discover_clip
from usot_plugin.discovery.motion_map import map_geometry
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.structures import open_clip
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.visualization.pseudo_box_sheet import (
    FILLED,
    PICKED,
    draw_sheet,
    frames_to_show,
    gather_evidence,
    legend_entries,
)

CONFIG = DiscoveryConfig()


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    frames, _ = moving_square_frames(40, (160, 120), side_px=30, step_px=4)
    return open_clip(write_frames(tmp_path_factory.mktemp('clips') / 'square', frames))


def rows_of(clip, config, folder):
    (folder / 'part.parquet').write_bytes(discover_clip(ClipTask('square', clip.path), config).part)
    return list(read_table(folder / 'part.parquet').rows)


@pytest.mark.parametrize('windows', [{}, {'window': 15, 'window_overlap': 4}])
def test_evidence_is_what_discovery_saw(clip, windows):
    config = DiscoveryConfig(frames=FramesConfig(**windows))
    shown = frames_to_show(clip, config, 5)
    evidence = gather_evidence(clip, config, shown)
    assert sorted(evidence.shown) == shown and len(shown) == 5
    if not windows:
        seen = observe(
            clip, 0, 40, config, build_flow(config.flow), map_geometry(clip.size_wh, config.map)
        )
        np.testing.assert_array_equal(evidence.boxes_xyxy, seen.boxes_xyxy)
        np.testing.assert_array_equal(evidence.frames, seen.frames)


def test_sheet_draws_each_chosen_box_where_it_is(clip, tmp_path):
    (row,) = rows_of(clip, CONFIG, tmp_path)
    (track,) = discover(clip, CONFIG)
    figure = draw_sheet(clip, [row], CONFIG, columns=4)
    shown = frames_to_show(clip, CONFIG, 4)
    tiles = [axes for axes in figure.axes if axes.get_title().startswith('frame ') and axes.images]
    assert [int(axes.get_title().split()[1]) for axes in tiles] == shown
    for axes, frame in zip(tiles, shown, strict=True):
        (box,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        x, y = box.get_xy()
        np.testing.assert_allclose(
            [x, y, x + box.get_width(), y + box.get_height()], track.boxes_xyxy[frame], atol=1e-3
        )
        assert matplotlib_hex(box.get_edgecolor()) == (PICKED if track.picked[frame] else FILLED)


def test_legend_has_the_numbers_of_the_config():
    words = dict(legend_entries(QualityConfig(min_value=0.31, sample_min_value=0.47)))
    assert '0.31' in words['sequence quality less corner share']
    assert '0.47' in words['sequence quality less corner share']
    assert 'wander' in words['What quality does not say']


def matplotlib_hex(color) -> str:
    from matplotlib.colors import to_hex

    return to_hex(color)


def test_sheet_without_maps_has_only_frames_and_curves(clip, tmp_path):
    rows = rows_of(clip, CONFIG, tmp_path)
    with_maps, without = (draw_sheet(clip, rows, CONFIG, 3, maps) for maps in (True, False))
    titles = [[axes.get_title() for axes in figure.axes] for figure in (with_maps, without)]
    assert sum(title.startswith('flow over') for title in titles[0]) == 3 and not any(
        t.startswith('flow over') for t in titles[1]
    )
    assert without.get_figheight() < with_maps.get_figheight()


@pytest.mark.parametrize('count, size_wh', [(1, (64, 48)), (30, (8, 8)), (12, (64, 48))])
def test_clips_without_a_track_get_a_sheet_too(tmp_path, count, size_wh):
    still = np.full((count, size_wh[1], size_wh[0], 3), 90, np.uint8)
    clip = open_clip(write_frames(tmp_path / 'square', still))
    rows = rows_of(clip, CONFIG, tmp_path)
    assert rows[0].status == 'skipped'
    draw_sheet(clip, rows, CONFIG).savefig(tmp_path / 'sheet.png')
    assert (tmp_path / 'sheet.png').stat().st_size > 5000
