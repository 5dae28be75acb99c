"""Checks in a process of their own, so that one which crashes or hangs is a result like any
other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from usot_plugin.utils.worker_pool import end_with_parent

#: A process that starts has so many seconds to import what it needs.
START_S = 120.0


class NotHereError(RuntimeError):
    """The check does not fit this machine; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What a check has found.

    Args:
        result: ``'ok'``, ``'differs by ...'``, ``'skipped: ...'`` or ``'failed: ...'``; one line.
        number: Behind it: a difference, a speed.
        unit: Of the number; nothing for a relative difference.
        detail: What else is worth reading.
    """

    result: str
    number: float | None = None
    unit: str = ''
    detail: str = ''


def agreement(difference: float, bound: float, unit: str = '', detail: str = '') -> Outcome:
    """``'ok'`` up to a bound, ``'differs by ...'`` beyond it and for nan."""
    result = 'ok' if difference <= bound else f'differs by {difference:.2g}{unit and " " + unit}'
    return Outcome(result, difference, unit, detail)


Checks = Mapping[str, Callable[[], Outcome]]


def serve(connection: Connection, build: Callable[[], Checks], log: str) -> None:
    """The process of the checks: a name comes in, an outcome goes back; None says that it is ready.

    Args:
        connection: To the process that asks.
        build: Makes the checks; called here.
        log: File that everything printed here goes to.
    """
    os.setsid()  # what a check has started can then be ended with it
    end_with_parent(whole_group=True)
    with open(log, 'a', encoding='utf-8') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    checks = build()
    connection.send(None)
    while True:
        try:
            name = connection.recv()
        except EOFError:
            return
        print(f'== {name}', flush=True)
        try:
            outcome = checks[name]()
        except NotHereError as error:
            outcome = Outcome(f'skipped: {error}')
        except Exception as error:  # whatever a check runs into is its result
            traceback.print_exc()
            outcome = Outcome(
                f'failed: {type(error).__name__}: {" ".join(str(error).split())[:200]}'
            )
        print(outcome, flush=True)
        connection.send(outcome)


class Worker:
    """Runs checks by name in a process of :func:`serve`, which is started when it is needed and
    anew where it was lost.

    Args:
        build: Makes the checks; has to be picklable.
        log: File that the process prints to.
    """

    def __init__(self, build: Callable[[], Checks], log: str | Path) -> None:
        self.build, self.log = build, str(log)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, name: str, limit_s: float) -> Outcome:
        """The outcome of a check; it is ended after ``limit_s`` seconds, the start of the process
        not counted."""
        try:
            connection = self._connection or self._start()
            connection.send(name)
            if connection.poll(limit_s):
                return connection.recv()
            problem = f'no result within {limit_s:.0f} s'
        except (EOFError, BrokenPipeError, ConnectionResetError):
            problem = f'the process ended with status {self._exit_status()}'
        self.close(patience_s=0)
        return Outcome(f'failed: {problem}')

    def _start(self) -> Connection:
        context = multiprocessing.get_context('spawn')
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, self.build, self.log))
        self._process.start()
        other.close()
        if not self._connection.poll(START_S):
            raise EOFError
        self._connection.recv()
        return self._connection

    def _exit_status(self) -> int | None:
        assert self._process is not None
        self._process.join(10)
        return self._process.exitcode

    def close(self, patience_s: float = 10.0) -> None:
        """End the process and everything that it has started.

        Args:
            patience_s: So long it may take to end by itself.
        """
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.pid is not None:
            self._process.join(patience_s)
            if self._process.is_alive():  # it may have no group of its own yet
                self._process.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.join(10)
        self._process = self._connection = None
