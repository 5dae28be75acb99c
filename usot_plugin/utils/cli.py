"""What command-line tools have in common: exit statuses, errors of one line, how much is said."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NoReturn

from .atomic import NO_ROOM, write_cause
from .host import tool_log
from .names import shown_name
from .optional import as_missing_package
from .worker_pool import loader_death

FINE = 0
#: A part of the input could not be used; each part is named on stderr.
PARTIAL = 1
#: The user can mend it: refused at the start, or stopped (a full disk); finished parts stay.
USER_ERROR = 2
INTERRUPTED = 130
#: The rule for all tools; docs/usage.md says the same.
STATUSES = {FINE: 'done', PARTIAL: 'done in part, the rest is named', USER_ERROR: 'refused'}
#: A name in a message is cut to this many characters.
LONGEST_NAME = 200


class Output(Enum):
    """How much a tool says."""

    QUIET = 'quiet'
    NORMAL = 'normal'
    VERBOSE = 'verbose'


#: Of the tool that runs in this process; None where there is none, as in a script of the user.
_output: Output | None = None


def output() -> Output | None:
    """How much the running tool says; None where no tool runs."""
    return _output


def note(text: str) -> None:
    """Say on stderr what is going on, unless the running tool is quiet."""
    if _output is not Output.QUIET:
        print(text, file=sys.stderr, flush=True)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """``--quiet`` and ``--verbose``, which every tool has."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument('--quiet', action='store_true', help='only the result, warnings and errors')
    group.add_argument(
        '--verbose',
        action='store_true',
        help='everything: the whole log of the host, and where in the code a run was refused',
    )


class OneLineParser(argparse.ArgumentParser):
    """The parser of every tool.

    Its errors are one line, without the usage; it has ``--quiet`` and ``--verbose``; it answers
    the shell's request for completions.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        add_output_options(self)

    def parse_known_args(self, args=None, namespace=None):
        """As in argparse; for completions the process ends here."""
        global _output
        if '_ARGCOMPLETE' in os.environ:
            import argcomplete

            argcomplete.autocomplete(self)
        parsed, rest = super().parse_known_args(args, namespace)
        if parsed.quiet:
            _output = Output.QUIET
        else:
            _output = Output.VERBOSE if parsed.verbose else Output.NORMAL
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f'error: {message} (see --help)\n')


def add_launcher_options(parser: argparse.ArgumentParser) -> None:
    """How the processes of a distributed run were started."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='how the processes were started',
    )
    parser.add_argument(
        '--local-rank', '--local_rank', type=int, default=0, help='set by older launchers'
    )


def tool_parser(
    description: str | None, statuses: Mapping[int, str] | None = None
) -> OneLineParser:
    """The parser of a tool.

    Args:
        description: The tool's ``__doc__``, shown as it is.
        statuses: What exit statuses mean for this tool, for the end of ``--help``.
    """
    meanings = {**STATUSES, **(statuses or {})}
    epilog = 'exit status: ' + '; '.join(f'{key} = {text}' for key, text in meanings.items())
    return OneLineParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=epilog
    )


def exit_status(
    run: Callable[[], int | None],
    mendable: tuple[type[BaseException], ...] = (),
    where: object = '',
    interrupted: str = 'interrupted',
    going_on: Callable[[], str] = str,
) -> int:
    """Run a tool; what the user can mend ends in one line on stderr.

    Args:
        run: The tool; returns its exit status, None for 0.
        mendable: Errors whose message is all that the user needs; a ``ValueError`` (a config error
            is one) and an ``OSError`` always are.
        where: What to name for an ``OSError`` that names no file.
        interrupted: What to say after Ctrl-C.
        going_on: Gives what to say of going on where a run was stopped from outside (a full disk, a
            loader process that died, Ctrl-C), the empty text for nothing.

    Returns:
        The exit status: what ``run`` returned, :data:`USER_ERROR`, or :data:`INTERRUPTED`.
    """
    global _output
    print_any_name()
    try:
        if _output in (Output.QUIET, Output.NORMAL):
            with tool_log(only_results=_output is Output.QUIET):
                return run() or FINE
        return run() or FINE
    except KeyboardInterrupt:
        return _stop(INTERRUPTED, _and(interrupted, going_on()))
    except Exception as error:
        message, from_outside = _in_one_line(error, mendable, where)
        if message is None:
            raise
        return _stop(USER_ERROR, _and(message, going_on() if from_outside else ''))
    finally:
        _output = None


def _in_one_line(
    error: Exception, mendable: tuple[type[BaseException], ...], where: object
) -> tuple[str | None, bool]:
    """The line for an error, None for a fault of the program; and whether it came from outside."""
    if isinstance(error, UnicodeEncodeError):
        # a file name in bytes that are not UTF-8, where only text can be written
        name = shown_name(error.object)[:LONGEST_NAME]
        return f'{name}: the name is not UTF-8; rename the file', False
    text = str(error).strip()
    if text.startswith('Caught ') and 'Original Traceback' in text:
        # Of a loader process: its traceback, and its class before the message.
        text = re.sub(r'^[\w.]+Error: ', '', text.splitlines()[-1])
    death = loader_death(error)
    if death is not None or hasattr(error, 'from_outside'):
        return death or text, True
    if isinstance(error, (ValueError, *mendable)):
        return ' '.join(text.split()), False
    if isinstance(error, OSError):
        path = error.filename or where
        if error.errno in NO_ROOM:
            cause = write_cause(error, path)
            return f'{path}: cannot be written ({cause})' if path else cause, True
        return f'{path or type(error).__name__}: {error.strerror or text}', False
    if isinstance(error, ImportError):
        missing = as_missing_package(error, os.path.basename(sys.argv[0]))
        return None if missing is None else str(missing), False
    return None, False


def _and(message: str, more: str) -> str:
    return f'{message}; {more}' if more else message


def print_any_name() -> None:
    """Let names that are not UTF-8 be printed, their odd bytes escaped, instead of ending the
    tool."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def _stop(status: int, message: str) -> int:
    if _output is Output.VERBOSE:
        traceback.print_exc()
    print(f'error: {message}', file=sys.stderr)
    return status
