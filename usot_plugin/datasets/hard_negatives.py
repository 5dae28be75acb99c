"""Pairs whose search area comes from another image that looks alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.logging import print_log

from ..registry import DATASETS
from ..structures.clip import ClipError
from .pseudo_box_dataset import PseudoBoxDataset
from .samplers.frame_samplers import NoFrameError

#: Cluster of a track whose image could not be read, or of every track before there are clusters.
NO_CLUSTER = -1


@DATASETS.register_module()
class HardNegativePairs(PseudoBoxDataset):
    """:class:`PseudoBoxDataset` in which some search areas belong to another track of the same
    cluster.

    Before :meth:`set_clusters` it gives what its base gives. After that, a share of the groups
    takes its search view from another track of the template's cluster; the sample's
    ``search_box_xyxy`` is nan, which labels every cell negative. Clusters live in shared memory,
    where running workers see them.

    Args:
        negative_share: Probability that a group is a hard negative; one whose track has no fellow
            in its cluster stays positive.
        **kwargs: As for :class:`PseudoBoxDataset`; the frame sampler gives a view 'search'.

    Raises:
        ValueError: ``negative_share`` is no probability, or there is no view 'search'.

    Reference:
        S2SiamFC (ACM MM 2020), Sec. 3.5; the share of 20 % comes from its published code.
    """

    def __init__(self, negative_share: float = 0.2, **kwargs: Any) -> None:
        if not 0 <= negative_share <= 1:
            raise ValueError(f'negative_share is a probability, got {negative_share}')
        self.negative_share = negative_share
        super().__init__(**kwargs)
        if 'search' not in self.frame_sampler.view_names:
            raise ValueError(
                "HardNegativePairs: the frame sampler gives no view 'search', only "
                f'{list(self.frame_sampler.view_names)}'
            )

    def load_data_list(self) -> list[dict]:
        """As in the base; room for a cluster of each track is made here."""
        entries = super().load_data_list()
        self._clusters = torch.full((len(entries),), NO_CLUSTER, dtype=torch.int32).share_memory_()
        return entries

    @property
    def clusters(self) -> np.ndarray:
        """Cluster ``(N,)`` int32 of each track of the box source."""
        return self._clusters.numpy()

    def set_clusters(self, clusters: np.ndarray) -> None:
        """Draw hard negatives from these clusters from now on, in running workers too.

        Raises:
            ValueError: Not one cluster for each track.
        """
        if np.shape(clusters) != self.clusters.shape:
            raise ValueError(
                f'{len(self.clusters)} tracks need as many clusters, got shape {np.shape(clusters)}'
            )
        self.clusters[:] = clusters

    def track_names(self) -> Iterator[str]:
        """Name of each track, in order: what a file of clusters belongs to."""
        for row in range(len(self.source)):
            track = self.source.track(row)
            yield f'{track.clip}#{track.object_id}'

    def cluster_images(self, size_px: int) -> Iterator[np.ndarray | None]:
        """One image of each track in order, its middle usable frame resized to a square,
        ``(size_px, size_px, 3)`` uint8.

        None stands for an image that cannot be read; it is named in the log.
        """
        for row in range(len(self.source)):
            try:
                track = self._reader.complete(self.source.track(row))
                usable = track.usable_frames()
                if not len(usable):
                    raise NoFrameError(f'{track.clip}: no usable frame')
                index = int(usable[len(usable) // 2])
                box = np.zeros(4) if track.boxes_xyxy is None else track.box(index)
                image = self._reader.view(track, index, box).image
            except (ClipError, NoFrameError) as error:
                print_log(f'not in any cluster: {error}', logger='current')
                yield None
            else:
                yield cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA)

    def _group(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        group = super()._group(row, rng)
        other = self._fellow(row, rng)
        if other is None:
            return group
        theirs = super()._group(other, rng)
        views = {**group['views'], 'search': theirs['views']['search']}
        return {
            **group,
            'clip': f'{group["clip"]} against {theirs["clip"]}',
            'views': views,
            'absent_views': ('search',),
        }

    def _fellow(self, row: int, rng: np.random.Generator) -> int | None:
        """Another track of the same cluster, for a share of the groups."""
        cluster = self.clusters[row]
        if cluster == NO_CLUSTER or rng.random() >= self.negative_share:
            return None
        fellows = np.flatnonzero(self.clusters == cluster)
        fellows = fellows[fellows != row]
        return int(rng.choice(fellows)) if len(fellows) else None
