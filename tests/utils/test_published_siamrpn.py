"""Generated weights with the names of pysot and of SiamMask's release become ours and fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from usot_plugin.registry import MODELS
from usot_plugin.utils.checkpoint import load_weights
from usot_plugin.utils.published_siamrpn import convert_siamrpn, is_siamrpn
from usot_plugin.utils.published_weights import UnknownCheckpointError

ROOT = Path(__file__).parents[2]


def conv(name: str, *shape: int, bias: bool = False) -> dict[str, tuple[int, ...]]:
    return {f'{name}.weight': shape, **({f'{name}.bias': shape[:1]} if bias else {})}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        **{
            f'{name}.{part}': (width,) for part in ('weight', 'bias', 'running_mean', 'running_var')
        },
        f'{name}.num_batches_tracked': (),
    }


def resnet(
    prefix: str, stages: int, depths=(3, 4, 6, 3), base: int = 64
) -> dict[str, tuple[int, ...]]:
    """ResNet-50 as both releases change it: strided and dilated stages have 3x3 shortcuts."""
    shapes = conv(f'{prefix}.conv1', base, 3, 7, 7) | norm(f'{prefix}.bn1', base)
    width_in = base
    for stage, blocks in enumerate(depths[:stages], 1):
        width = base * 2 ** (stage - 1)
        for block in range(blocks):
            at = f'{prefix}.layer{stage}.{block}'
            shapes |= conv(f'{at}.conv1', width, width_in, 1, 1) | norm(f'{at}.bn1', width)
            shapes |= conv(f'{at}.conv2', width, width, 3, 3) | norm(f'{at}.bn2', width)
            shapes |= conv(f'{at}.conv3', 4 * width, width, 1, 1) | norm(f'{at}.bn3', 4 * width)
            if block == 0:
                side = 1 if stage == 1 else 3
                shapes |= conv(f'{at}.downsample.0', 4 * width, width_in, side, side) | norm(
                    f'{at}.downsample.1', 4 * width
                )
            width_in = 4 * width
    return shapes


def adjust(prefix: str, width_in: int, width: int) -> dict[str, tuple[int, ...]]:
    return conv(f'{prefix}.0', width, width_in, 1, 1) | norm(f'{prefix}.1', width)


def branch(prefix: str, width: int, out: int) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for side in ('conv_kernel', 'conv_search'):
        shapes |= conv(f'{prefix}.{side}.0', width, width, 3, 3) | norm(f'{prefix}.{side}.1', width)
    return (
        shapes
        | conv(f'{prefix}.head.0', width, width, 1, 1)
        | norm(f'{prefix}.head.1', width)
        | conv(f'{prefix}.head.3', out, width, 1, 1, bias=True)
    )


def refinement(prefix: str, stages=(64, 256, 512), width: int = 256) -> dict[str, tuple[int, ...]]:
    shapes = {f'{prefix}.deconv.weight': (width, 32, 15, 15), f'{prefix}.deconv.bias': (32,)}
    for number, (width_in, middle, out) in enumerate(
        zip(stages, (16, 64, 128), (4, 16, 32), strict=True)
    ):
        for part, first in (('v', width_in), ('h', out)):
            inner = middle if part == 'v' else out
            shapes |= conv(f'{prefix}.{part}{number}.0', inner, first, 3, 3, bias=True)
            shapes |= conv(f'{prefix}.{part}{number}.2', out, inner, 3, 3, bias=True)
    for number, (width_in, out) in enumerate(((32, 16), (16, 4), (4, 1))):
        shapes |= conv(f'{prefix}.post{number}', out, width_in, 3, 3, bias=True)
    return shapes


def several_levels(widths=(256, 256, 256)) -> dict[str, tuple[int, ...]]:
    shapes = resnet('backbone', 4) | {'rpn_head.cls_weight': (3,), 'rpn_head.loc_weight': (3,)}
    for level, width_in, width in zip((2, 3, 4), (512, 1024, 2048), widths, strict=True):
        shapes |= adjust(f'neck.downsample{level}.downsample', width_in, width)
        shapes |= branch(f'rpn_head.rpn{level}.cls', width, 10) | branch(
            f'rpn_head.rpn{level}.loc', width, 20
        )
    return shapes


FORMS = {
    'siamrpn-pysot-l234': several_levels(),
    'siamrpn-pysot-l234-unequal': several_levels((128, 256, 512)),
    'siammask-pysot': resnet('backbone', 3)
    | adjust('neck.downsample.downsample', 1024, 256)
    | branch('rpn_head.cls', 256, 10)
    | branch('rpn_head.loc', 256, 20)
    | branch('mask_head', 256, 3969)
    | refinement('refine_head'),
    'siammask-release': resnet('features.features', 3)
    | adjust('features.downsample.downsample', 1024, 256)
    | branch('rpn_model.cls', 256, 10)
    | branch('rpn_model.loc', 256, 20)
    | branch('mask_model.mask', 256, 3969)
    | refinement('refine_model'),
}
MODEL_OF = {
    'siamrpn-pysot-l234': Config.fromfile(ROOT / 'configs/cyclesiam/siamrpn_l234.py').model,
    'siamrpn-pysot-l234-unequal': dict(
        type='SiamRPN',
        backbone=dict(type='StagedSiameseResNet', last_stage_blocks=3),
        neck=[
            dict(type='AdjustNeck', in_channels=4 * width, out_channels=width)
            for width in (128, 256, 512)
        ],
        rpn_head=dict(type='SiamRPNHead', in_channels=(128, 256, 512)),
    ),
    'siammask-pysot': dict(
        type='SiamRPN',
        backbone=dict(type='StagedSiameseResNet'),
        neck=dict(type='AdjustNeck', in_channels=1024, out_channels=256),
        rpn_head=dict(type='SiamRPNHead', in_channels=256),
        mask_head=dict(type='SiamMaskHead'),
        refine_head=dict(type='SiamMaskRefiner'),
    ),
}
MODEL_OF['siammask-release'] = MODEL_OF['siammask-pysot']

#: SiamMask's release at an eighth of the width, one block a stage.
NARROW_FORM = (
    resnet('features.features', 3, (1, 1, 1), 8)
    | adjust('features.downsample.downsample', 128, 16)
    | branch('rpn_model.cls', 16, 10)
    | branch('rpn_model.loc', 16, 20)
    | branch('mask_model.mask', 16, 3969)
    | refinement('refine_model', (8, 32, 64), 16)
)
NARROW_MODEL = dict(
    type='SiamRPN',
    backbone=dict(type='StagedSiameseResNet', stage_blocks=(1, 1, 1), base_channels=8),
    neck=dict(type='AdjustNeck', in_channels=128, out_channels=16),
    rpn_head=dict(type='SiamRPNHead', in_channels=16),
    mask_head=dict(type='SiamMaskHead', in_channels=16),
    refine_head=dict(type='SiamMaskRefiner', stage_channels=(8, 32, 64), in_channels=16),
)


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Every tensor has a value of its own."""
    return {
        key: torch.full(shape, (number + 1) / 1000)
        for number, (key, shape) in enumerate(shapes.items())
    }


