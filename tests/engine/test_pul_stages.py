"""Mining a clip for the table: boxes from any source, rows for instances without a pair; and whose
results a stage takes for its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.engine.test_pair_mining import NET
from tests.utils.test_folder_lock import hold
from usot_plugin.datasets.boxes.box_sources import DiscoveredBoxes, RandomBoxes
from usot_plugin.datasets.frames.frame_readers import DecodedFrames
from usot_plugin.datasets.frames.store_building import tracks_by_clip
from usot_plugin.discovery.table.format import TableInfo, part_bytes
from usot_plugin.engine.pair_mining import MiningConfig, PairMiner
from usot_plugin.engine.pul_stages import PULStages, _mine_clip
from usot_plugin.models import BackgroundDiscriminator
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.folder_lock import FolderInUseError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp('stages')
    frames, boxes = moving_square_frames(8, (120, 90), side_px=26, step_px=2.0)
    write_table_part(
        folder / 'table', 'square', write_frames(folder / 'square', frames), pseudo_track(boxes)
    )
    return folder / 'table'


def mined(source, config: MiningConfig, seed: int = 0):
    torch.manual_seed(0)
    miner = PairMiner(BackgroundDiscriminator(**NET), config)
    (tracks,) = tracks_by_clip(source)
    return _mine_clip(miner, source, DecodedFrames(), tracks, np.random.default_rng(seed))


LENIENT = MiningConfig(anchors=2, clip_frames=2, min_similarity=-1, max_return_px=500.0)


def test_random_regions_are_instances_too_and_repeat_with_the_seed(clips):
    source = RandomBoxes(table=clips, share=(0.2, 0.3))
    rows, chains = mined(source, LENIENT)
    assert len(chains) == 2 and [row['object_id'] for row in rows] == [0, 1]
    again = mined(source, LENIENT)[1]
    other = mined(source, LENIENT, seed=1)[1]
    assert np.array_equal(again[0].boxes_xyxy, chains[0].boxes_xyxy)
    assert not np.array_equal(other[0].boxes_xyxy, chains[0].boxes_xyxy)


def test_an_instance_without_a_pair_is_a_dropped_row_that_says_why(clips):
    rows, chains = mined(
        DiscoveredBoxes(clips), MiningConfig(anchors=2, max_return_px=1e-9, min_similarity=-1)
    )
    assert [(row['status'], row['reason'], row['samplable']) for row in rows] == [
        ('dropped', 'no way back', False)
    ] * 2
    assert [len(chain) for chain in chains] == [0, 0]
    assert part_bytes(rows, TableInfo({})) == part_bytes(rows, TableInfo({}))


def test_a_clip_too_short_for_a_pair_has_a_row(clips, tmp_path):
    frames, boxes = moving_square_frames(1, (120, 90))
    write_table_part(
        tmp_path / 'table', 'still', write_frames(tmp_path / 'still', frames), pseudo_track(boxes)
    )
    (row,), chains = mined(DiscoveredBoxes(tmp_path / 'table'), LENIENT)
    assert (row['status'], row['reason'], row['frame_count']) == (
        'skipped',
        'no instance',
        1,
    ) and chains == []


class Trainings:
    """In place of MMEngine's Runner: each run leaves the checkpoints of so many epochs, or fails
    before it."""

    def __init__(self, monkeypatch, epochs: int | None) -> None:
        self.epochs, self.configs = epochs, []
        monkeypatch.setattr('usot_plugin.engine.pul_stages.build_runner', self.build)

    def build(self, cfg, config):
        if self.epochs is None:
            raise ConfigError(f'{config}: no such table')
        self.configs.append(cfg)
        self.work_dir = cfg.work_dir
        return self

    def train(self):
        folder = Path(self.configs[-1].work_dir)
        for epoch in range(1, self.epochs + 1):
            (folder / f'epoch_{epoch}.pth').touch()
            (folder / 'last_checkpoint').write_text(str(folder / f'epoch_{epoch}.pth'))


def stages(folder: Path, **changes) -> PULStages:
    cfg = Config.fromfile(ROOT / 'configs/quick/pul_quick.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(folder / 'work'),
            'shared_dir': str(folder / 'shared'),
            'train_cfg.max_epochs': 2,
            **changes,
        }
    )
    cfg.merge_from_dict({'discrimination.train_cfg.max_epochs': 2})
    return PULStages(cfg, 'config.py')


OTHER_TABLE = {'discrimination.train_dataloader.dataset.table': 'other'}


@pytest.mark.process
@pytest.mark.parametrize('held', ['work', 'shared'])
def test_a_second_run_is_refused(tmp_path, monkeypatch, held):
    runs = Trainings(monkeypatch, 2)
    first = hold(tmp_path / held)
    try:
        with pytest.raises(FolderInUseError) as refused:
            stages(tmp_path).run()
    finally:
        first.kill()
        first.wait()
    assert refused.value.filename == str(tmp_path / held)
    assert f'by process {first.pid} on ' in refused.value.strerror
    assert not runs.configs


def test_a_first_stage_that_made_nothing_locks_nothing(tmp_path, monkeypatch):
    runs = Trainings(monkeypatch, None)
    with pytest.raises(ConfigError, match='no such table'):
        stages(tmp_path).discriminate()
    runs.epochs = 0  # stops in the first epoch
    with pytest.raises(ConfigError, match='left no'):
        stages(tmp_path).discriminate()
    runs.epochs = 2
    assert (
        stages(tmp_path, **OTHER_TABLE).discriminate()
        == tmp_path / 'shared/discrimination/epoch_2.pth'
    )
    assert [cfg.resume for cfg in runs.configs] == [False, False]


@pytest.mark.parametrize('epochs', [1, 2])
def test_a_first_stage_with_checkpoints_is_kept_from_other_settings(tmp_path, monkeypatch, epochs):
    runs = Trainings(monkeypatch, epochs)
    if epochs == 1:
        with pytest.raises(ConfigError, match='left no'):
            stages(tmp_path).discriminate()
    else:
        stages(tmp_path).discriminate()
    with pytest.raises(
        ConfigError,
        match='discrimination: made with another train_dataloader.dataset than config.py asks for',
    ):
        stages(tmp_path, **OTHER_TABLE).discriminate()
    runs.epochs = 2
    stages(tmp_path).discriminate()  # goes on, or is done
    assert [cfg.resume for cfg in runs.configs] == ([False, True] if epochs == 1 else [False])
    for checkpoint in (tmp_path / 'shared/discrimination').glob('*.pth'):
        checkpoint.unlink()  # as the refusal says
    stages(tmp_path, **OTHER_TABLE).discriminate()
    assert not runs.configs[-1].resume


def test_checkpoints_of_unknown_make_are_refused(tmp_path, monkeypatch):
    Trainings(monkeypatch, 2)
    (stages(tmp_path).discriminate().parent / 'made_with.json').unlink()
    with pytest.raises(ConfigError, match=r'has checkpoints, but no made_with\.json'):
        stages(tmp_path).discriminate()


def pairs_of(folder: Path, **mining) -> Path:
    """A table of one mined track."""
    boxes = moving_square_frames(4, (120, 90))[1]
    write_table_part(
        folder / 'pairs',
        'square',
        folder / 'square',
        pseudo_track(boxes),
        config={'pair_mining': mining, 'weights': 'abc'},
    )
    return folder / 'pairs'


@pytest.mark.parametrize('epochs', [1, 2])
@pytest.mark.parametrize(
    ('change', 'part'),
    [
        ({'model.loss.beta_px2': 49.0}, 'model'),
        ({'train_dataloader.dataset.seed': 5}, 'train_dataloader.dataset'),
        ({'train_cfg.max_epochs': 3}, 'train_cfg'),
        ({'randomness.seed': 1}, 'randomness'),
        ({'mining.store_crops': True}, 'mining.store_crops'),
        ({}, 'table of pairs'),
    ],
)
def test_a_last_stage_is_kept_from_other_settings(
    tmp_path, monkeypatch, capsys, epochs, change, part
):
    def train(pairs, **changes):
        stages(
            tmp_path, **{'mining.store_crops': False, 'model.loss.alpha_px2': 9.0, **changes}
        ).train(tmp_path / 'first.pth', pairs)

    runs, pairs = Trainings(monkeypatch, epochs), pairs_of(tmp_path / 'a', anchors=2)
    if epochs == 1:
        with pytest.raises(ConfigError, match='left no'):
            train(pairs)
    else:
        train(pairs)
    others = pairs if change else pairs_of(tmp_path / 'b', anchors=3)
    with pytest.raises(
        ConfigError,
        match=f'work: made with another {part} than config.py asks for; name another --work-dir',
    ):
        train(others, **change)
    runs.epochs = 2
    moved = pairs.rename(tmp_path / 'moved')
    train(moved)
    assert [cfg.resume for cfg in runs.configs] == ([False, True] if epochs == 1 else [False])
    # A run that goes on does so from its own checkpoint.
    assert [cfg.load_from for cfg in runs.configs] == [str(tmp_path / 'first.pth'), None][
        : len(runs.configs)
    ]
    assert ('stage 3 is done' in capsys.readouterr().out) == (epochs == 2)


def test_a_last_stage_of_other_settings_is_refused_before_the_first_begins(tmp_path, monkeypatch):
    runs = Trainings(monkeypatch, 2)
    stages(tmp_path, **{'mining.store_crops': False, 'model.loss.alpha_px2': 9.0}).train(
        tmp_path / 'first.pth', pairs_of(tmp_path)
    )
    with pytest.raises(ConfigError, match='work: made with another model'):
        stages(tmp_path, **{'model.loss.beta_px2': 49.0}).run()
    assert len(runs.configs) == 1
