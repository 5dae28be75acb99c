"""What every benchmark has in common: named sequences that are loaded one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from usot_plugin.utils.names import path_below

from .sequence import AnnotatedSequence


class BenchmarkDataset(Dataset, ABC):
    """Annotated sequences of one benchmark; item ``i`` is an :class:`AnnotatedSequence`, opened
    when asked for.

    A subclass says where its files lie (:meth:`find_names`, :meth:`load`) and states its
    leaderboard's conventions in ``METAINFO``.

    Args:
        data_root: Folder of the benchmark.
        sequences: Names to keep, in this order; all by default.
        metainfo: Entries that replace those of ``METAINFO``.

    Raises:
        ValueError: A wanted sequence is not there, there is none at all, or a name leads out of a
            folder.
    """

    #: ``dataset_name`` for reports, ``convention``: key of
    #: :data:`usot_plugin.evaluation.functional.CONVENTIONS`.
    METAINFO: dict[str, Any] = {}

    def __init__(
        self,
        data_root: str | Path,
        sequences: Sequence[str] | None = None,
        metainfo: dict[str, Any] | None = None,
    ) -> None:
        self.data_root = Path(data_root)
        self.metainfo = {**self.METAINFO, **(metainfo or {})}
        found = self.find_names()
        self.names = (
            found if sequences is None else [self._known(name, found) for name in sequences]
        )
        for name in self.names:  # results are written under these names
            path_below(self.data_root, name, f'{self.data_root}: sequence')
        if not self.names:
            raise ValueError(f'{self.data_root}: no sequence found')

    @abstractmethod
    def find_names(self) -> list[str]:
        """Names of all sequences under ``data_root``, in the benchmark's order."""

    @abstractmethod
    def load(self, name: str) -> AnnotatedSequence:
        """One sequence by its name.

        Raises:
            AnnotationError: Annotation missing, malformed or not fitting the frames.
            ClipError: Frames missing or unreadable.
        """

    def _known(self, name: str, found: list[str]) -> str:
        if name not in found:
            near = get_close_matches(name, found, 1)
            raise ValueError(
                f'{self.data_root}: no sequence {name!r}'
                + (f', did you mean {near[0]!r}?' if near else f' among {len(found)}')
            )
        return name

    def checks(self, name: str) -> list[Callable[[], object]]:
        """Independent checks of one sequence; each raises an error of :meth:`load` for what it
        finds. For ``tools/check_dataset.py``."""
        return [lambda: self.load(name)]

    def full_init(self) -> None:
        """Open every sequence once, so that a broken one is reported before any tracking starts.

        MMEngine's Runner calls this."""
        for name in self.names:
            self.load(name)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> AnnotatedSequence:
        return self.load(self.names[index])
