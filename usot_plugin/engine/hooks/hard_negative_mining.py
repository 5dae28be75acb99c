"""The second stage of a training: images are clustered by what the network has learnt, and
look-alikes become hard negatives."""

from __future__ import annotations

import hashlib
import json
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from usot_plugin.datasets.hard_negatives import NO_CLUSTER, HardNegativePairs
from usot_plugin.registry import HOOKS
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.checkpoint import weights_digest
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.json_text import parse_json
from usot_plugin.utils.optional import require

from .training_stage import bare_model, walk_datasets


@torch.no_grad()
def pooled_features(
    model: Any, dataset: HardNegativePairs, image_px: int, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Globally averaged features of one image of each track.

    Args:
        model: Has ``extract`` and ``data_preprocessor``; evaluated without changing its mode.
        dataset: Gives the images.
        image_px: They are resized to squares of this side.
        batch_size: Images at a time.

    Returns:
        Features ``(M, C)`` float32 and the rows ``(M,)`` they belong to: tracks whose image cannot
        be read are left out.

    Reference:
        S2SiamFC (ACM MM 2020), Sec. 3.5.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    readable = (
        (row, image)
        for row, image in enumerate(dataset.cluster_images(image_px))
        if image is not None
    )
    rows: list[int] = []
    features: list[np.ndarray] = []
    while batch := list(islice(readable, batch_size)):
        rows += [row for row, _ in batch]
        images = torch.from_numpy(np.stack([image for _, image in batch])).to(device).movedim(-1, 1)
        features.append(
            model.extract(model.data_preprocessor.normalise(images))
            .mean((2, 3))
            .float()
            .cpu()
            .numpy()
        )
    model.train(was_training)
    return np.concatenate(features) if features else np.zeros((0, 1), np.float32), np.array(
        rows, int
    )


def cluster_features(features: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """K-means on the rows of ``(M, C)``: the cluster of each, ``(M,)`` int32."""
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(clusters, random_state=seed, n_init=3, batch_size=1024)
    return means.fit_predict(np.asarray(features, np.float64)).astype(np.int32)


@HOOKS.register_module()
class HardNegativeMiningHook(Hook):
    """Before its start epoch clusters the images of every :class:`HardNegativePairs` of the
    training data, once.

    One command runs both stages. The clusters are kept in a file: a run that is resumed goes on
    with the same ones, a second run with the same images, number of clusters, seed and - in its
    default place - weights uses them again, and so does any run that names the file.

    Args:
        start_epoch: First epoch, counted from 0, with hard negatives.
        clusters: ``K``.
        cluster_file: Where they are kept; ``<work_dir>/clusters.npz`` by default. A file that is
            there is used, if it is of the same images, number of clusters and seed, whatever
            weights it was made with.
        image_px: Images are resized to squares of this side.
        batch_size: Images at a time.
        seed: Of K-means.

    Raises:
        ValueError: Fewer than two clusters, or a negative epoch.

    Reference:
        S2SiamFC (ACM MM 2020), Sec. 3.5: K = 100, 255 px; one frame of each video.
    """

    def __init__(
        self,
        start_epoch: int,
        clusters: int = 100,
        cluster_file: str | Path | None = None,
        image_px: int = 255,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        if clusters < 2 or start_epoch < 0 or image_px < 1 or batch_size < 1:
            raise ValueError(
                f'HardNegativeMiningHook: impossible numbers: {start_epoch=}, {clusters=}, '
                f'{image_px=}, {batch_size=}'
            )
        self.start_epoch, self.clusters, self.cluster_file = start_epoch, clusters, cluster_file
        self.image_px, self.batch_size, self.seed = image_px, batch_size, seed
        self._done = False

    def before_train(self, runner: Runner) -> None:
        """Find out now what would stop the second stage hours later.

        Raises:
            MissingPackageError: scikit-learn is not installed.
            ConfigError: No data set that takes clusters, or fewer images than clusters.
        """
        self._done = False
        require('sklearn', type(self).__name__)
        for dataset in self._datasets(runner):
            if len(dataset.clusters) < self.clusters:
                raise ConfigError(
                    f'HardNegativeMiningHook: {self.clusters} clusters of only '
                    f'{len(dataset.clusters)} images; set clusters to fewer'
                )

    def before_train_epoch(self, runner: Runner) -> None:
        """Cluster, or read the clusters, when the second stage begins or is resumed."""
        if self._done or runner.epoch < self.start_epoch:
            return
        for number, dataset in enumerate(self._datasets(runner)):
            path = self._path(runner, number)
            about = {
                'images': hashlib.sha1(
                    '\n'.join(dataset.track_names()).encode(), usedforsecurity=False
                ).hexdigest(),
                'clusters': self.clusters,
                'seed': self.seed,
            }
            weights = weights_digest(bare_model(runner))
            # After the first step of that epoch the weights are no longer those that the clusters
            # were made with.
            compare = self.cluster_file is None and not self._has_begun(runner)
            if is_main_process() and not self._usable(path, about, weights if compare else None):
                self._make(runner, dataset, path, {**about, 'weights': weights})
            barrier()
            dataset.set_clusters(read_clusters(path)[0])
            sizes = np.bincount(
                dataset.clusters[dataset.clusters != NO_CLUSTER], minlength=self.clusters
            )
            print_log(
                f'epoch {runner.epoch + 1}: hard negatives from {self.clusters} clusters of '
                f'{sizes.sum()} images ({path}; '
                f'sizes {sizes.min()} to {sizes.max()}, median {np.median(sizes):g})',
                logger='current',
            )
        self._done = True

    def _has_begun(self, runner: Runner) -> bool:
        """Whether a step of the second stage has been made."""
        return runner.iter > self.start_epoch * len(runner.train_dataloader)

    def _datasets(self, runner: Runner) -> list[HardNegativePairs]:
        found = [
            part
            for part in walk_datasets(runner.train_dataloader.dataset)
            if isinstance(part, HardNegativePairs)
        ]
        if not found:
            raise ConfigError(
                "HardNegativeMiningHook: no data set of type 'HardNegativePairs' in "
                'train_dataloader'
            )
        return found

    def _path(self, runner: Runner, number: int) -> Path:
        path = (
            Path(self.cluster_file)
            if self.cluster_file is not None
            else Path(runner.work_dir, 'clusters.npz')
        )
        return path if number == 0 else path.with_name(f'{path.stem}_{number}{path.suffix}')

    def _usable(self, path: Path, about: dict[str, Any], weights: str | None) -> bool:
        """Whether a file of clusters is there and is the wanted one.

        Raises:
            ConfigError: The user named a file, and it is of something else.
        """
        if not path.is_file():
            return False
        known = read_clusters(path)[1]
        different = [key for key, value in about.items() if known.get(key) != value]
        if different and self.cluster_file is not None:
            raise ConfigError(
                f'{path}: clusters of other {" and ".join(different)}; name another '
                'cluster_file, or remove this one'
            )
        return not different and weights in (None, known.get('weights'))

    def _make(
        self, runner: Runner, dataset: HardNegativePairs, path: Path, about: dict[str, Any]
    ) -> None:
        if self._has_begun(runner):
            print_log(
                f'{path} is not there: clusters are made anew, with the weights of iteration '
                f'{runner.iter}',
                logger='current',
            )
        features, rows = pooled_features(
            bare_model(runner), dataset, self.image_px, self.batch_size
        )
        if len(rows) < self.clusters:
            raise ConfigError(
                f'HardNegativeMiningHook: {self.clusters} clusters of only {len(rows)} images '
                'that can be read'
            )
        clusters = np.full(len(dataset.clusters), NO_CLUSTER, np.int32)
        clusters[rows] = cluster_features(features, self.clusters, self.seed)
        with whole_file(path) as temporary, temporary.open('wb') as stream:
            np.savez_compressed(stream, clusters=clusters, about=np.array(json.dumps(about)))


def read_clusters(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Clusters ``(N,)`` int32 and what they were made of.

    Raises:
        ConfigError: The file is none of this hook's.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            return content['clusters'], parse_json(str(content['about']))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f'{path}: not a file of clusters ({type(error).__name__}); remove it to make it anew'
        ) from error
