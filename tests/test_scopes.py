"""The plugin's parts are found from any host's scope."""

from __future__ import annotations

import pytest
from mmengine.registry import DefaultScope

from tests.models.usot_parity import usot_config
from usot_plugin.models import USOT
from usot_plugin.registry import MODELS


def test_root_scope_finds_the_model():
    assert isinstance(MODELS.build(dict(type='USOT', **usot_config('small'))), USOT)


@pytest.mark.full_host
def test_mmdet_scope_finds_the_model():
    from mmdet.registry import MODELS as MMDET_MODELS

    with DefaultScope.overwrite_default_scope('mmdet'):
        assert isinstance(MMDET_MODELS.build(dict(type='USOT', **usot_config('small'))), USOT)
        assert type(MODELS.build(dict(type='mmdet.ResNet', depth=18))).__module__.startswith(
            'mmdet.'
        )
