"""Names of others become paths below a folder, or are refused."""

from __future__ import annotations

import os

import pytest

from usot_plugin.utils.names import UnsafeNameError, path_below, shown_name, table_cell


@pytest.mark.parametrize(
    'name',
    ['a', 'a/b.mp4', '..a', 'a..', '...', '-a', ' a ', 'a\nb', 'C:x', 'a\\b', '~', '%s', '名'],
)
def test_plain_names_stay_below(tmp_path, name):
    path = path_below(tmp_path, name)
    assert (
        path.resolve().is_relative_to(tmp_path.resolve())
        and path != tmp_path
        and str(path).endswith(name)
    )


@pytest.mark.parametrize(
    'name',
    [
        '',
        '.',
        '..',
        '/etc/x',
        '../x',
        'a/../../x',
        'a/..',
        'a//b',
        'a/',
        './a',
        '\\\\host\\x',
        '..\\x',
        'C:/x',
        'C:\\x',
        'a\0b',
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(UnsafeNameError, match='^clip .* no plain name of a file below') as caught:
        path_below(tmp_path, name, 'clip')
    assert '\n' not in str(caught.value)


def test_any_name_is_shown_on_one_line():
    assert shown_name(os.fsdecode(b'\xca\xd3.mp4')) == r'\xca\xd3.mp4'
    assert shown_name('a\nb\x1b[0m\t\ud800') == r'a\nb\x1b[0m\t\ud800'
    assert shown_name('名前 ²') == '名前 ²'


def test_a_cell_of_a_table_holds_no_code():
    assert table_cell('a|b<script>\n') == r'a\|b&lt;script>\n'
