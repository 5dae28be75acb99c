"""The code on the pages runs: every recipe of docs/recipes.md, and the config of every method
page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.datasets.synthetic.clips import render_clip, write_sequence
from usot_plugin.discovery.flow.base import build_flow
from usot_plugin.registry import DATASETS, METRICS, TASK_UTILS
from usot_plugin.structures.boxes import iou

ROOT = Path(__file__).parents[1]
SECTIONS = ('Add a tracker', 'Add a benchmark', 'Add a loss', 'Add a flow')
METHODS = ('usot', 'udt', 's2siamfc', 'pul', 'cyclesiam')


def code(page: str, heading: str) -> str:
    """The Python block below a heading of a page."""
    text = (ROOT / 'docs' / page).read_text(encoding='utf-8')
    section = re.split(rf'^## {heading}$', text, flags=re.MULTILINE)[1].split('\n## ')[0]
    (block,) = re.findall(r'```python\n(.*?)```', section, flags=re.DOTALL)
    return block


@pytest.fixture(scope='module')
def recipes():
    """Names that each recipe defines."""
    made = {}
    for heading in SECTIONS:
        names: dict = {'__name__': 'my_parts'}
        exec(compile(code('recipes.md', heading), heading, 'exec'), names)
        made[heading] = names
    yield made
    for registry, name in (
        (TASK_UTILS, 'TemplateMatch'),
        (TASK_UTILS, 'HalfSizeFlow'),
        (DATASETS, 'BirdsDataset'),
        (MODELS, 'FocalResponseLoss'),
    ):
        registry.module_dict.pop(name)


@pytest.mark.parametrize('heading', SECTIONS)
def test_a_recipe_is_short(heading):
    lines = [line for line in code('recipes.md', heading).splitlines() if line.strip()]
    assert len(lines) < 40


@pytest.fixture(scope='module')
def clip():
    return render_clip(3, frames=12, size_wh=(160, 120), occluders=0, scale_change=0.0)


@pytest.mark.usefixtures('recipes')
def test_the_tracker_follows_a_rendered_target(clip):
    frames, boxes = clip
    tracker = TASK_UTILS.build(dict(type='TemplateMatch'))
    state = tracker.init(frames[0], np.repeat(boxes[0, :1], 2, 0))
    for frame in frames[1:]:
        prediction, state = tracker.update(frame, state)
    assert prediction.boxes_xyxy.shape == (2, 4) and not prediction.lost.any()
    assert iou(prediction.boxes_xyxy[:1], boxes[0, -1:])[0] > 0.5
    assert len(tracker.concat([tracker.select(state, [1]), state])) == 3


def test_the_benchmark_reads_its_folder(recipes, clip, tmp_path):
    folder = write_sequence(tmp_path / 'wren', clip[0], clip[1][0])
    (folder / 'img').rename(folder / 'frames')
    (folder / 'groundtruth.txt').rename(folder / 'boxes.txt')
    names = recipes['Add a benchmark']
    options = dict(names['test_dataloader']['dataset'], data_root=tmp_path)
    dataset = DATASETS.build(options)
    np.testing.assert_allclose(dataset[0].boxes_xyxy, clip[1][0], atol=1e-3)
    assert dataset.metainfo['dataset_name'] == 'Birds'
    assert METRICS.build(names['test_evaluator'])
    assert TASK_UTILS.build(names['test_cfg']['protocol'])


def test_the_loss_fits_its_model(recipes, tmp_path):
    line = f'model = {recipes["Add a loss"]["model"]!r}\n'
    cfg = page_config(tmp_path, f"_base_ = 'configs/quick/siamfc_quick_discovered.py'\n{line}")
    loss = MODELS.build(cfg.model).response_loss
    logits = torch.zeros(2, 5, 5, requires_grad=True)
    label = torch.zeros(2, 5, 5)
    label[:, 2, 2] = 1
    value = loss(logits, label)
    assert value.item() == pytest.approx(0.25 * np.log(2), rel=1e-5), 'p = 1/2 everywhere'
    value.backward()
    assert logits.grad[0, 2, 2] < 0 < logits.grad[0, 0, 0]


def test_the_flow_finds_a_shift(recipes):
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (120, 160), np.uint8), (0, 0), 3)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
    flow = build_flow(recipes['Add a flow']['discovery']['flow'])
    inner = flow.flow(image, np.roll(image, (2, 4), (0, 1)))[30:-30, 30:-30]
    assert inner.shape == (60, 100, 2)
    np.testing.assert_allclose(np.median(inner, (0, 1)), (4, 2), atol=0.3)


def page_config(folder: Path, text: str):
    """A config file of a page beside the folder ``configs``, read."""
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    (folder / 'mine.py').write_text(text, encoding='utf-8')
    return Config.fromfile(folder / 'mine.py')


@pytest.mark.parametrize('name', METHODS)
def test_the_config_of_a_method_page_is_short_and_can_be_built(name, tmp_path):
    text = code(f'{name}.md', 'A config')
    assert len(text.splitlines()) <= 12
    cfg = page_config(tmp_path, text)
    assert cfg.train_dataloader.dataset.type
    with torch.device('meta'):
        MODELS.build(cfg.model)
    TASK_UTILS.get(cfg.model.test_cfg.type)


@pytest.mark.parametrize('name', METHODS)
def test_a_method_page_has_a_figure_and_a_failure(name):
    text = (ROOT / f'docs/{name}.md').read_text(encoding='utf-8')
    before, failure = text.split('\n## A failure\n')
    assert '](images/' in before.split('\n## ')[0], 'the figure is below the three sentences'
    assert '](images/' in failure.split('\n## ')[0]
