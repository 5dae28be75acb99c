"""The pixel-wise head: boxes in units of the template's, a shifted target found, absent targets
without nan."""

import numpy as np
import pytest
import torch

from usot_plugin.models import USOT, PixelwiseHead
from usot_plugin.models.losses.iou_loss import ltrb_overlap
from usot_plugin.models.losses.overlap_focal import overlap_focal
from usot_plugin.structures.sot_sample import StackedSamples
from usot_plugin.tracking import USOTTracker


def small_model(**head):
    return USOT(
        data_preprocessor=dict(type='SOTDataPreprocessor'),
        backbone=dict(
            type='SiameseResNet', blocks='basic', stage_blocks=(1, 1, 1), base_channels=8
        ),
        neck=dict(type='AdjustNeck', in_channels=32, out_channels=16),
        head=dict(
            type='PixelwiseHead',
            channels=16,
            groups=2,
            width=16,
            depth=1,
            loss_cls=dict(type='OverlapFocalLoss'),
            **head,
        ),
        train_cfg=dict(cycle_start_epoch=None, naive_cls_weight=1.0, label_rounding='nearest'),
    )


@torch.no_grad()
@pytest.mark.parametrize('with_search', [True, False])
def test_an_untrained_head_predicts_the_templates_size(with_search):
    torch.manual_seed(0)
    head = PixelwiseHead(channels=16, groups=4, width=8, depth=2, with_search=with_search).eval()
    codes = head.encode_template(
        torch.rand(2, 16, 7, 7), torch.tensor([[64.0, 32.0], [40.0, 80.0]])
    )
    logits, ltrb = head.predict(head.encode_search(torch.rand(2, 16, 31, 31)), codes)
    assert logits.shape == (2, 1, 25, 25) and ltrb.shape == (2, 4, 25, 25)
    assert ltrb[0].mean((1, 2)).tolist() == pytest.approx([32, 16, 32, 16], rel=0.1)
    assert float(logits.sigmoid().mean()) == pytest.approx(0.05, abs=0.02)


def test_channels_have_to_fit_the_groups():
    with pytest.raises(ValueError, match='10 channels cannot be divided into 4 groups'):
        PixelwiseHead(channels=10, groups=4)


def test_an_absent_target_teaches_the_scores_alone():
    torch.manual_seed(0)
    model = small_model()
    inputs = {'template': torch.rand(2, 3, 127, 127), 'search': torch.rand(2, 3, 255, 255)}
    present = torch.tensor([[100.0, 90, 160, 150], [np.nan] * 4])
    for boxes in (present, torch.full((2, 4), np.nan)):
        samples = StackedSamples(
            {'template_box_xyxy': torch.tensor([[32.0, 32, 95, 95]] * 2), 'search_box_xyxy': boxes}
        )
        losses = model.loss(inputs, samples)
        assert all(value.isfinite() for value in losses.values())
        model.zero_grad()
        sum(losses.values()).backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        assert grads and all(grad.isfinite().all() for grad in grads)
    assert float(losses['loss_reg']) == 0


def test_the_tracker_runs_with_it():
    tracker = USOTTracker(small_model(), memory_weight=0.0)
    frame = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    state = tracker.init([frame, frame], np.array([[40.0, 30, 80, 60], [10, 10, 30, 50]]))
    prediction, _ = tracker.update([frame, frame], state)
    assert prediction.boxes_xyxy.shape == (2, 4) and np.isfinite(prediction.boxes_xyxy).all()


def test_overlap_of_distances():
    target = torch.tensor([10.0, 10, 10, 10]).view(1, 4, 1, 1)
    assert float(ltrb_overlap(target / 2, target)) == pytest.approx(0.25)
    assert float(ltrb_overlap(target, target)) == pytest.approx(1.0)
    assert float(ltrb_overlap(target, -target)) == 0


def test_focal_loss_is_least_where_scores_are_the_overlaps():
    label = torch.tensor([0.0, 0.7])
    exact = overlap_focal(torch.logit(torch.tensor([1e-4, 0.7])), label)
    assert float(exact) < 1e-3
    assert float(overlap_focal(torch.logit(torch.tensor([1e-4, 0.95])), label)) > 10 * float(exact)
    hard, easy = (overlap_focal(torch.tensor([score, 0.8473]), label) for score in (2.0, -2.0))
    assert hard > 20 * easy
