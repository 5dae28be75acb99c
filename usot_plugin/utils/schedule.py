"""Values that change with the epoch."""

from __future__ import annotations

from collections.abc import Sequence


def value_at(schedule: float | Sequence[tuple[int, float]], epoch: int) -> float:
    """A constant, or the value of the latest step that has begun.

    Args:
        schedule: A number, or ``(first epoch, value)`` pairs in rising order, epochs counted from
            0; the first pair starts at 0.
        epoch: Current epoch, counted from 0.

    Raises:
        ValueError: The pairs do not start at epoch 0 or do not rise.
    """
    if isinstance(schedule, (int, float)):
        return float(schedule)
    epochs = [step for step, _ in schedule]
    if not epochs or epochs[0] != 0 or epochs != sorted(set(epochs)):
        raise ValueError(
            f'a schedule is (first epoch, value) pairs from epoch 0 upwards, got {list(schedule)}'
        )
    return [value for step, value in schedule if step <= epoch][-1]
