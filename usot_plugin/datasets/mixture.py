"""Several training sets, each with its number of samples an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import ConcatDataset

from ..registry import DATASETS, TASK_UTILS
from .boxes.annotated_boxes import AnnotatedBoxes
from .coco_video import CocoVIDDataset
from .pseudo_box_dataset import BOX_SOURCES, PseudoBoxDataset


def _option(part: Any, name: str) -> Any:
    """An argument of a data set, of which there is a config or the data set itself."""
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def _dataset_kind(part: Any) -> type:
    kind = part.get('type') if isinstance(part, Mapping) else type(part)
    return (DATASETS.get(kind) if isinstance(kind, str) else kind) or object


def is_annotated(part: Any) -> bool | None:
    """Whether the boxes of a data set, or of its config, are labels; None where a
    :class:`CocoVIDDataset` does not say it."""
    if issubclass(_dataset_kind(part), CocoVIDDataset):
        return _option(part, 'annotated')
    source = _option(part, 'box_source')
    kind = source.get('type') if isinstance(source, Mapping) else source
    if isinstance(kind, str):
        kind = TASK_UTILS.get(BOX_SOURCES.get(kind, kind))
    return isinstance(kind, AnnotatedBoxes) or (
        isinstance(kind, type) and issubclass(kind, AnnotatedBoxes)
    )


def with_label_share(part: Any, label_share: float, label_seed: int) -> Any:
    """An annotated part that uses only a share of its sequences.

    Raises:
        ValueError: It can use all of them alone: it is no config with the name or config of its box
            source, or a :class:`CocoVIDDataset`.
    """
    source = _option(part, 'box_source')
    if not isinstance(part, Mapping) or not isinstance(source, str | Mapping):
        if label_share == 1:
            return part
        raise ValueError(
            f'QuotaMixture: label_share={label_share} of {_dataset_kind(part).__name__} cannot '
            'be taken: only of a config with box_source='
            "'annotated' (or its like); of others all labels are used (1) or none (0)"
        )
    source = {'type': BOX_SOURCES[source]} if isinstance(source, str) else dict(source)
    return {**part, 'box_source': {**source, 'label_share': label_share, 'label_seed': label_seed}}


def hand_on(quotas: Sequence[int], dropped: Sequence[bool]) -> list[int]:
    """Quotas after some parts were dropped: the others take theirs over in proportion, and the sum
    stays.

    Raises:
        ValueError: Nothing is left that could take them over.
    """
    kept = np.array(
        [0 if gone else quota for quota, gone in zip(quotas, dropped, strict=True)], float
    )
    if not kept.any():
        raise ValueError(
            'QuotaMixture: without its annotated parts nothing is left to draw from (quotas '
            f'{list(quotas)})'
        )
    ends = np.round(np.cumsum(kept) / kept.sum() * sum(quotas)).astype(int)
    return np.diff(ends, prepend=0).tolist()


@DATASETS.register_module()
class QuotaMixture(ConcatDataset):
    """Data sets one after another, each of the wanted length; a shuffling sampler mixes them.

    Within its quota a set visits all its tracks before any comes again, across epochs: a quota may
    be smaller or larger than the set.

    Args:
        datasets: :class:`PseudoBoxDataset` instances or configs.
        quotas: Samples of each an epoch (USOT release: VID 14000, GOT-10k 19000, LaSOT 13000,
            YouTube-VOS 4000); by default their own lengths. A part with quota 0 is left out and its
            files are not looked for, so that one key says what a run learns from.
        lazy_init: Load the data sets when first used.
        label_share: Share of the sequences of annotated parts that count as labelled, 0 to 1. At 0
            those parts are left out and the others take over their quotas. None leaves the parts as
            they are configured. Parts are annotated by their box source; a :class:`CocoVIDDataset`,
            whose file may hold labels or exported pseudo boxes, says it by ``annotated``, and is
            used whole.
        label_seed: Which sequences these are; a smaller share is part of a larger one.

    Raises:
        ValueError: Another number of quotas than of data sets, a negative quota, none above 0,
            ``label_share`` outside [0, 1], no annotated part that it could mean, or one of which no
            share can be taken.
        TypeError: A part is no :class:`PseudoBoxDataset`.
    """

    datasets: list[PseudoBoxDataset]

    def __init__(
        self,
        datasets: Sequence[PseudoBoxDataset | dict[str, Any]],
        quotas: Sequence[int] | None = None,
        lazy_init: bool = False,
        label_share: float | None = None,
        label_seed: int = 0,
    ) -> None:
        if quotas is not None and (
            len(quotas) != len(datasets) or min(quotas) < 0 or not any(quotas)
        ):
            raise ValueError(
                f'QuotaMixture: {len(datasets)} data sets need as many quotas, one of them above '
                f'0, got {list(quotas)}'
            )
        parts = list(datasets)
        if label_share is not None:
            parts, quotas = self._share_labels(parts, quotas, label_share, label_seed)
        numbers = [number for number in range(len(parts)) if quotas is None or quotas[number]]
        super().__init__([parts[number] for number in numbers], lazy_init=True)
        for number, dataset in zip(numbers, self.datasets, strict=True):
            if not isinstance(dataset, PseudoBoxDataset):
                raise TypeError(
                    f'QuotaMixture mixes PseudoBoxDataset, got {type(dataset).__name__}'
                )
            dataset.stream = number
            if quotas is not None:
                dataset.samples_per_epoch = quotas[number]
        if not lazy_init:
            self.full_init()

    @staticmethod
    def _share_labels(
        parts: list, quotas: Sequence[int] | None, label_share: float, label_seed: int
    ) -> tuple[list, Sequence[int] | None]:
        if not 0 <= label_share <= 1:
            raise ValueError(
                f'QuotaMixture: label_share must be between 0 and 1, got {label_share}'
            )
        annotated = [is_annotated(part) for part in parts]
        if None in annotated:
            where = (
                f'part {annotated.index(None)} '
                f'({_dataset_kind(parts[annotated.index(None)]).__name__})'
            )
            raise ValueError(
                f'QuotaMixture: label_share is given, and {where} does not say whether its boxes '
                'are labels: annotated=True, or '
                'annotated=False for exported pseudo boxes'
            )
        if not any(annotated):
            raise ValueError(
                'QuotaMixture: label_share is given, and no part has labels '
                "(box_source='annotated', or annotated=True)"
            )
        if label_share > 0:
            return [
                with_label_share(p, label_share, label_seed) if own else p
                for p, own in zip(parts, annotated, strict=True)
            ], quotas
        if quotas is None:
            return [
                part for part, labelled in zip(parts, annotated, strict=True) if not labelled
            ], None
        return parts, hand_on(quotas, [bool(own) for own in annotated])

    def set_epoch(self, epoch: int) -> None:
        """Forward the epoch to every part."""
        for dataset in self.datasets:
            dataset.set_epoch(epoch)

    def set_stage(self, stage: str) -> None:
        """Forward the stage to every part."""
        for dataset in self.datasets:
            dataset.set_stage(stage)
