"""tools/export_onnx.py and tools/demo.py --runtime onnx: the same boxes as PyTorch, off-line and
with memory, and how they refuse."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from tests.apis.test_inference import MODEL
from tests.test_tools_tracking import ROOT, as_process, demo_tool, one_line
from usot_plugin.datasets.synthetic.clips import render_clip
from usot_plugin.registry import MODELS
from usot_plugin.testing.media import write_frames
from usot_plugin.testing.tools import run_tool_main

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

EXPORT = ROOT / 'tools/export_onnx.py'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Config and checkpoint of a network whose statistics of batch norm are not those it starts
    with."""
    folder = tmp_path_factory.mktemp('trained')
    torch.manual_seed(4)
    # As in all configs with a pretrained backbone, the graph itself turns BGR into normalised RGB.
    config = dict(MODEL, data_preprocessor=dict(MODEL['data_preprocessor'], bgr_to_rgb=True))
    model = MODELS.build(dict(config)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    torch.save(model.state_dict(), folder / 'c.pth')
    (folder / 'c.py').write_text(f'model = {config!r}\n')
    return folder / 'c.py', folder / 'c.pth'


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    frames, boxes = render_clip(3, frames=12, size_wh=(200, 140))
    folder = tmp_path_factory.mktemp('clip')
    write_frames(folder, frames)
    x1, y1, x2, y2 = boxes[0][0]
    return folder, f'{x1},{y1},{x2 - x1},{y2 - y1}'


def tracked(out, clip, *args: object) -> np.ndarray:
    arguments = [
        clip[0],
        '--box',
        clip[1],
        '--box',
        '20,20,30,26',
        '--no-video',
        '--device',
        'cpu',
        '--out',
        out,
        *args,
    ]
    assert demo_tool.main([str(arg) for arg in arguments]) == 0
    (file,) = out.glob('*.json')
    return np.array([target['boxes_xywh'] for target in json.loads(file.read_text())['targets']])


@pytest.mark.process
@pytest.mark.parametrize(
    ('memory_weight', 'sizes'),
    [(0.0, {}), (0.6, {}), (0.6, dict(exemplar_px=111, instance_px=191, small_instance_px=207))],
)
def test_onnx_gives_the_boxes_of_pytorch(tmp_path, trained, clip, memory_weight, sizes):
    given = {'memory_weight': memory_weight, **sizes}
    option = ('--cfg-options', *(f'model.test_cfg.{key}={value}' for key, value in given.items()))
    assert run_tool_main(EXPORT, *trained, '--out', tmp_path / 'graphs', *option) == 0
    meta = json.loads((tmp_path / 'graphs/meta.json').read_text())
    assert (
        meta['largest_difference'] < 1e-4
        and meta['has_memory']
        and meta['tracker']['memory_weight'] == memory_weight
    )
    torch_boxes = tracked(
        tmp_path / 'torch', clip, '--config', trained[0], '--checkpoint', trained[1], *option
    )
    onnx_boxes = tracked(
        tmp_path / 'onnx', clip, '--runtime', 'onnx', '--checkpoint', tmp_path / 'graphs'
    )
    assert torch_boxes.shape == (2, 12, 4) and np.ptp(torch_boxes[:, :, :2], axis=1).max() > 1
    assert np.abs(torch_boxes - onnx_boxes).max() < 0.05


@pytest.mark.process
def test_as_a_command_without_memory_branch(tmp_path, trained):
    head = {**MODEL['head'], 'memory': None}
    torch.save(MODELS.build(dict(MODEL, head=head)).state_dict(), tmp_path / 'n.pth')
    (tmp_path / 'n.py').write_text(f'model = {dict(MODEL, head=head)!r}\n')
    done = as_process('export_onnx', 'n.py', 'n.pth', '--out', 'graphs', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'largest difference between ONNX Runtime and PyTorch' in one_line(done.stdout)
    assert sorted(file.name for file in (tmp_path / 'graphs').iterdir()) == [
        'meta.json',
        'template.onnx',
        'track.onnx',
    ]


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (
            ('--runtime', 'onnx', '--checkpoint', 'nothing'),
            'nothing: no complete export (make one with tools/export_onnx.py)',
        ),
        (('--runtime', 'onnx'), '--runtime onnx needs --checkpoint DIR'),
        (
            ('--runtime', 'onnx', '--checkpoint', 'x', '--config', 'c.py'),
            '--config is not read with --runtime onnx',
        ),
    ],
)
def test_refusals_of_the_demo(tmp_path, clip, capsys, args, message):
    assert (
        demo_tool.main([str(clip[0]), '--box', clip[1], '--out', str(tmp_path / 'out'), *args]) == 2
    )
    assert message in one_line(capsys.readouterr().err)


@pytest.mark.process
def test_packed_weights_need_no_config(tmp_path, trained, clip):
    record = {
        'config': {'model': dict(MODEL, test_cfg=dict(type='USOTTracker', memory_weight=0.3))}
    }
    torch.save(
        {'packed': record, 'state_dict': torch.load(trained[1], weights_only=True)},
        tmp_path / 'p.pth',
    )
    assert run_tool_main(EXPORT, tmp_path / 'p.pth', '--out', tmp_path / 'graphs') == 0
    meta = json.loads((tmp_path / 'graphs/meta.json').read_text())
    assert meta['tracker']['memory_weight'] == 0.3 and meta['largest_difference'] < 1e-4


def test_a_checkpoint_without_config_is_refused(tmp_path, trained, capsys):
    alone = shutil.copy(trained[1], tmp_path / 'c.pth')
    assert run_tool_main(EXPORT, alone, '--out', tmp_path / 'graphs') == 2
    assert 'c.pth: carries no config of its own, and none lies beside it' in one_line(
        capsys.readouterr().err
    )
    assert run_tool_main(EXPORT, 'usot_smal', '--out', tmp_path / 'graphs') == 2
    assert "did you mean 'usot_small'" in one_line(capsys.readouterr().err)


def test_another_tracker_is_refused(tmp_path, trained, capsys):
    (tmp_path / 'c.py').write_text(f'model = {dict(MODEL, test_cfg=dict(type="StandStill"))!r}\n')
    assert run_tool_main(EXPORT, tmp_path / 'c.py', trained[1], '--out', tmp_path / 'graphs') == 2
    assert 'only USOTTracker of a USOT model can be exported, not StandStill' in one_line(
        capsys.readouterr().err
    )
    assert not (tmp_path / 'graphs').exists()
