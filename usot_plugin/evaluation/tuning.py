"""What a search for hyper-parameters may look at, and between which values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usot_plugin.evaluation.reports.published import is_benchmark
from usot_plugin.utils.config import nearest

#: Subsets that no leaderboard is made of, by class of the data set. A data set may say
#: ``tuning_allowed`` in its ``metainfo`` instead.
TUNING_SUBSETS = {
    'GOT10kDataset': ('train', 'val'),
    'LaSOTDataset': ('train',),
    'TrackingNetDataset': ('train',),
    'DAVISDataset': ('2016_train', '2017_train'),
}


@dataclass(frozen=True)
class Range:
    """Values that one option may take.

    Attributes:
        low: Smallest.
        high: Largest.
        whole: Whole numbers only.
    """

    low: float
    high: float
    whole: bool = False


#: Options of on-line tracking: window influence, penalty, learning rate, weight ``w`` and length
#: ``N_q`` of the memory.
SPACE = {
    'window_influence': Range(0.1, 0.6),
    'penalty_k': Range(0.0, 0.2),
    'size_lr': Range(0.2, 0.9),
    'memory_weight': Range(0.3, 0.9),
    'memory_size': Range(5, 9, whole=True),
}


def search_space(tracker_class: Any, asked: Sequence[str] | None = None) -> dict[str, Range]:
    """What is searched for one kind of tracker.

    Args:
        tracker_class: Its constructor says which options there are.
        asked: ``'option=low:high'`` each; whole numbers on both sides search whole numbers. By
            default those of :data:`SPACE` that the tracker has.

    Raises:
        ValueError: A range cannot be read, or the tracker has no such option, or none of
            :data:`SPACE`.
    """
    options = inspect.signature(tracker_class).parameters
    if not asked:
        space = {name: values for name, values in SPACE.items() if name in options}
        if not space:
            raise ValueError(
                f'{tracker_class.__name__} has none of the options {", ".join(SPACE)}; name some '
                'with --space'
            )
        return space
    space = {}
    for text in asked:
        name, _, limits = text.partition('=')
        if name not in options:
            raise ValueError(
                f'--space {text}: {tracker_class.__name__} has no option '
                f'{name!r}{nearest(name, options)}'
            )
        low, _, high = limits.partition(':')
        try:
            space[name] = Range(
                float(low), float(high), whole=not any(mark in limits for mark in '.e')
            )
        except ValueError as error:
            raise ValueError(f'--space {text}: expected option=low:high') from error
        if not space[name].low < space[name].high:
            raise ValueError(f'--space {text}: {low} is not below {high}')
    return space


def reported_split_reason(dataset: Any) -> str | None:
    """Why a data set must not be tuned on, in words; None where it may.

    Args:
        dataset: A benchmark's data set, or a folder of sequences.
    """
    metainfo: Mapping[str, Any] = getattr(dataset, 'metainfo', {})
    if 'tuning_allowed' in metainfo:
        return (
            None
            if metainfo['tuning_allowed']
            else f'{metainfo.get("dataset_name", type(dataset).__name__)} says so itself'
        )
    name = str(metainfo.get('dataset_name', ''))
    kind = type(dataset).__name__
    if kind != 'SequenceFolderDataset':
        subset = getattr(dataset, 'subset', None)
        allowed = TUNING_SUBSETS.get(kind, ())
        return None if subset in allowed else f'{name or kind} is what papers report on'
    return f'the folder is called like the benchmark {name}' if is_benchmark(name) else None


def choose_sequences(
    names: Sequence[str],
    listed: str | Path | None = None,
    every: int = 1,
    offset: int = 0,
    only: Sequence[str] | None = None,
) -> list[str]:
    """The sequences to tune on.

    Args:
        names: All there are.
        listed: File with a name on each line.
        every: Keep one of so many, counted over ``names``.
        offset: Number of the first one that is kept, from 0.
        only: Names.

    Raises:
        ValueError: The list cannot be read or names an unknown sequence, or nothing is left.
    """
    wanted = list(only or ())
    if listed is not None:
        try:
            wanted += [
                line.strip()
                for line in Path(listed).read_text(encoding='utf-8').splitlines()
                if line.strip()
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f'{listed}: cannot be read as a list of sequences ({error})'
            ) from error
    for name in wanted:
        if name not in names:
            raise ValueError(
                f'no sequence {name!r}{nearest(name, names) or f" among {len(names)}"}'
            )
    if every < 1 or not 0 <= offset < every:
        raise ValueError(
            f'--every has to be at least 1 and --offset below it, got {every} and {offset}'
        )
    chosen = [name for name in names[offset::every] if not wanted or name in wanted]
    if not chosen:
        raise ValueError('no sequence is left to tune on')
    return chosen
