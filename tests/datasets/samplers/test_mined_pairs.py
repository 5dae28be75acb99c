"""Mined chains: what is written is what is read, rows of a table, noise from the way back, and
frames drawn from growing clips."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes
from usot_plugin.datasets.samplers.frame_samplers import NoFrameError
from usot_plugin.datasets.samplers.mined_pairs import (
    MinedChain,
    MinedPairFrames,
    chain_track,
    estimate_alpha,
    evidence_file,
    read_chains,
    write_chains,
)
from usot_plugin.datasets.track import Track
from usot_plugin.discovery.table.format import TableError
from usot_plugin.testing.tables import write_table_part


def chain(first: int, steps: list[int], end: str = 'full length', size: float = 20.0) -> MinedChain:
    frames = np.array([first, *(first + step for step in steps)])
    corners = np.stack([frames * 2.0, frames * 1.0], -1)
    return MinedChain(
        frames,
        np.concatenate([corners, corners + size], -1),
        np.linspace(0.9, 0.5, len(steps)),
        np.arange(len(steps), dtype=float),
        end,
    )


def test_chains_are_read_as_written(tmp_path):
    written = [chain(3, [1, 2, 5]), chain(7, [], end='flat response'), chain(9, [4])]
    file = evidence_file(tmp_path, 'a folder/clip ä.mp4')
    write_chains(file, written)
    for ours, theirs in zip(read_chains(file), written, strict=True):
        assert ours.end == theirs.end and len(ours) == len(theirs)
        for name in ('frames', 'boxes_xyxy', 'similarity', 'forward_backward_px'):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    write_chains(file, [])
    assert read_chains(file) == []


def test_missing_and_damaged_evidence_is_named(tmp_path):
    file = evidence_file(tmp_path, 'clip.mp4')
    with pytest.raises(TableError, match=r'clip_mp4-\w+\.npz: no file of mined pairs'):
        read_chains(file)
    write_chains(file, [chain(3, [1, 2])])
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(TableError, match='no file of mined pairs'):
        read_chains(file)


def test_a_chain_is_a_row_that_training_reads(tmp_path):
    mined = chain(6, [2, 4])
    write_table_part(tmp_path, 'clip.mp4', 'clip.mp4', chain_track(mined, 0), frame_count=30)
    track = DiscoveredBoxes(tmp_path).track(0)
    assert track.usable_frames().tolist() == [6, 8, 10]
    assert track.frame_quality.tolist() == pytest.approx([1, 0, 0.9, 0, 0.5])
    np.testing.assert_allclose(track.box(8), mined.boxes_xyxy[1])


def test_alpha_is_the_variance_of_the_simulated_centres():
    rng = np.random.default_rng(0)
    there, back = rng.normal(0, 5.0, (2, 40_000, 2))
    errors = np.hypot(*(there + back).T)
    empty = np.zeros((0, 4))
    made = MinedChain(np.arange(40_001), empty, errors * 0, errors, '')
    assert estimate_alpha([made, chain(0, [])]) == pytest.approx(25.0, rel=0.03)
    with pytest.raises(ValueError, match='no mined pair'):
        estimate_alpha([chain(0, [])])


def drawn(sampler: MinedPairFrames, track: Track) -> set[int]:
    views = [sampler.draw(track, np.random.default_rng(seed), 'naive') for seed in range(60)]
    assert {views[0]['template'][0]} == {view['template'][0] for view in views}
    return {view['search'][0] - view['template'][0] for view in views}


def test_clips_grow_with_the_epochs():
    source = chain_track(chain(5, list(range(1, 13))), 0)
    track = Track('clip', 'clip', first_frame=5, length=len(source), boxes_xyxy=source.boxes_xyxy)
    sampler = MinedPairFrames(spans=[(0, 3), (2, 12)])
    assert drawn(sampler, track) == {1, 2, 3}
    sampler.set_epoch(1)
    assert drawn(sampler, track) == {1, 2, 3}
    sampler.set_epoch(2)
    assert drawn(sampler, track) == set(range(1, 13))


def test_a_chain_without_a_near_patch_is_named():
    source = chain_track(chain(5, [9]), 0)
    track = Track(
        'clip.mp4', 'clip', first_frame=5, length=len(source), boxes_xyxy=source.boxes_xyxy
    )
    with pytest.raises(NoFrameError, match=r'clip\.mp4: no mined frame within 4'):
        MinedPairFrames(4).draw(track, np.random.default_rng(0), 'naive')


@pytest.mark.parametrize('spans', [0, [], [(0, 0)], [(1, 5)]])
def test_impossible_spans_are_refused(spans):
    with pytest.raises(ValueError):
        MinedPairFrames(spans)
