"""Pretrained backbones give the features of the network that they were taken from, on its own
normalised RGB input."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.nn import functional

from usot_plugin.cli import convert_checkpoint
from usot_plugin.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'
#: As torchvision and MoCo write them: RGB in 0..1.
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2))  # width, blocks, stride


class OriginalResNet50:
    """ResNet-50 up to stage 3 as torchvision and MoCo-v2 run it: stride 16, padded."""

    def __init__(self) -> None:
        self.state: dict[str, torch.Tensor] = {}
        self.calibrating = False
        torch.manual_seed(0)
        self._conv_weights('conv1', 'bn1', 64, 3, 7)
        channels = 64
        for stage, (width, blocks, _) in enumerate(STAGES, 1):
            for number in range(blocks):
                name = f'layer{stage}.{number}.'
                for conv, (out, into, side) in enumerate(
                    ((width, channels, 1), (width, width, 3), (4 * width, width, 1)), 1
                ):
                    self._conv_weights(f'{name}conv{conv}', f'{name}bn{conv}', out, into, side)
                if number == 0:
                    self._conv_weights(
                        f'{name}downsample.0', f'{name}downsample.1', 4 * width, channels, 1
                    )
                channels = 4 * width

    def _conv_weights(self, conv: str, norm: str, out: int, into: int, side: int) -> None:
        self.state[f'{conv}.weight'] = (
            torch.randn(out, into, side, side) * (2 / (out * side * side)) ** 0.5
        )
        self.state[f'{norm}.weight'], self.state[f'{norm}.bias'] = (
            0.5 + torch.rand(out),
            0.2 * torch.randn(out),
        )
        self.state[f'{norm}.running_mean'], self.state[f'{norm}.running_var'] = (
            torch.zeros(out),
            torch.ones(out),
        )
        self.state[f'{norm}.num_batches_tracked'] = torch.tensor(1)

    def _unit(self, x: torch.Tensor, conv: str, norm: str, stride: int = 1) -> torch.Tensor:
        weight = self.state[f'{conv}.weight']
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        names = ('running_mean', 'running_var', 'weight', 'bias')
        return functional.batch_norm(
            x,
            *(self.state[f'{norm}.{name}'] for name in names),
            training=self.calibrating,
            momentum=1.0,
        )

    def __call__(self, images_rgb: torch.Tensor) -> torch.Tensor:
        """``(B, 3, S, S)`` RGB in 0..255 to ``(B, 1024, S / 16, S / 16)``."""
        x = (images_rgb / 255 - MEAN[:, None, None]) / STD[:, None, None]
        x = functional.max_pool2d(self._unit(x, 'conv1', 'bn1', 2).relu(), 3, 2, 1)
        for stage, (_, blocks, stride) in enumerate(STAGES, 1):
            for number in range(blocks):
                name, step = f'layer{stage}.{number}.', stride if number == 0 else 1
                out = self._unit(x, f'{name}conv1', f'{name}bn1').relu()
                out = self._unit(out, f'{name}conv2', f'{name}bn2', step).relu()
                out = self._unit(out, f'{name}conv3', f'{name}bn3')
                x = (
                    out
                    + (
                        self._unit(x, f'{name}downsample.0', f'{name}downsample.1', step)
                        if number == 0
                        else x
                    )
                ).relu()
        return x


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
    """``(321, 321, 3)`` uint8 BGR, with structure at several scales and three unlike channels."""
    random = np.random.default_rng(0)
    layers = [
        cv2.resize(random.uniform(0, 255, (n, n, 3)), (321, 321), interpolation=cv2.INTER_CUBIC)
        for n in (5, 20, 80)
    ]
    return (np.mean(layers, axis=0) * [0.6, 0.9, 1.2]).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def original(picture) -> OriginalResNet50:
    """Its batch norm has seen normalised RGB."""
    network = OriginalResNet50()
    network.calibrating = True
    network(torch.from_numpy(picture[..., ::-1].copy()).permute(2, 0, 1)[None].float())
    network.calibrating = False
    return network


def moco_form(state):
    unused = {
        'module.queue': torch.zeros(128, 4),
        'module.encoder_q.fc.0.weight': torch.zeros(8, 8),
    }
    both = {
        f'module.encoder_{side}.{name}': value if side == 'q' else value + 1
        for side in 'qk'
        for name, value in state.items()
    }
    return {'epoch': 800, 'arch': 'resnet50', 'state_dict': both | unused}


def imagenet_form(state):
    return state | {
        'fc.weight': torch.zeros(1000, 2048),
        'layer4.0.conv1.weight': torch.zeros(512, 1024, 1, 1),
    }


@pytest.mark.parametrize(
    ('config', 'form'),
    [
        ('usot_r50.py', moco_form),
        ('usot/usot-star_r50.py', imagenet_form),
        ('cyclesiam/cyclesiam-plus.py', imagenet_form),
    ],
)
def test_features_are_those_of_the_original_network(config, form, original, picture, tmp_path):
    torch.save(form(original.state), tmp_path / 'published.pth')
    convert_checkpoint.main([str(tmp_path / 'published.pth'), str(tmp_path / 'ours.pth')])
    model = Config.fromfile(CONFIGS / config).model
    backbone = MODELS.build(
        {
            **model.backbone,
            'init_cfg': dict(type='Pretrained', checkpoint=str(tmp_path / 'ours.pth')),
        }
    ).eval()
    backbone.init_weights()
    images = torch.from_numpy(picture).permute(2, 0, 1)[None]
    with torch.no_grad():
        ours = backbone(MODELS.build(model.data_preprocessor).normalise(images))
        # Our cells sit at pixels 8 k + 7, the original's at 16 k: every second of ours is one of
        # its own.
        theirs = original(images.flip(1)[..., 7:, 7:].float())
    ours = (ours if isinstance(ours, torch.Tensor) else ours[-1])[..., ::2, ::2]
    # 133 px around a cell are seen; from cell 9 to 11 no padding is among them.
    ours, theirs = ours[..., 9:12, 9:12], theirs[..., 9:12, 9:12]
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('folder', ['', 'usot', 'cyclesiam', 'mixed'])
def test_every_pretrained_start_sees_normalised_rgb(folder):
    """Leaves that train as the release does, or track with published weights, see raw BGR; no other
    may."""
    right = MODELS.build(Config.fromfile(CONFIGS / 'usot_r50.py').model.data_preprocessor)
    for file in sorted((CONFIGS / folder).glob('*.py')):
        model = Config.fromfile(file).get('model') or {}
        if 'checkpoint' not in str(model.get('backbone')):
            continue
        preprocessor = MODELS.build(
            model.get('data_preprocessor') or dict(type='SOTDataPreprocessor')
        )
        if file.stem == 'usot_r50_release':
            assert not preprocessor.normalises and not preprocessor.bgr_to_rgb
            continue
        assert preprocessor.normalises and preprocessor.bgr_to_rgb, file.name
        assert torch.equal(preprocessor.mean, right.mean) and torch.equal(
            preprocessor.std, right.std
        ), file.name


@pytest.mark.parametrize(
    'config',
    ['usot/usot_r50_published.py', 'cyclesiam/siamrpn_l234.py', 'cyclesiam/siammask_published.py'],
)
def test_published_trackers_see_raw_pixels(config):
    model = Config.fromfile(CONFIGS / config).model
    preprocessor = MODELS.build(model.data_preprocessor)
    assert (
        not preprocessor.normalises
        and not preprocessor.bgr_to_rgb
        and model.backbone.init_cfg is None
    )
