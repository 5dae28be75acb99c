"""Published checkpoints under this project's names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

#: Published name -> ours, in the order they are tried; the first match wins.
USOT_RULES: tuple[tuple[str, str], ...] = (
    (r'^features\.features\.', 'backbone.'),
    (r'^neck\.downsample\.', 'neck.adjust.'),
    (r'^connect_model\.adjust$', 'head.reg_scale'),
    (r'^connect_model\.bias$', 'head.reg_bias'),
    (r'^connect_model\.(cls|reg)_encode\.matrix11_k\.', r'head.\1_template.branches.0.'),
    (r'^connect_model\.(cls|reg)_encode\.matrix12_k\.', r'head.\1_template.branches.1.'),
    (r'^connect_model\.(cls|reg)_encode\.matrix21_k\.', r'head.\1_template.branches.2.'),
    (r'^connect_model\.(cls|reg)_encode\.matrix11_s\.', r'head.\1_search.branches.0.'),
    (r'^connect_model\.(cls|reg)_encode\.matrix12_s\.', r'head.\1_search.branches.1.'),
    (r'^connect_model\.(cls|reg)_encode\.matrix21_s\.', r'head.\1_search.branches.2.'),
    (r'^connect_model\.(cls|reg)_dw\.weight$', r'head.\1_correlation.weight'),
    (r'^connect_model\.conf_fusion\.conf_gen\.', 'head.memory.confidence.'),
    (r'^connect_model\.conf_fusion\.value_gen\.', 'head.memory.value.'),
    (r'^connect_model\.bbox_tower\.', 'head.reg_tower.'),
    (r'^connect_model\.cls_tower\.', 'head.cls_tower.'),
    (r'^connect_model\.cls_memory_tower\.', 'head.memory_tower.'),
    (r'^connect_model\.bbox_pred\.', 'head.reg_conv.'),
    (r'^connect_model\.cls_pred\.', 'head.cls_conv.'),
    (r'^connect_model\.cls_memory_pred\.', 'head.memory_conv.'),
)

#: Prefixes of ResNet files: MoCo-v2 keeps the query encoder behind ``module.encoder_q.``.
RESNET_PREFIX = re.compile(r'^(?:module\.)?(?:encoder_q\.|backbone\.)?')

#: Parts of a classification ResNet that a stride-8 tracker has no use for.
RESNET_UNUSED = ('fc.', 'layer4.')

#: Layers of UDT's and DCFNet's PyTorch releases, by their place in a sequence.
DCFNET_KEY = re.compile(r'^(?:feature\.){1,2}([02])\.(weight|bias)$')
DCFNET_LAYERS = {'0': 'conv1', '2': 'conv2'}

#: Layers of a SiamFC-AlexNet in the common PyTorch ports, and the batch norm of the response in
#: those that have one.
SIAMFC_LAYER = re.compile(
    r'^(?:(?:features?|backbone|feature_extraction|model)\.)*(conv[1-5])\.([01])\.(\w+)$'
)
SIAMFC_NORM = re.compile(r'^(?:head\.)?(?:match_batchnorm|bn_adjust|response_norm)\.(\w+)$')

#: MobileNetV2 and EfficientNet-Lite; the first block with an expansion, or a block's depth-wise
#: layer, tells them from other networks.
MOBILE_MARK = re.compile(r'^(?:features\.1\.conv\.|_blocks\.0\._depthwise_conv\.)')
MOBILE_KEY = re.compile(r'^(?:features\.\d+\.|_blocks\.\d+\.|_conv_stem\.|_bn0\.)')
MOBILE_UNUSED = ('classifier.', '_fc.', '_conv_head.', '_bn1.')
TORCHVISION_MOBILE = re.compile(r'^features\.(\d+)\.conv\.(\d)(\.\d)?(\.[a-z_]+)$')


class UnknownCheckpointError(ValueError):
    """The file holds none of the published forms."""


def convert_usot(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published USOT state dict under our names.

    Raises:
        UnknownCheckpointError: A key fits no rule; the message names it.
    """
    converted = {}
    for key, value in state.items():
        for pattern, replacement in USOT_RULES:
            name, count = re.subn(pattern, replacement, key)
            if count:
                converted[name] = value
                break
        else:
            raise UnknownCheckpointError(
                f'no rule for key {key!r}: not a published USOT checkpoint'
            )
    return converted


