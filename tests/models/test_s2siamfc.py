"""S2SiamFC: Eq. 12, masks on top of each other, repeatable masks, and five golden steps of each
loss."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from tests.models.s2siamfc_curves import CURVES, curve, picture
from tests.models.test_siamfc import NARROW, samples
from usot_plugin.models import S2SiamFC, SiamFC

GOLDEN = Path(__file__).parents[1] / 'golden/s2siamfc/loss_curves.json'
BOXES = ([100, 100, 139, 139], [90, 90, 150, 150])


WIDER = dict(type='SiamFCAlexNet', width=1 / 4)


def batch(count: int = 2) -> dict[str, torch.Tensor]:
    """Pairs that show something, normalised."""
    pairs = {
        'template': [picture(127, 0, n) for n in range(count)],
        'search': [picture(239, 0, n) for n in range(count)],
    }
    return {name: (torch.stack(crops) - 128) / 60 for name, crops in pairs.items()}


def test_without_masks_it_is_siamfc():
    torch.manual_seed(3)
    ours = S2SiamFC(NARROW, train_cfg=dict(masks=0))
    theirs = SiamFC(NARROW)
    theirs.load_state_dict(ours.state_dict())
    inputs, groups = batch(), samples(*BOXES)
    assert torch.equal(
        ours.loss(inputs, groups)['loss_raw'], theirs.loss(inputs, groups)['loss_response']
    )


@pytest.mark.parametrize('masks', [1, 2, 3])
def test_losses_are_weighted_as_in_the_paper(masks):
    model = S2SiamFC(NARROW, train_cfg=dict(masks=masks)).eval()
    inputs, groups = batch(), samples(*BOXES)
    torch.manual_seed(7)
    losses = model.loss(inputs, groups)
    torch.manual_seed(7)  # the same masks again
    search, kernel = model.extract(inputs['search']), model.extract(inputs['template'])
    label = model.labels(groups, model.respond(search, kernel), 239)
    erased = model.mask_templates(inputs['template'], kernel, search, label == 1)
    assert len(erased) == masks
    parts = [
        model.response_loss(model.respond(search, model.extract(z))[:, 0], label).item()
        for z in (inputs['template'], *erased)
    ]
    assert losses['loss_raw'].item() == pytest.approx(0.7 * parts[0], rel=1e-5)
    assert losses['loss_masked'].item() == pytest.approx(0.3 * sum(parts[1:]), rel=1e-5)


def test_masks_lie_on_top_of_each_other_and_leave_a_negative_pair_alone():
    model = S2SiamFC(WIDER, train_cfg=dict(masks=3)).train()
    inputs = batch()
    search, kernel = model.extract(inputs['search']), model.extract(inputs['template'])
    label = model.labels(samples(BOXES[0], [math.nan] * 4), model.respond(search, kernel), 239)
    masked = model.mask_templates(inputs['template'], kernel, search, label == 1)
    changed = [(z != inputs['template']).any(1) for z in masked]
    assert changed[0][0].any() and not any(z[1].any() for z in changed)
    assert all((before <= after).all() for before, after in zip(changed, changed[1:], strict=False))
    assert changed[0][0].float().mean() < 0.5


def test_a_negative_factor_of_batch_norm_turns_the_saliency_round():
    model = S2SiamFC(WIDER).train()
    inputs, groups = batch(), samples(*BOXES)
    search, kernel = model.extract(inputs['search']), model.extract(inputs['template'])
    positive = model.labels(groups, model.respond(search, kernel), 239) == 1
    torch.manual_seed(7)
    plain = model.mask_templates(inputs['template'], kernel, search, positive)
    model.response_norm.weight.data.neg_()
    torch.manual_seed(7)
    turned = model.mask_templates(inputs['template'], kernel, search, positive)
    assert not torch.equal(plain[0], turned[0])


@pytest.mark.process
def test_masks_are_drawn_anew_and_repeat_with_the_seed():
    model = S2SiamFC(WIDER).train()
    model.response_norm.eval()
    inputs, groups = batch(8), samples(*[BOXES[0]] * 8)
    values = {}
    for seed in (0, 1, 0):
        torch.manual_seed(seed)
        values.setdefault(seed, []).append(model.loss(inputs, groups)['loss_masked'].item())
    assert values[0][0] == values[0][1] != values[1][0]


def test_an_impossible_number_of_masks_is_refused():
    with pytest.raises(ValueError, match='masks'):
        S2SiamFC(NARROW, train_cfg=dict(masks=-1))


@pytest.mark.process
@pytest.mark.parametrize('name', CURVES)
def test_five_steps_repeat_the_golden_losses(name):
    expected = json.loads(GOLDEN.read_text(encoding='utf-8'))[name]
    assert curve(name) == pytest.approx(expected, rel=1e-6)
