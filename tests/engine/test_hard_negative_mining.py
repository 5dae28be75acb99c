"""Two stages by one command: clusters that mean something, files that are used again, runs that are
killed, and what is refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.engine.tiny_training import read_losses
from usot_plugin.engine.hooks.hard_negative_mining import (
    cluster_features,
    pooled_features,
    read_clusters,
)
from usot_plugin.engine.training_loops import use_resumable_loop
from usot_plugin.registry import DATASETS, MODELS
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.optional import MissingPackageError

ROOT = Path(__file__).parents[2]
HOOK = dict(type='HardNegativeMiningHook', start_epoch=1, clusters=3, image_px=127)
LOOKS = 3


def write_images(folder: Path, count: int = 12) -> Path:
    """Images of differing size in three looks: flat blue, red and white stripes, grey noise."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        height, width = rng.integers(70, 130, 2)
        look = number % LOOKS
        if look == 0:
            image = np.full((height, width, 3), (200, 60, 20), float)
        elif look == 1:
            image = np.where(
                (np.arange(width) // 6 % 2)[None, :, None] > 0, (20, 20, 230), (250, 250, 250)
            ) * np.ones((height, 1, 1))
        else:
            image = np.repeat(rng.integers(0, 256, (height, width, 1)), 3, -1)
        cv2.imwrite(
            str(folder / f'{number:02d}.png'),
            np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8),
        )
    return folder


def config(work_dir: Path, images: Path, **changes) -> Config:
    """Three epochs of two steps of the whole method at a sixteenth of the width; hard negatives
    from the second epoch on."""
    cfg = Config.fromfile(ROOT / 'configs/quick/s2siamfc_quick.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'experiment_name': f'{work_dir.parent.name}_{work_dir.name}',
            'custom_imports': dict(
                imports=['usot_plugin', 'tests.engine.tiny_training'], allow_failed_imports=False
            ),
            'model.backbone.width': 1 / 16,
            'train_cfg.max_epochs': 3,
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.clips': None,
            'train_dataloader.dataset.images': str(images),
            'train_dataloader.dataset.samples_per_epoch': 4,
            'train_dataloader.dataset.negative_share': 0.5,
            'custom_hooks': [dict(type='RecordLossHook'), HOOK],
            **changes,
        }
    )
    return cfg


def train(cfg: Config) -> Runner:
    use_resumable_loop(cfg)  # as tools/train.py does
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> Path:
    return write_images(tmp_path_factory.mktemp('mining') / 'images')


@pytest.fixture(scope='module')
def whole(tmp_path_factory, images) -> tuple[Runner, Path]:
    work_dir = tmp_path_factory.mktemp('whole') / 'work'
    return train(config(work_dir, images)), work_dir


@pytest.mark.process
def test_one_run_has_both_stages(whole):
    runner, work_dir = whole
    clusters, about = read_clusters(work_dir / 'clusters.npz')
    assert len(read_losses(work_dir)) == 6 and about['clusters'] == 3
    assert np.array_equal(runner.train_dataloader.dataset.clusters, clusters)
    # Images of one look share a cluster.
    assert (
        all(len(set(clusters[look::LOOKS])) == 1 for look in range(LOOKS))
        and len(set(clusters)) == LOOKS
    )
    samples = [runner.train_dataloader.dataset[i]['data_samples'] for i in range(4)]
    negatives = [sample for sample in samples if torch.isnan(sample.search_box_xyxy).all()]
    assert all(' against ' in sample.clip for sample in negatives)


@pytest.mark.process
def test_a_second_run_uses_the_same_file(whole, images, tmp_path):
    _, first = whole
    written = (first / 'clusters.npz').stat().st_mtime_ns
    second = train(
        config(
            tmp_path / 'named',
            images,
            custom_hooks=[{**HOOK, 'cluster_file': str(first / 'clusters.npz')}],
        )
    )
    again = train(config(first, images))  # the same work dir, the same seeds: the same weights
    expected = read_clusters(first / 'clusters.npz')[0]
    assert (first / 'clusters.npz').stat().st_mtime_ns == written
    assert not (tmp_path / 'named' / 'clusters.npz').exists()
    for runner in (second, again):
        assert np.array_equal(runner.train_dataloader.dataset.clusters, expected)