def convert_resnet(state: Mapping[str, Tensor], widen_shortcuts: bool = True) -> dict[str, Tensor]:
    """A torchvision-named ResNet (ImageNet or MoCo-v2) as the weights of :class:`SiameseResNet`.

    Args:
        state: Published state dict.
        widen_shortcuts: Put the 1x1 shortcut of stages 2 and 3 into the centre of the 3x3 that
            stands there, as the release does.

    Raises:
        UnknownCheckpointError: There is no ``conv1.weight`` in it.
    """
    converted = {}
    for key, value in state.items():
        name = RESNET_PREFIX.sub('', key)
        if key.startswith(('encoder_k.', 'queue')) or name.startswith(RESNET_UNUSED):
            continue
        if (
            widen_shortcuts
            and re.fullmatch(r'layer[23]\.0\.downsample\.0\.weight', name)
            and value.shape[-1] == 1
        ):
            wide = value.new_zeros(*value.shape[:2], 3, 3)
            wide[:, :, 1, 1] = value[:, :, 0, 0]
            value = wide
        converted[name] = value
    if 'conv1.weight' not in converted:
        raise UnknownCheckpointError("no 'conv1.weight': not a torchvision or MoCo ResNet")
    return converted


def convert_dcfnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published UDT or DCFNet network under our names.

    Raises:
        UnknownCheckpointError: A key is not one of the two layers'.
    """
    converted = {}
    for key, value in state.items():
        found = DCFNET_KEY.match(key)
        if not found:
            raise UnknownCheckpointError(
                f'no rule for key {key!r}: not a published UDT or DCFNet network'
            )
        converted[f'backbone.{DCFNET_LAYERS[found[1]]}.{found[2]}'] = value
    return converted


def convert_mobile(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MobileNetV2 (also torchvision's) or EfficientNet-Lite under our names; what classifies is
    left out.

    Raises:
        UnknownCheckpointError: A key fits neither network; the message names it.
    """
    converted = {}
    for key, value in state.items():
        name = TORCHVISION_MOBILE.sub(lambda found: _flat_mobile(found, state), key)
        if name.startswith(MOBILE_UNUSED):
            continue
        if not MOBILE_KEY.match(name):
            raise UnknownCheckpointError(
                f'no rule for key {key!r}: neither MobileNetV2 nor EfficientNet-Lite'
            )
        converted[name] = value
    return converted


def _flat_mobile(found: re.Match, state: Mapping[str, Tensor]) -> str:
    """torchvision groups convolution, norm and ReLU6 of a block: ``conv.1.0`` is ``conv.3``
    here."""
    block = found[1]
    layer = int(found[2])
    inner = found[3]
    rest = found[4]
    groups = sum(f'features.{block}.conv.{number}.0.weight' in state for number in (0, 1))
    number = 3 * layer + int(inner[1:]) if inner else 3 * groups + layer - groups
    return f'features.{block}.conv.{number}{rest}'


def is_mobile(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of MobileNetV2 or EfficientNet-Lite."""
    return any(MOBILE_MARK.match(key) for key in state)


def is_dcfnet(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of a published UDT or DCFNet network."""
    return any(DCFNET_KEY.match(key) for key in state)


def convert_siamfc(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published SiamFC with AlexNet under our names.

    Ports without batch norm on the response (a fixed factor of 1e-3) fit
    ``SiamFC(response_scale=1e-3)``. Most were trained on RGB:
    ``data_preprocessor=dict(type='SOTDataPreprocessor', bgr_to_rgb=True)``.

    Raises:
        UnknownCheckpointError: A key fits no rule, or a layer is missing; the message names it.
    """
    converted = {}
    for key, value in state.items():
        layer = SIAMFC_LAYER.match(key)
        norm = SIAMFC_NORM.match(key)
        if layer:
            converted[f'backbone.{layer[1]}.{layer[2]}.{layer[3]}'] = value
        elif norm:
            converted[f'response_norm.{norm[1]}'] = value
        else:
            raise UnknownCheckpointError(
                f'no rule for key {key!r}: not a published SiamFC with AlexNet'
            )
    missing = [
        f'conv{number}'
        for number in range(1, 6)
        if f'backbone.conv{number}.0.weight' not in converted
    ]
    if missing:
        raise UnknownCheckpointError(
            f'no layer {missing[0]!r}: not a published SiamFC with AlexNet'
        )
    return converted


def is_siamfc(state: Mapping[str, Tensor]) -> bool:
    """Whether a key is that of a SiamFC-AlexNet's last layer."""
    return any(SIAMFC_LAYER.match(key) and 'conv5.' in key for key in state)


def is_usot(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of a published USOT checkpoint."""
    return any(key.startswith(('connect_model.', 'features.features.')) for key in state)
