"""Cycles: the way they take, where gradient flows, and templates cut where the target was found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from tests.models.cyclesiam_curves import CURVES, curve
from tests.models.siamrpn_parts import batch, build, samples
from usot_plugin.models.cyclesiam import check_hops, cut_templates
from usot_plugin.models.task_modules.anchors import AnchorChoice
from usot_plugin.utils.config import ConfigError

GOLDEN = Path(__file__).parents[1] / 'golden/cyclesiam/loss_curves.json'


def cycle(hops, **changes):
    return build(type='CycleSiam', train_cfg=dict(hops=hops, **changes))


@pytest.mark.parametrize(
    'hops', [(1, 2, 1), (1, 2, 3, 2, 1), [1, 2, 3, 4, 3, 2, 1], (1, 3, 1), (1, 2, 1, 3, 1, 2, 1)]
)
def test_palindromes_are_ways(hops):
    assert check_hops(hops) == tuple(hops)


@pytest.mark.parametrize(
    'hops',
    [
        (),
        (1,),
        (1, 1),
        (1, 2),
        (2, 1, 2),
        (1, 2, 3, 1),
        (1, 2, 2, 1),
        (1, 0, 1),
        (1, 2.5, 1),
        (True, 2, True),
    ],
)
def test_other_ways_are_refused(hops):
    with pytest.raises(ValueError, match='back on the same way'):
        check_hops(hops)


@pytest.mark.parametrize(('hops', 'frames'), [((1, 2, 1), 1), ((1, 2, 3, 2, 1), 2)])
def test_only_the_last_hop_has_gradient(hops, frames):
    model = cycle(hops)
    inputs = {name: crops.requires_grad_() for name, crops in batch(hops=frames).items()}
    losses = model(inputs, samples(), mode='loss')
    sum(losses.values()).backward()
    assert inputs['search'].grad.abs().sum() > 0
    assert inputs['hops'].grad is None and inputs['template'].grad is None
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_way_visits_frames_in_order_and_sees_each_once():
    model = cycle((1, 2, 3, 2, 1)).eval()
    inputs = batch(hops=2)
    extracted, cut = [], []
    extract, encode = model.extract, model.encode_template
    model.extract = lambda crops: extracted.append(crops) or extract(crops)
    model.encode_template = lambda crops: cut.append(crops) or encode(crops)
    model.loss(inputs, samples())
    searched = [crops for crops in extracted if crops.shape[-1] == 255]
    assert [
        torch.equal(a, b)
        for a, b in zip(
            searched, (inputs['hops'][:, 0], inputs['hops'][:, 1], inputs['search']), strict=True
        )
    ]
    assert len(cut) == 4, 'templates of frames 1, 2, 3 and 2'
    assert torch.equal(cut[0], inputs['template'])


@pytest.mark.parametrize(
    ('hops', 'searched'), [((1, 2, 1, 2, 1), (2, 1)), ((1, 2, 1, 3, 1, 2, 1), (2, 1, 3))]
)
def test_the_way_may_come_back_to_the_first_frame_in_between(hops, searched):
    model = cycle(hops).eval()
    inputs = batch(hops=2)
    areas = {1: inputs['search'], 2: inputs['hops'][:, 0], 3: inputs['hops'][:, 1]}
    seen, extract = [], model.extract
    model.extract = lambda crops: seen.append(crops) or extract(crops)
    model.loss(inputs, samples())
    seen = [crops for crops in seen if crops.shape[-1] == 255]
    # The first frame is searched on the way without gradient, and at the end with it.
    assert all(
        torch.equal(crops, areas[frame]) for crops, frame in zip(seen, (*searched, 1), strict=True)
    )


def test_a_perfect_tracker_goes_in_a_circle():
    # Every search area shows the same picture, and the target is always found where it is: the last
    # template is the first one.
    model = cycle((1, 2, 3, 2, 1)).eval()
    picture = torch.nn.functional.interpolate(
        torch.randn(1, 3, 16, 16), size=(255, 255), mode='bicubic'
    )
    where = torch.tensor([[140.0, 120.0, 60.0, 50.0]])

    def found(scores, boxes, target_wh, *rest):
        cell = torch.zeros(1, dtype=torch.long)
        return AnchorChoice(
            where, torch.ones(1), torch.ones(1), cell, cell, torch.ones(1, dtype=torch.bool)
        )

    first, size = cut_templates(picture, where, 127)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr('usot_plugin.models.cyclesiam.choose_anchors', found)
        last = model.follow(first, size, [picture] * 3)
    torch.testing.assert_close(last, first)


def test_without_cycle_stage_the_first_frame_is_tracked_to_itself():
    model = cycle((1, 2, 1), cycle_start_epoch=2)
    inputs = batch()
    del inputs['hops']
    with pytest.raises(ConfigError, match='CycleSiam: nobody told the epoch'):
        model.loss(inputs, samples())
    model.set_epoch(1)
    assert model.loss(inputs, samples())['loss_score'] > 0
    model.set_epoch(2)
    with pytest.raises(KeyError, match='hops'):
        model.loss(inputs, samples())


def test_a_cycle_may_never_begin():
    model = cycle((1, 2, 1), cycle_start_epoch=None)
    model.set_epoch(99)
    inputs = batch()
    del inputs['hops']
    assert model.loss(inputs, samples())['loss_score'] > 0


def test_too_few_frames_are_named():
    with pytest.raises(ValueError, match='visit 2 other frames, the batch holds 1'):
        cycle((1, 2, 3, 2, 1)).loss(batch(hops=1), samples())


def test_a_way_beyond_the_frames_of_a_group_is_refused_beforehand():
    model = cycle((1, 2, 3, 2, 1))
    model.check_views({'template': 1, 'search': 1, 'hops': 2})
    for counts, number in (({'search': 1, 'hops': 1}, 1), ({'template': 1, 'search': 1}, 0)):
        message = (
            'hops = (1, 2, 3, 2, 1) visit 2 frames besides the first, but '
            f'train_dataloader.dataset.frame_sampler.views.hops holds {number}'
        )
        with pytest.raises(ConfigError, match=re.escape(message)):
            model.check_views(counts)
    cycle((1, 2, 3, 2, 1), cycle_start_epoch=None).check_views({'template': 1, 'search': 1})


def test_a_template_of_unit_scale_is_a_plain_crop():
    crops = torch.randn(1, 3, 255, 255)
    wh = 127 / 2  # with half of w + h as context the side is 127
    cut, sizes = cut_templates(crops, torch.tensor([[127.5, 127.5, wh, wh]]), 127)
    torch.testing.assert_close(cut, crops[:, :, 64:191, 64:191], rtol=1e-4, atol=1e-4)
    assert sizes.tolist() == [[wh, wh]]


def test_templates_at_the_border_show_the_mean_colour_outside():
    crops = torch.ones(2, 3, 255, 255)
    boxes = torch.tensor([[0.0, 0.0, 60.0, 60.0], [-900.0, 9000.0, 1e6, 1e-6]])
    cut, sizes = cut_templates(crops, boxes, 127)
    assert not cut[0, :, :60, :60].any()
    torch.testing.assert_close(cut[0, :, 70:, 70:], torch.ones(3, 57, 57))
    assert cut.isfinite().all() and sizes.isfinite().all() and (sizes > 0).all()


def test_a_network_without_numbers_leaves_the_target_in_the_middle():
    model = cycle((1, 2, 1)).eval()
    crops = torch.randn(1, 3, 255, 255)
    model.predict = lambda template, search: (
        torch.full((1, 2, 5, 25, 25), torch.nan),
        torch.zeros(1, 4, 5, 25, 25),
    )
    size = torch.tensor([[60.0, 50.0]])
    with torch.no_grad():
        template = model.follow(torch.zeros(1, 3, 127, 127), size, [torch.zeros_like(crops), crops])
    expected, _ = cut_templates(crops, torch.cat([torch.full((1, 2), 127.5), size], 1), 127)
    torch.testing.assert_close(template, expected)


@pytest.mark.process
@pytest.mark.parametrize('name', CURVES)
def test_five_steps_follow_the_golden_curve(name):
    golden = json.loads(GOLDEN.read_text(encoding='utf-8'))
    assert set(golden) == set(CURVES)
    assert curve(name) == pytest.approx(golden[name], rel=1e-6)
