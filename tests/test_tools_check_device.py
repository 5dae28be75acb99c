"""tools/analysis/check_device.py on the CPU: single checks, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from usot_plugin.cli.check_device import chosen
from usot_plugin.testing import device_checks
from usot_plugin.testing.device_checks import CHECKS, FAMILIES, Bench
from usot_plugin.testing.isolated import NotHereError, Outcome, agreement
from usot_plugin.testing.tools import run_tool_main

TOOL = Path(__file__).parents[1] / 'tools/analysis/check_device.py'


@pytest.fixture(scope='module')
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp('bench'), 'cpu', 1, 120)


@pytest.mark.process
@pytest.mark.parametrize('family', ['udt', 'siamfc', 'pul-discrimination'])
def test_losses_agree_with_float64(bench, family):
    outcome = CHECKS[f'losses-{family}'](bench)
    assert outcome.result == 'ok' and 0 < outcome.number < 1e-3


@pytest.mark.process
def test_a_wrong_gradient_is_seen(bench, monkeypatch):
    whole, calls = device_checks.loss_and_gradient, []

    def bent(model, batch, dtype, device):
        loss, gradient = whole(model, batch, dtype, device)
        calls.append(dtype)
        return loss, gradient * (
            1.01 if len(calls) == 3 else 1
        )  # on the device, after the two of the CPU

    monkeypatch.setattr(device_checks, 'loss_and_gradient', bent)
    assert CHECKS['losses-udt'](bench).result == 'differs by 0.01'
    assert calls == [torch.float64, torch.float32, torch.float32]


@pytest.mark.process
@pytest.mark.parametrize('family', FAMILIES)
def test_idle_parameters_are_those_without_gradient(bench, family):
    # What DDP is told not to wait for.
    model = bench.model(family)
    data = model.data_preprocessor(bench.batches(family)[0], True)
    sum(model(**data, mode='loss').values()).backward()
    idle = {id(parameter) for parameter in model.idle_parameters(FAMILIES[family].epoch)}
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (id(parameter) in idle or not parameter.requires_grad), (
            name
        )


@pytest.mark.process
@pytest.mark.slow
def test_batches_and_tracking_with_the_shipped_weights(bench):
    for name in ('test-batch-sequences', 'track-usot'):
        assert CHECKS[name](bench).result == 'ok', name


@pytest.mark.process
def test_precisions_need_their_device(bench):
    for name in ('steps-udt-float16', 'steps-usot-naive-tf32'):
        with pytest.raises(NotHereError, match='needs a GPU'):
            CHECKS[name](bench)
    assert CHECKS['steps-udt-bfloat16'](bench).result == 'ok'


@pytest.mark.parametrize(
    ('difference', 'result'),
    [(0.1, 'ok'), (0.3, 'differs by 0.3 px'), (float('nan'), 'differs by nan px')],
)
def test_agreement_has_a_bound_and_nan_is_none(difference, result):
    assert agreement(difference, 0.2, 'px') == Outcome(result, difference, 'px')


def test_every_family_has_its_checks():
    assert {f'losses-{family}' for family in FAMILIES} <= set(CHECKS)
    assert list(CHECKS)[0].startswith('losses-'), 'the most informative first'


@pytest.mark.process
def test_a_run_prints_and_writes_its_rows(tmp_path, capsys):
    out = tmp_path / 'out.json'
    arguments = [
        '--device',
        'cpu',
        '--only',
        'losses-udt',
        'steps-udt-float16',
        '--json',
        out,
        '--log',
        tmp_path / 'log',
    ]
    assert run_tool_main(TOOL, *arguments) == 0
    content = json.loads(out.read_text())
    assert [(row['name'], row['result']) for row in content['rows']] == [
        ('losses-udt', 'ok'),
        ('steps-udt-float16', 'skipped: float16 needs a GPU'),
    ]
    assert content['device'] == 'cpu' and content['machine']['torch'] == torch.__version__
    printed = capsys.readouterr().out
    assert '1 ok, 0 not, 1 skipped' in printed and 'losses-udt   ' in printed


def test_selection_list_and_time(tmp_path, capsys):
    assert chosen(['a-1', 'a-2', 'b'], ['a-*'], ['*-2']) == ['a-1']
    assert run_tool_main(TOOL, '--list', '--only', 'losses-*') == 0
    assert capsys.readouterr().out.split() == [f'losses-{family}' for family in FAMILIES]
    assert run_tool_main(TOOL, '--device', 'cpu', '--seconds', '1e-9') == 0
    assert f'{len(CHECKS)} not begun within 1e-09 s' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--only', 'losses-nothing'], "no check is called 'losses-nothing'"),
        (['--seconds', '0'], 'have to be positive'),
        (['--device', 'tpu9'], "device 'tpu9' cannot be used"),
    ],
)
def test_what_the_user_can_mend_is_one_line(capsys, arguments, message):
    assert run_tool_main(TOOL, *arguments) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
