"""Who tracks which sequence: unfinished ones are spread over processes by their length, longest
first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from mmengine.dist import broadcast_object_list, get_dist_info

from usot_plugin.datasets.benchmarks.sequence import AnnotatedSequence
from usot_plugin.evaluation.results.result_files import ResultFolder


def share_longest_first(lengths: Sequence[int], parts: int) -> list[list[int]]:
    """Spread items so that no part has much more to do than another (longest processing time
    first).

    The next longest item goes to the part with the least so far; the largest part is at most 4/3 of
    the best possible one.

    Args:
        lengths: Of each item, here in frames.
        parts: Number of processes.

    Returns:
        Indices into ``lengths`` of each part, longest first; each index is in exactly one part.

    Reference:
        R. L. Graham, Bounds on multiprocessing timing anomalies, 1969.
    """
    shares: list[list[int]] = [[] for _ in range(parts)]
    loads = [(0, part) for part in range(parts)]
    heapify(loads)
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        load, part = heappop(loads)
        shares[part].append(index)
        heappush(loads, (load + lengths[index], part))
    return shares


def own_share(
    dataset: Sequence[AnnotatedSequence],
    folder: ResultFolder,
    keep_order: bool,
    on_finished: Callable[[str], Any],
) -> list[int]:
    """Indices of the sequences that this process has to track.

    The first process looks through the results and tells the others, so that all of them work from
    one list. Sequences are opened for their number of frames, none is decoded.

    Args:
        dataset: Annotated sequences by index.
        folder: Where results are, or will be.
        keep_order: Leave the sequences in the data set's order where there is only one process.
        on_finished: Called in the first process with the name of each sequence that has a finished
            result.
    """
    rank, processes = get_dist_info()
    plan: list[Any] = [None]
    if rank == 0:
        todo, lengths = [], []
        for index in range(len(dataset)):
            sequence = dataset[index]
            if folder.unfinished_reason(sequence) is None:
                on_finished(sequence.name)
            else:
                todo.append(index)
                lengths.append(len(sequence))
        shares = (
            [list(range(len(todo)))]
            if keep_order and processes == 1
            else share_longest_first(lengths, processes)
        )
        plan = [[[todo[place] for place in share] for share in shares]]
    broadcast_object_list(plan)
    return plan[0][rank]
