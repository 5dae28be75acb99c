"""What rounds of self-training can train: families as their configs say, and one line for those
that learn nothing from a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from usot_plugin.discovery.config_file import load_discovery
from usot_plugin.self_training.rounds import main, plan_rounds
from usot_plugin.utils.config import ConfigError, load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
PLAIN, MASKS = (
    load_discovery(CONFIGS / f'discovery/{name}.py')[0] for name in ('default', 'masks')
)
ONE_STAGE = ('tools/train.py', 'train_dataloader.dataset')


def plan(name: str, discovery=PLAIN, rounds: int = 2, **options) -> tuple[str, str]:
    return plan_rounds(
        load_config(CONFIGS / f'{name}.py', options), f'{name}.py', discovery, rounds
    )


@pytest.mark.parametrize(
    'name', ['usot_quick', 'udt_quick', 'cyclesiam_quick', 'siamfc_quick_discovered']
)
def test_families_that_learn_from_the_boxes_of_a_table(name):
    assert plan(f'quick/{name}') == ONE_STAGE


def test_stages_have_their_own_tool_and_the_first_gets_the_table():
    assert plan('quick/pul_quick') == (
        'tools/train_pul.py',
        'discrimination.train_dataloader.dataset',
    )


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (
            'quick/s2siamfc_quick',
            "train_dataloader.dataset: its boxes are those of box_source 'RandomBoxes'",
        ),
        (
            'quick/udt_quick_random-boxes',
            "its boxes are those of box_source 'RandomBoxes'",
        ),
        (
            'udt/udt',
            "train_dataloader.dataset: its boxes are those of box_source 'CentreBoxes'",
        ),
        ('usot_r50', 'QuotaMixture takes no table and crop store'),
        (
            's2siamfc/siamfc_supervised',
            'CocoVIDDataset brings its own boxes and images, so it takes no crop_store, table',
        ),
        (
            'cyclesiam/siammask_published',
            'no train_dataloader.dataset, so there is nothing to train',
        ),
    ],
)
def test_what_learns_nothing_from_a_table_is_refused(name, message):
    with pytest.raises(ConfigError) as refused:
        plan(name)
    text = str(refused.value)
    assert text.startswith(f'{name}.py: ') and message in text and '\n' not in text


def test_frames_and_crops_exclude_each_other():
    with pytest.raises(ConfigError, match='frame_root and a crop store exclude each other'):
        plan('quick/usot_quick', **{'train_dataloader.dataset.frame_root': 'frames'})


def test_masks_are_those_of_discovery():
    name = 'quick/cyclesiam-plus_quick'
    for discovery, rounds in ((PLAIN, 1), (PLAIN, 2), (MASKS, 2)):
        with pytest.raises(
            ConfigError, match=r'needs masks.*: DISCOVERY=configs/discovery/masks\.py ROUNDS=1'
        ):
            plan(name, discovery, rounds)
    assert plan(name, MASKS, 1) == ONE_STAGE


def test_the_command_prints_tool_and_key_or_one_line(capsys):
    discovery = str(CONFIGS / 'discovery/default.py')
    assert main([str(CONFIGS / 'quick/udt_quick.py'), discovery]) == 0
    assert capsys.readouterr().out.split() == list(ONE_STAGE)
    options = ['--cfg-options', 'train_dataloader.dataset.box_source=random']
    assert main([str(CONFIGS / 'quick/udt_quick.py'), discovery, *options]) == 2
    assert capsys.readouterr().err.startswith(
        f'error: {CONFIGS}/quick/udt_quick.py: cannot be trained in rounds: '
    )
    assert main([str(CONFIGS / 'quick/udt_quick.py'), discovery.replace('default', 'defualt')]) == 2
    assert "did you mean 'default.py'?" in capsys.readouterr().err
