"""PUL-style training from one config: background discrimination, pair mining, and training on the
mined pairs.

Each stage leaves its result in a folder and is skipped where that is there; a killed run goes on
inside the stage it was in. Below ``shared_dir`` lie ``discrimination/`` (a work directory of
MMEngine), ``pairs/`` (a pseudo-box table with evidence) and ``pair_crops/``; configs that differ in
the last stage alone share them.

Several processes train stages 1 and 3 together and share out the clips of stage 2, by number: what
is mined from a clip does not depend on how many there are.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import barrier, get_dist_info, is_main_process
from mmengine.registry import MODELS

from usot_plugin.datasets import DiscoveredBoxes, PseudoBoxDataset
from usot_plugin.datasets.boxes.box_sources import BoxSource
from usot_plugin.datasets.frames.frame_readers import DecodedFrames
from usot_plugin.datasets.frames.store_building import build_crop_store, tracks_by_clip
from usot_plugin.datasets.samplers.mined_pairs import (
    MinedChain,
    chain_track,
    estimate_alpha,
    evidence_file,
    read_chains,
    write_chains,
)
from usot_plugin.datasets.track import Track
from usot_plugin.discovery.table.format import (
    DROPPED,
    KEPT,
    SKIPPED,
    TableInfo,
    open_parquet,
    part_bytes,
    part_name,
    read_info,
    track_columns,
)
from usot_plugin.discovery.table.reading import read_table
from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import ClipError
from usot_plugin.utils.atomic import write_bytes, write_text
from usot_plugin.utils.checkpoint import load_weights, weights_digest
from usot_plugin.utils.cli import Output, output
from usot_plugin.utils.config import ConfigError, nearest
from usot_plugin.utils.folder_lock import folder_lock
from usot_plugin.utils.json_text import parse_json

from .distributed import work_dir_lock
from .pair_mining import MiningConfig, PairMiner, anchor_frames
from .training_loops import use_resumable_loop
from .training_run import build_runner, latest_checkpoint, train

#: Keys of the config that are not the Runner's.
STAGE_KEYS = ('discrimination', 'mining', 'shared_dir')
#: Parts of the config that the result of a training depends on.
TRAINED_WITH = (
    'model',
    'train_dataloader.dataset',
    'train_dataloader.batch_size',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'load_from',
    'randomness',
)
#: File in the folder of a training that says what it was made with.
RECORD = 'made_with.json'


class PULStages:
    """The three stages of one config.

    Args:
        cfg: Config of the last stage; ``discrimination`` is merged into it for the first,
            ``mining`` holds :class:`MiningConfig` with ``frame_root`` (folders of extracted frames)
            and ``store_crops`` (whether the last stage reads stored crops), ``shared_dir`` is where
            the first two stages lie, ``cfg.work_dir`` by default.
        config: Its file, for messages.

    Raises:
        ConfigError: A part of the config is missing or means nothing.
    """

    def __init__(self, cfg: Config, config: str) -> None:
        missing = [key for key in ('discrimination', 'mining') if not cfg.get(key)]
        if missing:
            raise ConfigError(
                f'{config}: no key {missing[0]!r}; train_pul.py takes configs like '
                'configs/pul/alexpul.py'
            )
        self.cfg, self.config = cfg, config
        self.shared = Path(cfg.get('shared_dir') or cfg.work_dir)
        options = dict(cfg.mining)
        self.frame_root = options.pop('frame_root', None)
        self.store_crops = options.pop('store_crops', True)
        known = [field.name for field in fields(MiningConfig)]
        for key in options:
            if key not in known:
                raise ConfigError(f'{config}: mining: no setting {key!r}{nearest(key, known)}')
        try:
            self.mining = MiningConfig(**options)
        except ValueError as error:
            raise ConfigError(f'{config}: {error}') from error

    def run(self) -> None:
        """All stages, as far as they are not done.

        Raises:
            FolderInUseError: Another run works in the work dir, or in the first two stages.
        """
        # As far as it can be said by now: better than after the hours of the first two stages.
        last = self._without_stage_keys()
        self._finished(last, _made_with(last), '--work-dir')
        launcher = self.cfg.get('launcher', 'none')
        with work_dir_lock(self.cfg.work_dir, launcher):
            with work_dir_lock(self.shared, launcher):  # of other configs, too
                checkpoint = self.discriminate()
                pairs = self.mine(checkpoint)
            self.train(checkpoint, pairs)

    # --- stage 1 ----------------------------------------------------------------------------------

    def discriminate(self) -> Path:
        """Train for background discrimination; returns the checkpoint."""
        cfg = self._stage1_config()
        made_with = _made_with(cfg)
        checkpoint = self._finished(cfg, made_with, 'shared_dir')
        return checkpoint or self._train(cfg, made_with, 'stage 1, background discrimination')

    def _stage1_config(self) -> Config:
        cfg = self._without_stage_keys()
        cfg.merge_from_dict(deepcopy(self.cfg.discrimination.to_dict()))
        cfg.work_dir = str(self.shared / 'discrimination')
        return cfg

    # --- stage 2 ----------------------------------------------------------------------------------

    def mine(self, checkpoint: Path) -> Path:
        """Mine pairs from every clip that has no part yet; returns the table.

        Raises:
            ConfigError: Not one pair was mined, or the folder holds pairs of something else.
        """
        table = self.shared / 'pairs'
        dataset = self._mining_dataset()
        model = MODELS.build(self._stage1_config().model)
        load_weights(model, str(checkpoint))
        miner = PairMiner(model.to(get_device()), self.mining)
        info = TableInfo({'pair_mining': dict(vars(self.mining)), 'weights': weights_digest(model)})
        reader = DecodedFrames(self.frame_root)
        if is_main_process():
            _clear_fruitless(table, info)
        barrier()
        rank, processes = get_dist_info()
        clips = []
        for number, tracks in enumerate(tracks_by_clip(dataset.source)):
            name = tracks[0].clip
            part = table / part_name(name)
            clips.append(name)
            if number % processes != rank:
                continue
            if part.exists():
                _check_same_mining(part, info)
                continue
            rows, chains = _mine_clip(
                miner, dataset.source, reader, tracks, np.random.default_rng([dataset.seed, number])
            )
            write_chains(evidence_file(table, name), chains)
            write_bytes(part, part_bytes(rows, info))  # last: it says that the clip is done
            _tell(f'stage 2, {name}: {len(chains)} instances, {sum(map(len, chains))} pairs')
        barrier()
        self._report(
            table, [chain for name in clips for chain in read_chains(evidence_file(table, name))]
        )
        return table

    def _mining_dataset(self) -> PseudoBoxDataset:
        options = deepcopy(self.cfg.discrimination.train_dataloader.dataset.to_dict())
        options.pop('_delete_', None)
        try:
            dataset = DATASETS.build({**options, 'pipeline': [], 'crop_store': None})
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f'{self.config}: discrimination.train_dataloader.dataset: {error}'
            ) from error
        if not isinstance(dataset, PseudoBoxDataset):
            raise ConfigError(
                f'{self.config}: pairs are mined from a PseudoBoxDataset, got '
                f'{type(dataset).__name__}'
            )
        return dataset

    def _report(self, table: Path, chains: list[MinedChain]) -> None:
        pairs = sum(map(len, chains))
        ends = ', '.join(
            f'{count} {end}' for end, count in Counter(chain.end for chain in chains).most_common()
        )
        if not pairs:
            raise ConfigError(
                f'{table}: not one pair was mined from {len(chains)} instances (they ended by: '
                f'{ends or "nothing"}); lower '
                'mining.min_similarity, raise mining.max_return_px, or train stage 1 for longer'
            )
        if pairs < self.mining.wanted_pairs:
            _say(
                f'warning: only {pairs} pairs were mined, mining.wanted_pairs is '
                f'{self.mining.wanted_pairs}'
            )
        _say(
            f'stage 2: {pairs} pairs of {sum(len(chain) > 0 for chain in chains)} of '
            f'{len(chains)} instances in {table}; ends: {ends}'
        )
        _say(
            f'look at them: python tools/analysis/browse_pairs.py {table} --out '
            f'{table.parent / "pair_gallery"}'
        )

    # --- stage 3 ----------------------------------------------------------------------------------

    def train(self, checkpoint: Path, pairs: Path) -> None:
        """Train on the mined pairs, from the weights of stage 1."""
        cfg = self._without_stage_keys()
        # Before anything is filled in: the mining says what the pairs are, wherever they lie.
        made_with = _made_with(
            cfg,
            {
                'table of pairs': read_table(pairs).info.config,
                'mining.store_crops': self.store_crops,
            },
        )
        if self._finished(cfg, made_with, '--work-dir'):
            _say(f'stage 3 is done: {cfg.work_dir}')
            return
        source = DiscoveredBoxes(pairs)
        dataset = cfg.train_dataloader.dataset
        dataset.table = str(pairs)
        if self.store_crops:
            dataset.crop_store = str(self.shared / 'pair_crops')
            if is_main_process():
                with folder_lock(self.shared):
                    report = build_crop_store(source, dataset.crop_store, workers=0)
                _say(f'crops of {report.clips} clips stored, {report.skipped} were there')
            barrier()
        elif self.frame_root is not None:
            dataset.frame_root = str(self.frame_root)
        if 'alpha_px2' in cfg.model.get('loss', {}) and cfg.model.loss.alpha_px2 is None:
            names = dict.fromkeys(source.track(row).clip for row in range(len(source)))
            cfg.model.loss.alpha_px2 = estimate_alpha(
                [chain for name in names for chain in read_chains(evidence_file(pairs, name))]
            )
            _say(
                f'noise of the mined centres: alpha = {cfg.model.loss.alpha_px2:.1f} squared '
                'pixels on each axis'
            )
        cfg.load_from = str(checkpoint)
        self._train(cfg, made_with, 'stage 3, mined pairs')

    # --- all --------------------------------------------------------------------------------------

    def _without_stage_keys(self) -> Config:
        kept = {key: value for key, value in self.cfg.to_dict().items() if key not in STAGE_KEYS}
        return Config(deepcopy(kept), filename=self.cfg.filename)

    def _finished(self, cfg: Config, made_with: dict[str, Any], where: str) -> Path | None:
        """The checkpoint of a stage that is done; None where there is something left to train.

        Args:
            cfg: Config of the stage.
            made_with: What the stage is to be made with, see :func:`_made_with`.
            where: What names the folder on the command line or in the config.

        Raises:
            ConfigError: The folder holds checkpoints of other settings, be they of a whole training
                or of a part of one.
        """
        folder = Path(cfg.work_dir)
        if not any(folder.glob('*.pth')):
            return None  # whatever was tried here before has left nothing
        mend = f'name another {where}, or remove these checkpoints'
        if not (folder / RECORD).is_file():
            raise ConfigError(
                f'{folder}: has checkpoints, but no {RECORD} that says what they were made with; '
                f'{mend}'
            )
        known = parse_json((folder / RECORD).read_text(encoding='utf-8'))
        different = [key for key, value in made_with.items() if known.get(key) != value]
        if different:
            raise ConfigError(
                f'{folder}: made with another {different[0]} than {self.config} asks for; {mend}'
            )
        checkpoint = _last_checkpoint(cfg)
        return checkpoint if checkpoint.is_file() else None

    def _train(self, cfg: Config, made_with: dict[str, Any], title: str) -> Path:
        """Train, going on where a killed run stopped; returns the last checkpoint."""
        folder = Path(cfg.work_dir)
        folder.mkdir(parents=True, exist_ok=True)
        cfg.resume = latest_checkpoint(cfg.work_dir) is not None
        if cfg.resume:  # or MMEngine would resume from the weights that the first start was given
            cfg.load_from = None
        # Two Runners of one process must not share logs.
        cfg.experiment_name = f'{folder.name}_{time.time_ns()}'
        use_resumable_loop(cfg)
        _say(f'{title}: {cfg.work_dir}' + (' (goes on)' if cfg.resume else ''))
        barrier()  # all have seen the same checkpoints, or none, before a new one is written
        runner = build_runner(cfg, self.config)
        if is_main_process():
            write_text(folder / RECORD, json.dumps(made_with, indent=1))
        train(runner)
        barrier()  # the first process has written the last checkpoint
        checkpoint = _last_checkpoint(cfg)
        if not checkpoint.is_file():
            raise ConfigError(
                f'{self.config}: {title}: left no {checkpoint}; its CheckpointHook has to save '
                'the last epoch'
            )
        return checkpoint


def _made_with(cfg: Config, further: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the result of a training depends on, as JSON gives it back."""
    parts = {**{key: _nested(cfg, key) for key in TRAINED_WITH}, **(further or {})}
    return json.loads(json.dumps(parts, default=str))


