"""Exit statuses of tools, and their one line."""

from __future__ import annotations

import pytest

from usot_plugin.utils.cli import (
    FINE,
    INTERRUPTED,
    PARTIAL,
    USER_ERROR,
    exit_status,
    note,
    output,
    tool_parser,
)


class OwnError(RuntimeError):
    pass


NO_SPACE = '/none/a.txt: cannot be written (no space left on /none'


def raising(error: BaseException):
    def run() -> None:
        raise error

    return run


def test_status_of_a_run_that_ends_well():
    assert exit_status(lambda: None) == FINE
    assert exit_status(lambda: PARTIAL) == PARTIAL


@pytest.mark.parametrize(
    ('error', 'status', 'line'),
    [
        (ValueError('key x\n is wrong'), USER_ERROR, 'error: key x is wrong'),
        (OwnError('a.txt: no boxes'), USER_ERROR, 'error: a.txt: no boxes'),
        (FileNotFoundError(2, 'No such file', 'b.txt'), USER_ERROR, 'error: b.txt: No such file'),
        (OSError(5, 'Input/output error'), USER_ERROR, 'error: out: Input/output error'),
        (KeyboardInterrupt(), INTERRUPTED, 'error: interrupted'),
    ],
)
def test_what_the_user_can_mend_is_one_line(capsys, error, status, line):
    assert exit_status(raising(error), mendable=(OwnError,), where='out') == status
    assert capsys.readouterr().err == line + '\n'


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (OSError(28, 'No space left on device', '/none/a.txt'), NO_SPACE),
        (
            OSError(122, 'Disk quota exceeded', '/none/a.txt'),
            f'{NO_SPACE}: the disk quota is used up',
        ),
        (
            RuntimeError('DataLoader worker (pid 77) is killed by signal: Killed. '),
            'loader process 77 was killed (SIGKILL; out of memory?)',
        ),
        (
            RuntimeError('DataLoader worker (pid(s) 7, 8) exited unexpectedly'),
            'loader process 7, 8 exited unexpectedly',
        ),
    ],
)
def test_what_comes_from_outside_says_how_to_go_on(capsys, error, message):
    assert exit_status(raising(error), going_on=lambda: 'the same command goes on') == USER_ERROR
    line = capsys.readouterr().err
    assert line.startswith('error: ') and line.endswith('; the same command goes on\n')
    assert message in line


def test_error_that_a_loader_process_handed_over_is_its_last_line(capsys):
    text = (
        'Caught OwnError in DataLoader worker process 0.\n'
        'Original Traceback (most recent call last):\n'
        '  File "a.py", line 1\ntests.OwnError: a.mp4: no such file\n'
    )
    assert exit_status(raising(OwnError(text)), mendable=(OwnError,)) == USER_ERROR
    assert capsys.readouterr().err == 'error: a.mp4: no such file\n'


def test_a_fault_of_our_own_keeps_its_traceback():
    with pytest.raises(RuntimeError, match='broken'):
        exit_status(raising(RuntimeError('broken')), mendable=(OwnError,))


def test_parser_refuses_in_one_line_and_explains_statuses(capsys):
    parser = tool_parser('Does things.\n\n    tool IN', {0: 'all done', 2: 'wrong input'})
    statuses = '0 = all done; 1 = done in part, the rest is named; 2 = wrong input'
    assert '    tool IN' in parser.format_help() and statuses in parser.format_help()
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(['--no-such'])
    assert stopped.value.code == USER_ERROR
    assert capsys.readouterr().err == 'error: unrecognized arguments: --no-such (see --help)\n'


def test_verbose_shows_where_it_was_refused(capsys):
    tool_parser('A tool.').parse_args(['--verbose'])
    assert exit_status(raising(ValueError('wrong'))) == USER_ERROR
    shown = capsys.readouterr().err
    assert 'in run' in shown and shown.endswith('error: wrong\n')


def test_notes_are_not_for_a_quiet_tool(capsys):
    for option, said in (('--quiet', ''), ('--verbose', 'a word\n')):
        tool_parser('A tool.').parse_args([option])
        exit_status(lambda: note('a word'))
        assert capsys.readouterr().err == said
    assert output() is None, 'the tool has ended'


def test_a_name_that_is_not_utf8_is_named(capsys):
    assert exit_status(lambda: 'a\udcca.txt'.encode() and None) == USER_ERROR
    assert capsys.readouterr().err == 'error: a\\xca.txt: the name is not UTF-8; rename the file\n'
