"""What a process needs that was forked from one that has computed already."""

from __future__ import annotations

import os
from functools import cache

import torch


@cache
def use_one_thread_after_fork() -> None:
    """Let PyTorch compute in one thread in every process that is forked from now on.

    OpenMP's threads do not live on in a forked process, and its first larger sum would wait for
    them forever. Processes that are spawned, or forked by a server, have threads of their own.
    """
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
