"""The Ray engine, on a real local Ray instance."""

from __future__ import annotations

import os
import sys

import pyarrow.parquet as pq
import pytest

from usot_plugin.discovery.config import DiscoveryConfig
from usot_plugin.discovery.many_clips.local_engine import WorkerStartError
from usot_plugin.discovery.many_clips.one_clip import ClipTask
from usot_plugin.discovery.many_clips.pipeline import RunOptions, discover_clips
from usot_plugin.discovery.many_clips.ray_engine import run_ray
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.utils.optional import MissingPackageError

POISON = """
import os
from usot_plugin.discovery.flow import FarnebackFlow
from usot_plugin.registry import TASK_UTILS

@TASK_UTILS.register_module(force=True)
class RayPoisonFlow(FarnebackFlow):
    def flow(self, frame0, frame1, before=None):
        if frame0.shape == (48, 112):
            os.abort()
        return super().flow(frame0, frame1)
"""


@pytest.mark.process
@pytest.mark.ray
def test_ray_gives_the_rows_of_the_local_engine_and_survives_a_crash(tmp_path, monkeypatch):
    pytest.importorskip('ray')
    (tmp_path / 'ray_poison_flow.py').write_text(POISON)
    monkeypatch.syspath_prepend(tmp_path)
    repo = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    monkeypatch.setenv(
        'PYTHONPATH', os.pathsep.join([str(tmp_path), repo, os.environ.get('PYTHONPATH', '')])
    )
    __import__('ray_poison_flow')
    clips = {}
    for index, size in enumerate([(80, 64), (112, 48), (80, 64), (72, 56)]):
        frames, _ = moving_square_frames(24, size, side_px=18, seed=index)
        clips[f'clip_{index}'] = write_frames(tmp_path / f'clip_{index}', frames, '{:03d}.jpg')
    clips['broken'] = tmp_path / 'broken.mp4'
    clips['broken'].write_text('no video')
    config = DiscoveryConfig(flow=dict(type='RayPoisonFlow'))

    options = {'workers': 2, 'imports': ['ray_poison_flow'], 'quiet': True}
    tally = discover_clips(clips, config, tmp_path / 'ray', RunOptions(engine='ray', **options))
    discover_clips(clips, config, tmp_path / 'local', RunOptions(engine='local', **options))
    assert tally.done == 5 and tally.failed == 2
    ours, local = (
        pq.read_table(tmp_path / f'{name}.parquet').to_pylist() for name in ('ray', 'local')
    )
    for row in [*ours, *local]:  # only the local engine is told the signal
        row['detail'] = row['detail'].replace(' with SIGABRT', '')
    assert ours == local


@pytest.mark.process
@pytest.mark.ray
def test_a_running_cluster_of_two_nodes_is_used(tmp_path):
    pytest.importorskip('ray')
    from ray.cluster_utils import Cluster

    clips = {}
    for index in range(3):
        frames, _ = moving_square_frames(24, (80, 64), side_px=18, seed=index)
        clips[f'clip_{index}'] = write_frames(tmp_path / f'clip_{index}', frames, '{:03d}.jpg')
    cluster = Cluster(
        initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False}
    )
    try:
        cluster.add_node(num_cpus=1)
        tally = discover_clips(
            clips,
            DiscoveryConfig(),
            tmp_path / 't',
            RunOptions(engine='ray', ray_address=cluster.address),
        )
    finally:
        cluster.shutdown()
    assert (
        tally.done == 3
        and tally.failed == 0
        and pq.read_table(tmp_path / 't.parquet').num_rows == 3
    )


def test_without_ray_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(MissingPackageError, match=r"pip install 'usot_plugin\[ray\]'"):
        list(run_ray([ClipTask('a', tmp_path)], DiscoveryConfig()))


@pytest.mark.ray
def test_cluster_that_cannot_be_reached_is_one_line(tmp_path):
    pytest.importorskip('ray')
    with pytest.raises(WorkerStartError, match='Ray at auto cannot be used') as caught:
        list(run_ray([ClipTask('a', tmp_path)], DiscoveryConfig(), address='auto'))
    assert '\n' not in str(caught.value)
