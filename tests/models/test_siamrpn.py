"""SiamRPN++ and SiamMask: shapes of the paper, gradients everywhere, and pairs with nothing in
them."""

from __future__ import annotations

import math

import pytest
import torch

from tests.models.siamrpn_parts import MASKS, NARROW, REFINED, batch, build, samples
from usot_plugin.models import SiameseResNet, StagedSiameseResNet
from usot_plugin.models.siamrpn import TemplateCodes, enlarge_masks


def test_maps_are_25x25_with_five_anchors():
    logits, codes = build().raw_maps(batch(), samples())
    assert logits.shape == (2, 2, 5, 25, 25)
    assert codes.shape == (2, 4, 5, 25, 25)


def test_every_weight_learns():
    model = build(**REFINED)
    losses = model(batch(), samples(masks=True), mode='loss')
    assert set(losses) == {'loss_score', 'loss_box', 'loss_mask', 'loss_refined'}
    sum(losses.values()).backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if name.endswith('weight') and not parameter.grad.abs().sum() > 0
    ]
    assert not silent


def test_a_batch_gives_the_maps_of_its_items():
    model = build(**MASKS).eval()
    inputs = batch(3)
    with torch.no_grad():
        codes = model.encode_template(inputs['template'])
        whole = model.predict(codes, model.extract(inputs['search']))
        again = model.predict(
            TemplateCodes.concat([codes.item(i) for i in range(3)]), model.extract(inputs['search'])
        )
        single = model.predict(codes.item(1), model.extract(inputs['search'][1:2]))
    for batched, joined, alone in zip(whole, again, single, strict=True):
        assert torch.equal(batched, joined)
        torch.testing.assert_close(batched[1:2], alone, rtol=1e-4, atol=1e-4)


def test_levels_are_mixed_by_the_softmax_of_their_weights():
    backbone = dict(NARROW, last_stage_blocks=2)
    necks = [dict(type='AdjustNeck', in_channels=width, out_channels=8) for width in (16, 32, 64)]
    model = build(
        backbone=backbone, neck=necks, rpn_head=dict(type='SiamRPNHead', in_channels=(8, 8, 8))
    ).eval()
    inputs = batch(1)
    with torch.no_grad():
        before, _ = model.raw_maps(inputs, [])
        model.rpn_head.cls_weight.copy_(torch.tensor([30.0, 0, 0]))
        first, _ = model.raw_maps(inputs, [])
        template, search = (
            model.encode_template(inputs['template']),
            model.extract(inputs['search']),
        )
        alone = model.rpn_head.cls[0](template.rpn[0][0], search.levels[0]).unflatten(1, (2, 5))
    torch.testing.assert_close(first, alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(before, first)


def test_staged_backbone_is_the_plain_one_with_its_stages():
    plain, staged = (
        cls(blocks='basic', stage_blocks=(1, 1, 1), base_channels=8).eval()
        for cls in (SiameseResNet, StagedSiameseResNet)
    )
    staged.load_state_dict(plain.state_dict(), strict=True)
    crop = torch.randn(1, 3, 255, 255)
    with torch.no_grad():
        maps = staged(crop)
        assert torch.equal(maps[-1], plain(crop))
    assert [tuple(stage.shape[1:]) for stage in maps] == [
        (8, 125, 125),
        (8, 63, 63),
        (16, 31, 31),
        (32, 31, 31),
    ]


@pytest.mark.parametrize(
    'box',
    [(math.nan,) * 4, (250.0, 250.0, 320.0, 330.0), (0.0, 126.0, 255.0, 129.0)],
    ids=['absent', 'outside', 'sliver'],
)
def test_pairs_without_positive_anchor_teach_only_the_score(box):
    model = build(**MASKS)
    losses = model.loss(batch(), samples(box=box))
    sum(losses.values()).backward()
    assert losses['loss_box'] == 0 and losses['loss_mask'] == 0
    assert losses['loss_score'] > 0 and losses['loss_score'].isfinite()
    assert all(
        parameter.grad.isfinite().all()
        for parameter in model.parameters()
        if parameter.grad is not None
    )


def test_samples_without_a_mask_are_left_out_of_the_mask_loss():
    model = build(**MASKS).eval()
    inputs = batch()
    with_one = samples(masks=True)
    del with_one[1].search_mask
    both = model.loss(inputs, with_one)['loss_mask']
    first = model.loss({name: crops[:1] for name, crops in inputs.items()}, with_one[:1])[
        'loss_mask'
    ]
    assert both > 0
    torch.testing.assert_close(both, first, rtol=1e-3, atol=1e-3)
    empty = samples()
    empty[0].set_data({'search_mask': torch.zeros(255, 255, dtype=torch.bool)})
    assert model.loss(inputs, empty)['loss_mask'] == 0


def test_mask_cells_are_bounded():
    model = build(**MASKS, train_cfg=dict(mask_cells=3)).eval()
    asked = []
    model.masks = lambda template, maps, images, rows, columns: (
        asked.append(len(rows)) or [torch.zeros(len(rows), 63, 63)]
    )
    model.loss(batch(), samples(masks=True))
    assert asked == [3]


def test_enlarged_masks_keep_their_corners():
    small = torch.randn(2, 63, 63)
    large = enlarge_masks(small)
    assert large.shape == (2, 127, 127)
    torch.testing.assert_close(large[:, ::126, ::126], small[:, ::62, ::62])


def test_wrong_configs_are_refused():
    with pytest.raises(ValueError, match=r"train_cfg of SiamRPN: \['iou'\]"):
        build(train_cfg=dict(iou=0.5))
    with pytest.raises(ValueError, match='give both'):
        build(refine_head=REFINED['refine_head'])
    with pytest.raises(ValueError, match='anchors is 5, but anchors gives 3'):
        build(anchors=dict(ratios=(0.5, 1, 2)))
    with pytest.raises(RuntimeError, match='set mask_head'):
        model = build()
        model.masks(
            model.encode_template(batch()['template']),
            model.extract(batch()['search']),
            *[torch.zeros(1).long()] * 3,
        )
