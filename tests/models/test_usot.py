"""The model as MMEngine sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from usot_plugin.models import USOT
from usot_plugin.models.necks.cycle_memory import CycleMemoryNeck
from usot_plugin.registry import MODELS
from usot_plugin.structures.sot_sample import SOTSample
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.schedule import value_at

from .usot_parity import GOLDEN, usot_config


def group(memory: int = 0):
    inputs = {
        'template': torch.randint(0, 255, (3, 127, 127), dtype=torch.uint8),
        'search': torch.randint(0, 255, (3, 255, 255), dtype=torch.uint8),
    }
    if memory:
        inputs['memory'] = torch.randint(0, 255, (memory, 3, 255, 255), dtype=torch.uint8)
    sample = SOTSample(metainfo=dict(clip='a', frame_index=0))
    sample.set_boxes('template_box_xyxy', [40, 40, 90, 80])
    sample.set_boxes('search_box_xyxy', [100, 110, 150, 150])
    return {'inputs': inputs, 'data_samples': sample}


def collate(groups):
    return {key: [item[key] for item in groups] for key in groups[0]}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(dict(type='USOT', **usot_config('small', legacy=False)))


@pytest.mark.parametrize(
    ('epoch', 'names'), [(4, {'loss_reg', 'loss_cls'}), (5, {'loss_reg', 'loss_cls', 'loss_mem'})]
)
def test_cycle_stage_begins_with_its_epoch(model, epoch, names):
    model.set_epoch(epoch)
    losses = model(**model.data_preprocessor(collate([group(2), group(2)]), True), mode='loss')
    assert set(losses) == names and all(torch.isfinite(v) for v in losses.values())


def test_a_stage_that_nobody_told_is_refused(model):
    batch = model.data_preprocessor(collate([group(2)]), True)
    with pytest.raises(ConfigError, match='USOT: nobody told the epoch'):
        model(**batch, mode='loss')
    naive = USOT(**usot_config('small', train_cfg=dict(cycle_start_epoch=None)))
    assert set(naive(**batch, mode='loss')) == {'loss_reg', 'loss_cls'}


def test_every_parameter_of_the_cycle_stage_gets_a_gradient(model):
    model.set_epoch(5)
    losses = model(**model.data_preprocessor(collate([group(2), group(2)]), True), mode='loss')
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.process
@torch.no_grad()
def test_a_compiled_model_is_not_compiled_anew_in_every_epoch(model):
    graphs = []
    compiled = torch.compile(
        model.forward, backend=lambda graph, inputs: graphs.append(graph) or graph.forward
    )
    batch = model.data_preprocessor(collate([group(), group()]), True)
    for epoch in (0, 1, 4):  # one stage
        model.set_epoch(epoch)
        compiled(**batch, mode='loss')
    assert len(graphs) == 1


def test_cycle_stage_without_memory_frames_is_named(model):
    model.set_epoch(5)
    with pytest.raises(KeyError, match='no memory frames'):
        model(**model.data_preprocessor(collate([group()]), True), mode='loss')


def test_naive_model_never_enters_the_cycle_stage():
    model = USOT(**usot_config('small', train_cfg=dict(cycle_start_epoch=None)))
    model.set_epoch(99)
    assert not model.in_cycle_stage


def test_unknown_train_key_is_refused():
    with pytest.raises(ValueError, match='cycle_start'):
        USOT(**usot_config('small', train_cfg=dict(cycle_start=3)))


def test_predict_mode_points_to_the_trackers(model):
    with pytest.raises(ValueError, match='build a tracker'):
        model({}, [], mode='predict')


def test_preprocessor_normalises_with_given_statistics():
    preprocessor = MODELS.build(
        dict(type='SOTDataPreprocessor', mean=[100, 110, 120], std=[10, 20, 30])
    )
    data = preprocessor(
        {
            'inputs': [{'search': torch.full((3, 2, 2), 130, dtype=torch.uint8)}],
            'data_samples': [None],
        }
    )
    assert data['inputs']['search'][0, :, 0, 0].tolist() == pytest.approx([3, 1, 1 / 3])


def test_an_untrained_head_predicts_the_initial_distance():
    model = USOT(
        **usot_config('small', head=dict(type='USOTHead', channels=16, initial_distance_px=32.0))
    )
    torch.nn.init.zeros_(model.head.reg_conv.weight)
    torch.nn.init.zeros_(model.head.reg_conv.bias)
    _, ltrb = model.head.predict(
        model.head.encode_search(torch.rand(1, 16, 31, 31)),
        model.head.encode_template(torch.rand(1, 16, 7, 7)),
    )
    assert torch.allclose(ltrb, torch.full_like(ltrb, 32.0))


def test_equal_entries_are_worth_their_multiplicity():
    torch.manual_seed(0)
    neck = CycleMemoryNeck(4).eval()
    a, b = torch.rand(1, 1, 4, 5, 5), torch.rand(1, 1, 4, 5, 5)
    repeated = neck(torch.cat([a, b, b, b], dim=1))
    merged = neck(torch.cat([a, b, a], dim=1), torch.tensor([[1, 3, 0]]))
    assert torch.allclose(repeated, merged, atol=1e-6)


def test_schedule_steps_at_its_epochs():
    schedule = [(0, 0.6), (7, 0.5), (10, 0.4)]
    assert [value_at(schedule, epoch) for epoch in (0, 6, 7, 9, 10, 30)] == [
        0.6,
        0.6,
        0.5,
        0.5,
        0.4,
        0.4,
    ]
    with pytest.raises(ValueError, match='from epoch 0'):
        value_at([(3, 1.0)], 5)


@pytest.mark.parametrize('epoch', [1, 5, 6, 7, 8, 9, 10, 11, 30])
def test_weights_of_every_stage_are_those_of_the_release(epoch):
    # train_schedule.json: the release's values, made by running its schedule; its epochs count from
    # 1.
    golden = json.loads((GOLDEN / 'train_schedule.json').read_text(encoding='utf-8'))[epoch - 1]
    train_cfg = Config.fromfile(
        Path(__file__).parents[2] / 'configs/usot_r50.py'
    ).model.train_cfg.to_dict()
    model = USOT(**usot_config('small', train_cfg=train_cfg))
    model.set_epoch(epoch - 1)
    model.head.loss_cls.forward = model.head.loss_reg.forward = lambda *maps: torch.ones(())
    with torch.no_grad():
        losses = model(**model.data_preprocessor(collate([group(1), group(1)]), True), mode='loss')
    weights = [
        float(losses['loss_reg']),
        float(losses['loss_cls']),
        float(losses.get('loss_mem', 0)),
    ]
    assert golden['epoch'] == epoch and model.in_cycle_stage == golden['cycle']
    assert weights == pytest.approx([golden['w_reg'], golden['w_cls'], golden['w_mem']], rel=1e-6)
    assert model.forward_cls_ratio == golden['cls_ratio']
