"""What holds for each verb: options of output, an example in the help, exit statuses."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module

import pytest

from usot_plugin.cli.main import VERBS, main
from usot_plugin.utils.cli import STATUSES

#: A command line of each verb with a file or folder that does not exist, below the place {no}.
REFUSED = {
    'adapt': '{no} --out {out}',
    'discover': 'discovery/default.py {no} --out {out}',
    'browse': '{no} --out {out}',
    'crops': '{no} --out {out}',
    'relabel': 'quick/usot_quick.py none {no} --tracker StandStill --out {out}',
    'export-boxes': '{no} --format got10k --out {out}',
    'render': '{file}/below --clips 1 --sequences 0 --frames 2',
    'compose': '{no} --out {out}',
    'train': '{no}.py',
    'train-pul': '{no}.py',
    'plot': '{no} --out {out}',
    'browse-dataset': '{no}.py --out {out}',
    'browse-pairs': '{no} --out {out}',
    'vot': '{no}.py',
    'compare-boxes': '{no} {no}',
    'score-boxes': '{no}.py {no} --out {out}',
    'flops': '{no}.py',
    'measure-speed': '{no}.py',
    'measure-step': '{no}.py',
    'convert': '{no} {out}',
    'fetch': 'mobilenetv2 --wheel {no} --out {out}',
    'follow': '{no} --out {out}',
    'imagenet-vid': '{no} --out {out}',
    'pack': '{no} --table {no} --out {out}',
    'migrate': '{no} --out {out}',
    'track': '{no} --tracker StandStill --box 1,1,9,9 --out {out}',
    'objects': '{no}.py {no} --out {out}',
    'export': '{no}.py {no} --out {out}',
    'test': '{no}.py none',
    'report': '{no} --out {out}',
    'compare': '{no}',
    'epochs': '{no}.py {no} --epochs 1:2 --sequences {no} --every 1 --out {out}',
    'check': '{no}.py',
    'search': '{no}.py none --sequences {no} --every 1 --out {out}',
    'submit': '{no}.py {no} --server got10k --out {out}',
    'convert-results': '{no} --to got10k --out {out}',
    'config': '{no}.py',
}
#: Verbs that read no file.
WITHOUT_INPUT = {'doctor', 'check-device', 'measure-vot'}


@pytest.mark.parametrize('verb', VERBS)
def test_help_has_both_options_and_an_example(verb, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([verb, '--help'])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0
    assert '--quiet' in shown and '--verbose' in shown
    assert re.search(rf'^ +usot {verb}\b', shown, re.MULTILINE), 'no example'
    assert all(f'{status} = ' in shown for status in STATUSES)


@pytest.mark.parametrize('verb', VERBS)
def test_quiet_and_verbose_exclude_each_other(verb, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([verb, '--quiet', '--verbose'])
    assert stopped.value.code == 2
    assert 'not allowed with argument --quiet' in capsys.readouterr().err


@pytest.mark.parametrize('verb', sorted(set(VERBS) - WITHOUT_INPUT))
def test_a_file_that_is_not_there_is_refused_in_one_line(verb, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    names = {name: str(tmp_path / name) for name in ('no', 'file', 'out')}
    monkeypatch.setattr(sys, 'argv', ['usot'])
    try:  # the verb's own main: usot itself would refuse many of these before
        module = import_module(f'usot_plugin.{VERBS[verb].module}')
        status = module.main(REFUSED[verb].format(**names).split())
    except SystemExit as stopped:
        status = stopped.code
    errors = capsys.readouterr().err.splitlines()
    assert status == 2, errors
    assert len(errors) == 1 and errors[0].startswith('error: '), errors
    assert names['no'] in errors[0] or names['file'] in errors[0]
    assert sorted(os.listdir(tmp_path)) == ['file'], 'something was written'
