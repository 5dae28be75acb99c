"""What every rule book has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results import ResultFolder
from usot_plugin.models.trackers.base import Tracker


class Protocol(ABC):
    """Drives any tracker over a sequence, and knows the form of the result files.

    A protocol holds options only; a benchmark's constants are arguments in its config.
    """

    #: The measures that fit what this protocol produces; metrics refuse results of another one.
    name: str
    #: Whether ``run`` is one pass - ``init`` on the first frame, ``update`` on every other one, in order - whose result is its
    #: :class:`~usot_plugin.structures.trajectory.Trajectory`. Such sequences can be tracked side by side as one batch.
    batchable: bool = False

    @abstractmethod
    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> Any:
        """Drive ``tracker`` over ``sequence``; the result is what :meth:`result_folder` writes.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: The tracker cannot start from an annotated box.
        """

    @abstractmethod
    def result_folder(self, path: str | Path) -> ResultFolder:
        """The result files of one tracker under this protocol."""

    @abstractmethod
    def updates_and_seconds(self, result: Any) -> tuple[int, float]:
        """Number of updates in a result of :meth:`run`, and the seconds they took."""
