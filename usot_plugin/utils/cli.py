"""What command-line tools have in common: one line for what the user can mend, and an exit
status."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from .names import shown_name
from .optional import as_missing_package

FINE = 0
#: Exit status where a part of the input could not be used; each part is named on stderr.
PARTIAL = 1
#: Exit status for everything that the user can mend.
USER_ERROR = 2
INTERRUPTED = 130
#: A name in a message is cut to this many characters.
LONGEST_NAME = 200


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage, and that answers the shell's
    request for completions."""

    def parse_known_args(self, args=None, namespace=None):
        """As in argparse; for completions the process ends here."""
        if '_ARGCOMPLETE' in os.environ:
            import argcomplete

            argcomplete.autocomplete(self)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f'error: {message} (see --help)\n')


def tool_parser(
    description: str | None, statuses: Mapping[int, str] | None = None
) -> OneLineParser:
    """The parser of a tool.

    Args:
        description: The tool's ``__doc__``, shown as it is.
        statuses: What each exit status means, for the end of ``--help``.
    """
    epilog = (
        'exit code: ' + '; '.join(f'{status} = {meaning}' for status, meaning in statuses.items())
        if statuses
        else None
    )
    return OneLineParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=epilog
    )


def exit_status(
    run: Callable[[], int | None],
    mendable: tuple[type[BaseException], ...] = (),
    where: object = '',
    interrupted: str = 'interrupted',
) -> int:
    """Run a tool; what the user can mend ends in one line on stderr.

    Args:
        run: The tool; returns its exit status, None for 0.
        mendable: Errors whose message is all that the user needs; a ``ValueError`` (a config error
            is one) and an ``OSError`` always are.
        where: What to name for an ``OSError`` that names no file.
        interrupted: What to say after Ctrl-C.

    Returns:
        The exit status: what ``run`` returned, :data:`USER_ERROR`, or :data:`INTERRUPTED`.
    """
    known: tuple[type[BaseException], ...] = (ValueError, *mendable)
    print_any_name()
    try:
        return run() or FINE
    except UnicodeEncodeError as error:
        # A file name in bytes that are not UTF-8, where only text can be written.
        return _stop(
            USER_ERROR,
            f'{shown_name(error.object)[:LONGEST_NAME]}: the name is not UTF-8; rename the file',
        )
    except known as error:
        return _stop(USER_ERROR, ' '.join(str(error).split()))
    except ImportError as error:
        missing = as_missing_package(error, os.path.basename(sys.argv[0]))
        if missing is None:
            raise
        return _stop(USER_ERROR, str(missing))
    except OSError as error:
        return _stop(
            USER_ERROR,
            f'{error.filename or where or type(error).__name__}: {error.strerror or error}',
        )
    except KeyboardInterrupt:
        return _stop(INTERRUPTED, interrupted)


def print_any_name() -> None:
    """Let names that are not UTF-8 be printed, their odd bytes escaped, instead of ending the
    tool."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def _stop(status: int, message: str) -> int:
    print(f'error: {message}', file=sys.stderr)
    return status
