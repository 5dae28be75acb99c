"""A second anchor-free head under cycle memory and on-line memory, with nothing changed but the
config."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from usot_plugin.models.heads.anchor_free import AnchorFreeHead, HeadCodes
from usot_plugin.models.layers.correlation import correlate_depthwise
from usot_plugin.registry import MODELS
from usot_plugin.structures.sot_sample import SOTSample
from usot_plugin.testing.media import moving_square_frames
from usot_plugin.tracking import build_tracker

ROOT = Path(__file__).parents[2]
CONTRACT = ('encode_template', 'encode_memory', 'encode_search', 'predict', 'predict_memory')


def build(memory: bool = True):
    cfg = Config.fromfile(ROOT / 'configs/quick/usot_quick.py')
    cfg.merge_from_dict(
        {
            'model.head.type': 'DepthwiseHead',
            'model.neck.out_channels': 8,
            'model.head.channels': 8,
            'model.train_cfg.cycle_start_epoch': 1,
        }
    )
    if not memory:
        cfg.model.head.memory = None
    return MODELS.build(cfg.model)


def batch(memory: int):
    generator = torch.Generator().manual_seed(0)
    inputs = {
        'template': torch.rand(2, 3, 127, 127, generator=generator),
        'search': torch.rand(2, 3, 255, 255, generator=generator),
    }
    if memory:
        inputs['memory'] = torch.rand(2, memory, 3, 255, 255, generator=generator)
    sample = SOTSample()
    sample.set_boxes('template_box_xyxy', [40, 40, 88, 88])
    sample.set_boxes('search_box_xyxy', [96, 96, 160, 160])
    return inputs, [sample, sample]


def test_the_response_is_one_correlation_of_one_code():
    head = build().head.eval()
    search, template = torch.randn(1, 8, 31, 31), torch.randn(1, 8, 7, 7)
    codes = head.encode_search(search), head.encode_template(template)
    assert [code.shape[-1] for code in (codes[0].cls[0], codes[1].cls[0])] == [29, 5]
    expected = correlate_depthwise(head.cls_search.conv(search), head.cls_template.conv(template))
    torch.testing.assert_close(head.cls_correlation(codes[0].cls, codes[1].cls), expected)
    logits, ltrb = head.predict(*codes)
    assert logits.shape == (1, 1, 25, 25) and ltrb.shape == (1, 4, 25, 25)


def test_cycle_memory_trains_every_branch():
    model = build().train()
    model.set_epoch(1)
    inputs, samples = batch(memory=2)
    losses = model(inputs, samples, mode='loss')
    assert set(losses) == {'loss_reg', 'loss_cls', 'loss_mem'}
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_on_line_memory_fills_and_serves_the_score():
    tracker = build_tracker(build().eval(), dict(type='USOTTracker'))
    frames, boxes = moving_square_frames(6)
    state = tracker.init(frames[0], boxes[:1])
    for frame in frames[1:]:
        prediction, state = tracker.update(frame, state)
    assert np.isfinite(prediction.boxes_xyxy).all()
    entries = state[0].memory.entries()
    assert len(entries) == tracker.memory_size
    assert [code.shape[-1] for entry in entries for code in entry] == [5] * len(entries), (
        'one code of 5x5 cells an entry'
    )


def test_equal_memory_entries_count_by_their_multiplicity():
    head = build().head.eval()
    search = head.encode_search(torch.randn(1, 8, 31, 31))
    codes = head.encode_memory(torch.randn(3, 8, 7, 7))
    twice = HeadCodes([code[[0, 1, 1, 2]] for code in codes.cls], None)
    torch.testing.assert_close(
        head.predict_memory(search, codes, 3, torch.tensor([[1, 2, 1]])),
        head.predict_memory(search, twice, 4),
    )


def test_without_memory_it_tracks_off_line():
    model = build(memory=False).eval()
    tracker = build_tracker(model, dict(type='USOTTracker'))
    frames, boxes = moving_square_frames(3)
    state = tracker.init(frames[0], boxes[:1])
    assert state[0].memory is None and tracker.memory_weight == 0
    prediction, _ = tracker.update(frames[1], state)
    assert np.isfinite(prediction.boxes_xyxy).all()
    with pytest.raises(RuntimeError, match='no memory branch'):
        model.head.predict_memory(HeadCodes([], []), HeadCodes([], None), 1)


@pytest.mark.parametrize('kind', ['USOTHead', 'DepthwiseHead'])
def test_heads_keep_the_contract(kind):
    cls = MODELS.get(kind)
    assert issubclass(cls, AnchorFreeHead)
    assert all(callable(getattr(cls, name)) for name in CONTRACT)