def _last_checkpoint(cfg: Config) -> Path:
    return Path(cfg.work_dir, f'epoch_{cfg.train_cfg.max_epochs}.pth')


def _nested(cfg: Any, dotted: str) -> Any:
    """The value of a dotted key; None where there is none."""
    for key in dotted.split('.'):
        cfg = (cfg or {}).get(key)
    return cfg


def _mine_clip(
    miner: PairMiner,
    source: BoxSource,
    reader: DecodedFrames,
    tracks: list[Track],
    rng: np.random.Generator,
) -> tuple[list[dict[str, Any]], list[MinedChain]]:
    """Rows and chains of one clip; a clip that cannot be read gives a row that says so."""
    about = {'clip': tracks[0].clip, 'path': tracks[0].path, 'fingerprint': tracks[0].fingerprint}
    try:
        clip = reader.clip(tracks[0])
        anchors: dict[int, list[np.ndarray]] = {}
        for track in map(reader.complete, tracks):
            for index in anchor_frames(track.usable_frames(), miner.config):
                boxes = source.boxes(track, [index], partial(reader.frame, track), rng)
                anchors.setdefault(index, []).append(boxes[0])
        chains = miner.mine(clip, anchors)
    except (ClipError, ValueError) as error:
        print(f'warning: nothing mined: {error}', file=sys.stderr, flush=True)
        empty = {'width': 0, 'height': 0, 'fps': 0.0, 'frame_count': 0}
        return [_row({**about, **empty}, SKIPPED, 'clip cannot be used', None, str(error))], []
    size = {
        'width': clip.size_wh[0],
        'height': clip.size_wh[1],
        'fps': clip.fps,
        'frame_count': clip.frame_count,
    }
    rows = [
        _row({**about, **size}, KEPT if len(chain) else DROPPED, chain.end, chain, '', number)
        for number, chain in enumerate(chains)
    ]
    return rows or [
        _row({**about, **size}, SKIPPED, 'no instance', None, 'too short, or no usable box')
    ], chains


