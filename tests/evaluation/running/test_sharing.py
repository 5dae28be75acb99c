"""Sequences are spread over processes by length: everything is done once, nobody waits long."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from usot_plugin.datasets.benchmarks import SequenceFolderDataset
from usot_plugin.evaluation import OPE, OnePassResults, run_sequences
from usot_plugin.evaluation.running.sharing import own_share, share_longest_first
from usot_plugin.tracking import StandStill


def test_longest_first_by_hand():
    assert share_longest_first([3, 9, 4, 5], 2) == [[1, 0], [3, 2]]
    assert share_longest_first([5, 5, 5], 1) == [[0, 1, 2]]
    assert share_longest_first([], 3) == [[], [], []]
    assert share_longest_first([7], 3) == [[0], [], []]


@pytest.mark.parametrize('parts', [1, 2, 3])
def test_each_once_and_within_the_bound_of_the_best_split(parts):
    random = np.random.default_rng(parts)
    for _ in range(20):
        lengths = random.integers(1, 100, 7).tolist()
        shares = share_longest_first(lengths, parts)
        assert sorted(index for share in shares for index in share) == list(range(7))
        assert all(
            lengths[a] >= lengths[b]
            for share in shares
            for a, b in zip(share, share[1:], strict=False)
        )
        splits = [
            np.bincount(split, weights=lengths, minlength=parts).max()
            for split in product(range(parts), repeat=7)
        ]
        best = min(splits)
        assert (
            max(sum(lengths[index] for index in share) for share in shares)
            <= best * (4 / 3 - 1 / (3 * parts)) + 1e-9
        )


def test_share_of_the_only_process(tmp_path):
    dataset, folder = (
        SequenceFolderDataset(write_benchmark(tmp_path / 'data')),
        OnePassResults(tmp_path / 'out'),
    )
    seen: list[str] = []
    assert own_share(dataset, folder, True, seen.append) == [0, 1, 2] and not seen
    assert (
        own_share(dataset, folder, False, seen.append) == [2, 1, 0] and not seen
    )  # c is the longest
    run_sequences(StandStill(), OPE(), [dataset[1]], folder)
    assert own_share(dataset, folder, True, seen.append) == [0, 2] and seen == ['b']
