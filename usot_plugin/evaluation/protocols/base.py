"""What every rule book has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.result_files import ResultFolder
from usot_plugin.structures.trajectory import Trajectory
from usot_plugin.tracking.base import Tracker


class Protocol(ABC):
    """Drives any tracker over a sequence, and knows the form of the result files.

    A protocol holds options only; a benchmark's constants are arguments in its config.
    """

    #: The measures that fit what this protocol produces; metrics refuse results of another one.
    name: str
    #: Whether ``run`` of a tracker that is not stochastic is one pass: ``init`` on the first frame,
    #: ``update`` on each other one, in turn. Such sequences can be tracked side by side as one
    #: batch.
    batchable: bool = False

    @abstractmethod
    def run(self, tracker: Tracker, sequence: AnnotatedSequence) -> Any:
        """Drive ``tracker`` over ``sequence``; the result is what :meth:`result_folder` writes.

        Raises:
            ClipError: A frame cannot be decoded.
            ValueError: The tracker cannot start from an annotated box.
        """

    def from_pass(self, trajectory: Trajectory) -> Any:
        """The result of :meth:`run`, made from the trajectory of one pass; for protocols that are
        :attr:`batchable`."""
        return trajectory

    @abstractmethod
    def result_folder(self, path: str | Path) -> ResultFolder:
        """The result files of one tracker under this protocol."""

    @abstractmethod
    def updates_and_seconds(self, result: Any) -> tuple[int, float]:
        """Number of updates in a result of :meth:`run`, and the seconds they took."""