def _row(
    about: Mapping[str, Any],
    status: str,
    reason: str,
    chain: MinedChain | None,
    detail: str,
    number: int = 0,
) -> dict[str, Any]:
    track = None if chain is None else chain_track(chain, number)
    kept = status == KEPT
    return {
        **about,
        'status': status,
        'reason': '' if kept else reason,
        'detail': detail,
        'samplable': kept,
        **track_columns(track),
    }


def _clear_fruitless(table: Path, info: TableInfo) -> None:
    """Remove the parts of another mining that has found no pair at all, so that corrected settings
    need no other folder."""
    parts = sorted(table.glob('*.parquet'))
    if not parts:
        return
    found = read_table(table)
    if found.info.differences(info) and not found.column('samplable').any():
        for part in parts:
            part.unlink()


def _check_same_mining(part: Path, info: TableInfo) -> None:
    """Refuse pairs of another network or of other settings.

    Raises:
        ConfigError: They are.
    """
    with open_parquet(part) as file:
        different = read_info(file.schema_arrow, part).differences(info)
    if different:
        raise ConfigError(
            f'{part.parent}: pairs of another mining ({different[0]}); name another shared_dir, '
            'or remove this folder'
        )


def _say(text: str) -> None:
    """What all processes know, said once."""
    if is_main_process():
        _tell(text)


def _tell(text: str) -> None:
    """What this process alone knows."""
    if output() is not Output.QUIET:
        print(text, flush=True)
