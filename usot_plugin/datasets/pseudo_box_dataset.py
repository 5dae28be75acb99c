"""Training groups from unlabeled (or annotated) clips."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ..registry import DATASETS, TASK_UTILS
from ..structures.boxes import is_valid
from ..structures.clip import ClipError
from ..utils.config import arguments_of
from .benchmarks.annotations import AnnotationError
from .boxes.box_sources import BoxSource
from .boxes.excluded_clips import RemainingTracks
from .frames.crop_store import StoredCrops
from .frames.frame_readers import DecodedFrames, FrameReader
from .samplers.frame_samplers import STAGES, FrameSampler, NoFrameError
from .track import Track
from .transforms.view import View

#: Short names of box sources, for one-word configs.
BOX_SOURCES = {
    'discovered': 'DiscoveredBoxes',
    'random': 'RandomBoxes',
    'centre': 'CentreBoxes',
    'entropy': 'EntropyBoxes',
    'saliency': 'SaliencyBoxes',
    'annotated': 'AnnotatedBoxes',
    'annotated_masks': 'AnnotatedMasks',
    'annotated_first_masks': 'AnnotatedFirstMasks',
}

#: Keeps the generator of track orders apart from those of samples, whose third number is an epoch.
_ORDER_STREAM = 2**31


class NoSampleError(RuntimeError):
    """No training sample can be made; the message names the last clip that was tried.

    Its only argument is the message, so that it passes from a loader process to the main one as
    what it is.
    """


@DATASETS.register_module()
class PseudoBoxDataset(BaseDataset):
    """Groups of template, search and memory images around the boxes of a box source.

    A sample is a pure function of (seed, epoch, index): it does not depend on the number of
    workers, and a resumed run that sets the epoch goes on as if it had never stopped. Epoch and
    stage live in shared memory, so that workers which outlive an epoch see them change.

    Args:
        box_source: One of :data:`BOX_SOURCES` ('discovered', 'random', 'annotated' ...), or the
            config of a :class:`BoxSource`, which is also given those of the next five keys that it
            takes; the others may stay for another box source.
        table: Pseudo-box table.
        clips: Folder of clips, or list of paths, for the sources that need no table.
        images: Folder of single images, or list of paths, for the same sources.
        video_root: Where the clips of the table are now; by default where they were at discovery.
        sequences: Benchmark data set (config) of 'annotated' and the two with masks.
        exclude: Clips that are left out, whatever the source: a text file with a name on each line,
            a list of names, or 'got10k_vot' for the 1000 sequences of GOT-10k that VOT2019 and
            later forbid to learn from.
        frame_sampler: Config of a :class:`FrameSampler`.
        crop_store: Read crops from this store (tools/build_crop_store.py) in place of the clips.
        frame_root: Read ``<frame_root>/<clip>/`` in place of the video, where there is such a
            folder.
        samples_per_epoch: Length of the data set; by default one sample for each track. Tracks are
            visited in random order, all of them once before any comes again, across epochs.
        seed: Of all random numbers.
        stage: First stage, 'naive' or 'cycle'; :meth:`set_stage` changes it.
        min_quality: A track is drawn if ``Q_v - corner_share / 3`` is at least this ...
        max_corner_share: ... and its corner share is below this. With both None the table's own
            column ``samplable`` decides.
        redraw_neighbours: In place of a track that must not be drawn, the best of this many is
            looked at ...
        redraw_radius: ... from those up to so many rows before or after ...
        redraw_tries: ... at most so many times (USOT release: best of 3 within +-30, 20 times);
            then the best one seen is taken.
        max_open_clips: Clips that each worker keeps open.
        max_failures: So many clips in a row may turn out unreadable (each is reported once) before
            a sample is given up.
        pipeline: Transforms; see :class:`ViewTransform` for what they get.
        indices, test_mode, lazy_init: As MMEngine's ``BaseDataset``; an index is a track.

    Raises:
        ValueError: A value is impossible, or a crop store is asked for with boxes that are not
            known beforehand, or masks where are none.
    """

    METAINFO = {'task_name': 'single_object_tracking'}

    def __init__(
        self,
        box_source: str | dict[str, Any] | BoxSource = 'discovered',
        table: str | Path | None = None,
        clips: str | Path | Sequence[str] | None = None,
        images: str | Path | Sequence[str] | None = None,
        video_root: str | Path | None = None,
        sequences: dict[str, Any] | None = None,
        exclude: str | Path | Sequence[str] | None = None,
        frame_sampler: dict[str, Any] | FrameSampler | None = None,
        crop_store: str | Path | None = None,
        frame_root: str | Path | None = None,
        samples_per_epoch: int | None = None,
        seed: int = 0,
        stage: str = 'naive',
        min_quality: float | None = None,
        max_corner_share: float | None = None,
        redraw_neighbours: int = 3,
        redraw_radius: int = 30,
        redraw_tries: int = 20,
        max_open_clips: int = 4,
        max_failures: int = 20,
        pipeline: Sequence = (),
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if samples_per_epoch is not None and samples_per_epoch < 1:
            raise ValueError(f'samples_per_epoch must be positive, got {samples_per_epoch}')
        if crop_store is not None and frame_root is not None:
            raise ValueError('give crop_store or frame_root, not both')
        self.box_source, self.exclude = box_source, exclude
        self._source_keys = {
            'table': table,
            'clips': clips,
            'images': images,
            'video_root': video_root,
            'sequences': sequences,
        }
        sampler = {'type': 'QualityFrames'} if frame_sampler is None else frame_sampler
        self.frame_sampler: FrameSampler = (
            TASK_UTILS.build(sampler) if isinstance(sampler, dict) else sampler
        )
        self.crop_store = crop_store
        self._reader: FrameReader = (
            StoredCrops(crop_store)
            if crop_store is not None
            else DecodedFrames(frame_root, max_open_clips)
        )
        self.samples_per_epoch, self.seed = samples_per_epoch, seed
        self.min_quality, self.max_corner_share = min_quality, max_corner_share
        self.redraw_neighbours = redraw_neighbours
        self.redraw_radius = redraw_radius
        self.redraw_tries = redraw_tries
        self.max_failures = max_failures
        #: Number that tells the parts of a mixture apart; part of every seed.
        self.stream = 0
        # A tensor in shared memory, unlike a multiprocessing value, can also be copied and pickled.
        self._shared = torch.zeros(2, dtype=torch.int64).share_memory_()
        self.set_stage(stage)
        self._order: tuple[int, np.ndarray] | None = None
        self._reported: set[str] = set()
        super().__init__(
            pipeline=list(pipeline), indices=indices, test_mode=test_mode, lazy_init=lazy_init
        )

    # --- MMEngine ---------------------------------------------------------------------------------

    def load_data_list(self) -> list[dict]:
        """One small entry a track; the tracks themselves stay with the box source."""
        self.source = _build_source(self.box_source, self._source_keys)
        if self.exclude:
            self.source = RemainingTracks(self.source, self.exclude)
        if self.crop_store is not None and not self.source.fixed:
            raise ValueError(
                f'crop_store: {type(self.source).__name__} finds its boxes in full frames, so '
                'crops cannot be stored for it'
            )
        if self.frame_sampler.first_with_mask and self.source.why_no_masks:
            raise ValueError(f'frame_sampler.first_with_mask: {self.source.why_no_masks}')
        margin = self.source.sequence_quality - self.source.corner_share / 3
        if self.min_quality is None and self.max_corner_share is None:
            self._good = self.source.samplable
        else:
            self._good = (margin >= (self.min_quality or 0)) & (
                self.source.corner_share < (self.max_corner_share or np.inf)
            )
        self._margin = margin
        if not self._good.any():
            raise ValueError(
                f'{type(self.source).__name__}: none of its {len(self.source)} tracks is good '
                'enough to be drawn'
            )
        return [{'row': row} for row in range(len(self.source))]

    @property
    def track_count(self) -> int:
        """Number of tracks."""
        return super().__len__()

    def __len__(self) -> int:
        """Samples of one epoch."""
        return self.samples_per_epoch or self.track_count

    def __getitem__(self, idx: int) -> Any:
        if not self._fully_initialized:
            self.full_init()
        if not 0 <= idx < len(self):
            raise IndexError(f'sample {idx} is outside 0..{len(self) - 1}')
        return self.prepare_data(idx)

    def prepare_data(self, idx: int) -> Any:
        """Sample ``idx`` of the current epoch after the pipeline.

        Raises:
            NoSampleError: More than ``max_failures`` clips in a row could not be read.
        """
        epoch = self.epoch
        self.frame_sampler.set_epoch(epoch)
        for attempt in range(self.max_failures + 1):
            rng = np.random.default_rng([self.seed, self.stream, epoch, idx, attempt])
            start = (
                self._ordered_track(epoch * len(self) + idx)
                if attempt == 0
                else int(rng.integers(self.track_count))
            )
            try:
                return self.pipeline(self._group(self._good_row(start, rng), rng))
            except (ClipError, AnnotationError, NoFrameError) as error:
                self._report(error)
                last = error
        raise NoSampleError(
            f'{self.max_failures + 1} clips in a row could not be used; the last: {last}'
        ) from last

    # --- epoch and stage --------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Epoch, 0-based, that samples are drawn for."""
        return int(self._shared[0])

    def set_epoch(self, epoch: int) -> None:
        """Draw the samples of this epoch from now on, in running workers too."""
        self._shared[0] = epoch

    @property
    def stage(self) -> str:
        """'naive' (no memory frames) or 'cycle'."""
        return STAGES[int(self._shared[1])]

    def set_stage(self, stage: str) -> None:
        """Change the stage, in running workers too.

        Raises:
            ValueError: No such stage.
        """
        if stage not in STAGES:
            raise ValueError(f'stage is one of {STAGES}, got {stage!r}')
        self._shared[1] = STAGES.index(stage)

    # --- drawing ----------------------------------------------------------------------------------

    def _ordered_track(self, position: int) -> int:
        """Track at a position of the endless visiting order: one random permutation after
        another."""
        round_number, at = divmod(position, self.track_count)
        if (
            self._order is None
            or self._order[0] != round_number
            or len(self._order[1]) != self.track_count
        ):
            rng = np.random.default_rng([self.seed, self.stream, _ORDER_STREAM, round_number])
            self._order = (round_number, rng.permutation(self.track_count).astype(np.int32))
        return int(self._order[1][at])

    def _good_row(self, track_index: int, rng: np.random.Generator) -> int:
        """Row of the source: the track itself, or a better neighbour if it must not be drawn."""
        row = self.get_data_info(track_index)['row']
        best = row
        for _ in range(self.redraw_tries):
            if self._good[row]:
                return row
            low = max(0, track_index - self.redraw_radius)
            high = min(self.track_count, track_index + self.redraw_radius + 1)
            drawn = [
                self.get_data_info(int(i))['row']
                for i in rng.integers(low, high, self.redraw_neighbours)
            ]
            row = max(drawn, key=lambda r: self._margin[r])
            best = max(best, row, key=lambda r: (self._good[r], self._margin[r]))
        return best

    def _group(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """The views of one group before the pipeline."""
        track = self._reader.complete(self.source.track(row))
        drawn = self.frame_sampler.draw(track, rng, self.stage)
        frames = list(dict.fromkeys(index for group in drawn.values() for index in group))
        boxes = self.source.boxes(
            track, frames, lambda index: self._reader.frame(track, index), rng
        )
        if not is_valid(boxes).all():
            raise NoFrameError(f'{track.clip}: empty box in one of the frames {frames}')
        views = self._read(track, dict(zip(frames, boxes, strict=True)))
        return {
            'clip': track.clip,
            'object_id': track.object_id,
            'views': {name: [views[index] for index in group] for name, group in drawn.items()},
            'view_names': self.frame_sampler.view_names,
            'rng': rng,
        }

    def _read(self, track: Track, boxes: dict[int, np.ndarray]) -> dict[int, View]:
        # Ascending, because a video is decoded forward from a key frame.
        return {
            index: replace(
                self._reader.view(track, index, boxes[index]), box_mask=track.box_mask(index)
            )
            for index in sorted(boxes)
        }

    def _report(self, error: Exception) -> None:
        """Name each unusable clip once in each process."""
        text = str(error)
        if text not in self._reported:
            self._reported.add(text)
            print_log(
                f'training draws another clip: {text}', logger='current', level=logging.WARNING
            )


def _build_source(source: str | dict[str, Any] | BoxSource, keys: dict[str, Any]) -> BoxSource:
    """The box source, given those of the data set's ``keys`` that it takes: a config may hold the
    keys of several sources."""
    if isinstance(source, BoxSource):
        return source
    if isinstance(source, str):
        if source not in BOX_SOURCES:
            raise ValueError(
                f'box_source is one of {sorted(BOX_SOURCES)} or a config, got {source!r}'
            )
        own, name = {'type': BOX_SOURCES[source]}, source
    else:
        own, name = dict(source), source['type']
    kind = TASK_UTILS.get(own['type']) if isinstance(own['type'], str) else own['type']
    taken = None if kind is None else arguments_of(kind)
    given = {
        key: value
        for key, value in keys.items()
        if value is not None and (taken is None or key in taken)
    } | own
    needed = {} if kind is None else inspect.signature(kind).parameters
    for key in keys.keys() & needed.keys() - given.keys():
        if needed[key].default is inspect.Parameter.empty:
            raise ValueError(f'box_source={name!r} needs {key}=...')
    return TASK_UTILS.build(given)


def without_source_keys(owner: type, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a data set that brings its own boxes and images.

    Raises:
        ValueError: One of them says where :class:`PseudoBoxDataset` takes boxes or images from.
    """
    given = sorted(
        {
            'box_source',
            'table',
            'clips',
            'images',
            'video_root',
            'sequences',
            'crop_store',
            'frame_root',
        }
        & kwargs.keys()
    )
    if given:
        raise ValueError(
            f'{owner.__name__} brings its own boxes and images, so it takes no {", ".join(given)}'
        )
    return kwargs