@pytest.mark.process
def test_other_weights_make_other_clusters_in_the_default_place(whole, images, tmp_path):
    _, first = whole
    work_dir = tmp_path / 'work'
    work_dir.mkdir()
    (work_dir / 'clusters.npz').write_bytes((first / 'clusters.npz').read_bytes())
    train(
        config(work_dir, images, **{'optim_wrapper.optimizer.lr': 3e-4, 'train_cfg.max_epochs': 2})
    )
    assert (
        read_clusters(work_dir / 'clusters.npz')[1]['weights']
        != read_clusters(first / 'clusters.npz')[1]['weights']
    )


@pytest.mark.process
def test_a_run_resumed_inside_the_start_epoch_keeps_its_clusters(images, tmp_path):
    """The learning rate is that of a long run: the weights of iteration 3 cluster otherwise than
    those of iteration 2."""
    by_iteration = {
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 3,
        'optim_wrapper.optimizer.lr': 0.1,
    }
    whole = train(
        config(tmp_path / 'whole', images, **by_iteration)
    )  # two iterations an epoch, mined before iteration 2
    cut = tmp_path / 'cut'
    cut.mkdir()
    for name in ('iter_3.pth', 'clusters.npz'):
        shutil.copy(tmp_path / 'whole' / name, cut / name)
    (cut / 'last_checkpoint').write_text(str(cut / 'iter_3.pth'))
    written = (cut / 'clusters.npz').read_bytes()
    resumed = train(config(cut, images, resume=True, **by_iteration))
    assert (cut / 'clusters.npz').read_bytes() == written
    assert np.array_equal(
        resumed.train_dataloader.dataset.clusters, whole.train_dataloader.dataset.clusters
    )
    losses, expected = read_losses(cut), read_losses(tmp_path / 'whole')[3:]
    assert [row['iteration'] for row in losses] == [3, 4, 5]
    for ours, theirs in zip(losses, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


@pytest.mark.process
@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'custom_hooks': [{**HOOK, 'clusters': 13}]}, '13 clusters of only 12 images'),
        (
            {
                'train_dataloader.dataset.type': 'PseudoBoxDataset',
                'train_dataloader.dataset.negative_share': None,
            },
            "no data set of type 'Hard",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_epoch(images, tmp_path, changes, message):
    cfg = config(tmp_path / 'work', images, **changes)
    if cfg.train_dataloader.dataset.negative_share is None:
        cfg.train_dataloader.dataset.pop('negative_share')
    with pytest.raises(ConfigError, match=message):
        train(cfg)
    assert not list((tmp_path / 'work').glob('losses_*'))


@pytest.mark.process
def test_missing_scikit_learn_says_how_to_get_it(images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(
        MissingPackageError, match=r'needs sklearn, .*: pip install .usot_plugin\[s2siamfc\]'
    ):
        train(config(tmp_path / 'work', images))


@pytest.mark.process
def test_a_named_file_of_something_else_is_refused(whole, images, tmp_path):
    _, first = whole
    hook = {**HOOK, 'cluster_file': str(first / 'clusters.npz'), 'clusters': 2, 'start_epoch': 0}
    with pytest.raises(
        ConfigError, match=r'clusters\.npz: clusters of other clusters; name another cluster_file'
    ):
        train(config(tmp_path / 'work', images, custom_hooks=[hook]))
    (tmp_path / 'broken.npz').write_bytes((first / 'clusters.npz').read_bytes()[:100])
    hook = {**HOOK, 'cluster_file': str(tmp_path / 'broken.npz'), 'start_epoch': 0}
    with pytest.raises(ConfigError, match=r'broken\.npz: not a file of clusters'):
        train(config(tmp_path / 'work2', images, custom_hooks=[hook]))


@pytest.mark.parametrize('options', [dict(clusters=1), dict(start_epoch=-1), dict(image_px=0)])
def test_impossible_numbers_are_refused(options):
    from usot_plugin.engine import HardNegativeMiningHook

    with pytest.raises(ValueError, match='HardNegativeMiningHook'):
        HardNegativeMiningHook(**{'start_epoch': 1, **options})


def test_unreadable_images_are_in_no_cluster(images, tmp_path):
    folder = write_images(tmp_path / 'images', 6)
    (folder / '02.png').write_text('no image')
    cfg = config(tmp_path / 'work', folder)
    dataset, model = DATASETS.build(cfg.train_dataloader.dataset), MODELS.build(cfg.model).train()
    features, rows = pooled_features(model, dataset, 127, batch_size=4)
    assert rows.tolist() == [0, 1, 3, 4, 5] and features.shape == (5, 16)
    assert model.training and np.isfinite(features).all()


def test_pooled_features_equal_one_image_at_a_time(images, tmp_path):
    cfg = config(tmp_path / 'work', images)
    dataset, model = DATASETS.build(cfg.train_dataloader.dataset), MODELS.build(cfg.model).eval()
    features, _ = pooled_features(model, dataset, 127, batch_size=5)
    image = cv2.resize(cv2.imread(str(images / '03.png')), (127, 127), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        maps = model.extract(
            model.data_preprocessor.normalise(torch.from_numpy(image)[None].movedim(-1, 1))
        )
    torch.testing.assert_close(
        torch.from_numpy(features[3]), maps[0].mean((1, 2)), rtol=1e-4, atol=1e-5
    )


def test_kmeans_finds_clouds_and_repeats():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    truth = rng.permutation(np.repeat(np.arange(4), 50))
    points = centres[truth] + rng.normal(0, 0.5, (200, 2))
    found = cluster_features(points, 4, seed=3)
    assert all(len(set(found[truth == cloud])) == 1 for cloud in range(4)) and len(set(found)) == 4
    assert np.array_equal(found, cluster_features(points, 4, seed=3))


def _train_tool(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    python_path = os.pathsep.join(
        part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part
    )
    env = {
        **os.environ,
        'PYTHONPATH': python_path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
        **environment,
    }
    command = [sys.executable, 'tools/train.py', str(path), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.process
@pytest.mark.slow
def test_killed_second_stage_finishes_as_if_it_had_not_been(whole, images, tmp_path):
    _, first = whole
    work_dir = tmp_path / 'killed'
    path = tmp_path / 'tiny.py'
    workers = {'train_dataloader.num_workers': 1, 'train_dataloader.persistent_workers': True}
    config(work_dir, images, **workers).dump(path)
    killed = _train_tool(path, DIE_AT_ITERATION='3')  # in the second stage, after its first step
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    written = (work_dir / 'clusters.npz').stat().st_mtime_ns
    again = _train_tool(path, '--resume')
    assert again.returncode == 0, again.stderr[-2000:]
    assert (work_dir / 'clusters.npz').stat().st_mtime_ns == written
    assert np.array_equal(
        read_clusters(work_dir / 'clusters.npz')[0], read_clusters(first / 'clusters.npz')[0]
    )
    expected, rows = read_losses(first)[:6], read_losses(work_dir)
    assert [row['iteration'] for row in rows] == [0, 1, 2, 3, 2, 3, 4, 5]
    for row in rows:
        assert row == pytest.approx(expected[int(row['iteration'])], rel=1e-4)


@pytest.mark.process
@pytest.mark.slow
def test_fewer_images_than_clusters_is_one_line(images, tmp_path):
    path = tmp_path / 'tiny.py'
    config(tmp_path / 'work', images, custom_hooks=[{**HOOK, 'clusters': 50}]).dump(path)
    failed = _train_tool(path)
    assert failed.returncode != 0 and 'Traceback' not in failed.stderr
    expected = 'error: HardNegativeMiningHook: 50 clusters of only 12 images; set clusters to fewer'
    assert failed.stderr.splitlines()[-1] == expected