@pytest.mark.parametrize('form', FORMS)
def test_names_and_shapes_fit_the_model(form):
    with torch.device('meta'):
        state, model = weights(FORMS[form]), MODELS.build(MODEL_OF[form])
    assert is_siamrpn(state)
    converted = convert_siamrpn(state)
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert {key: tuple(value.shape) for key, value in converted.items()} == expected


def test_both_forms_of_siammask_mean_the_same():
    # The shapes alone would not notice two swapped branches.
    pysot, release = (
        convert_siamrpn({key: key for key in FORMS[form]})
        for form in ('siammask-pysot', 'siammask-release')
    )
    for name, key in release.items():
        renamed = (
            key.replace('rpn_model', 'rpn_head')
            .replace('mask_model.mask', 'mask_head')
            .replace('refine_model', 'refine_head')
        )
        renamed = renamed.replace('features.features', 'backbone').replace(
            'features.downsample.', 'neck.downsample.'
        )
        assert pysot[name] == renamed
    assert pysot['rpn_head.cls.0.template.0.weight'] == 'rpn_head.cls.conv_kernel.0.weight'
    assert pysot['refine_head.merge.2.weight'] == 'refine_head.post0.weight'
    assert pysot['refine_head.merge.0.weight'] == 'refine_head.post2.weight'
    assert pysot['refine_head.side.1.2.bias'] == 'refine_head.v1.2.bias'


@pytest.mark.process
def test_the_tool_converts_and_the_weights_load(tmp_path):
    state = {f'module.{key}': value for key, value in weights(NARROW_FORM).items()}
    torch.save({'epoch': 20, 'state_dict': state}, tmp_path / 'published.pth')
    command = [
        sys.executable,
        str(ROOT / 'tools/convert_checkpoint.py'),
        str(tmp_path / 'published.pth'),
        str(tmp_path / 'ours.pth'),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('tracker: ')
    model = MODELS.build(NARROW_MODEL)
    load_weights(model, tmp_path / 'ours.pth')
    assert model.mask_head.branch.output.bias[0] == state['module.mask_model.mask.head.3.bias'][0]


def test_foreign_keys_are_named():
    with pytest.raises(UnknownCheckpointError, match="no rule for key 'fc.weight'"):
        convert_siamrpn({**weights(NARROW_FORM), 'fc.weight': torch.zeros(1)})
