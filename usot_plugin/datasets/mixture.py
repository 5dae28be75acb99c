"""Several training sets, each with its number of samples an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset

from ..registry import DATASETS
from .pseudo_box_dataset import PseudoBoxDataset


@DATASETS.register_module()
class QuotaMixture(ConcatDataset):
    """Data sets one after another, each of the wanted length; a shuffling sampler mixes them.

    Within its quota a set visits all its tracks before any comes again, across epochs: a quota may be smaller or larger than the set.

    Args:
        datasets: :class:`PseudoBoxDataset` instances or configs.
        quotas: Samples of each an epoch (USOT release: VID 14000, GOT-10k 19000, LaSOT 13000, YouTube-VOS 4000); by default their own
            lengths.
        lazy_init: Load the data sets when first used.

    Raises:
        ValueError: Another number of quotas than of data sets, or a quota below 1.
        TypeError: A part is no :class:`PseudoBoxDataset`.
    """

    datasets: list[PseudoBoxDataset]

    def __init__(
        self, datasets: Sequence[PseudoBoxDataset | dict[str, Any]], quotas: Sequence[int] | None = None, lazy_init: bool = False
    ) -> None:
        if quotas is not None and (len(quotas) != len(datasets) or min(quotas) < 1):
            raise ValueError(f'QuotaMixture: {len(datasets)} data sets need as many positive quotas, got {list(quotas)}')
        super().__init__(datasets, lazy_init=True)
        for number, dataset in enumerate(self.datasets):
            if not isinstance(dataset, PseudoBoxDataset):
                raise TypeError(f'QuotaMixture mixes PseudoBoxDataset, got {type(dataset).__name__}')
            dataset.stream = number
            if quotas is not None:
                dataset.samples_per_epoch = quotas[number]
        if not lazy_init:
            self.full_init()

    def set_epoch(self, epoch: int) -> None:
        """Forward the epoch to every part."""
        for dataset in self.datasets:
            dataset.set_epoch(epoch)

    def set_stage(self, stage: str) -> None:
        """Forward the stage to every part."""
        for dataset in self.datasets:
            dataset.set_stage(stage)
