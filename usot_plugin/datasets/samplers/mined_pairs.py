"""Pairs of patches that a network found by itself: an instance in one frame, and what corresponds
to it in the frames after.

A chain is one instance with all its mined patches. Chains are kept in two forms: as rows of a
pseudo-box table, which everything that trains on tables reads, and as evidence beside each part
(``<part>.npz``), which says how sure each patch is and why a chain ended.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from usot_plugin.discovery.table.format import TableError, part_name
from usot_plugin.registry import TASK_UTILS
from usot_plugin.structures.pseudo_track import PseudoTrack
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.schedule import value_at

from ..track import Track
from .frame_samplers import FrameSampler, NoFrameError

#: A patch is kept however unsure it is once it has passed; crop stores leave out frames of quality
#: 0.
LEAST_PAIR_QUALITY = 0.01


@dataclass(frozen=True)
class MinedChain:
    """An instance and the patches mined for it, in ``N`` frames after its own.

    Attributes:
        frames: ``(N + 1,)`` int64 frames of the clip, the instance's first.
        boxes_xyxy: ``(N + 1, 4)`` float64, pixels of the frame, all of one size.
        similarity: ``(N,)`` cosine of each patch with the instance.
        forward_backward_px: ``(N,)`` how far from the instance the search back from each patch
            ends, pixels of the search crop.
        end: Why the chain is not longer.
    """

    frames: np.ndarray
    boxes_xyxy: np.ndarray
    similarity: np.ndarray
    forward_backward_px: np.ndarray
    end: str

    def __len__(self) -> int:
        return len(self.similarity)


def evidence_file(table: str | Path, clip: str) -> Path:
    """Where the chains of a clip lie beside its part of the table."""
    return Path(table) / f'{Path(part_name(clip)).stem}.npz'


def write_chains(path: Path, chains: Sequence[MinedChain]) -> None:
    """Write the chains of a clip, whole or not at all."""

    def joined(name: str, shape: tuple[int, ...]) -> np.ndarray:
        return np.concatenate([np.zeros(shape), *(getattr(chain, name) for chain in chains)])

    with whole_file(path) as temporary, temporary.open('wb') as stream:
        np.savez_compressed(
            stream,
            lengths=np.array([len(chain) for chain in chains], np.int64),
            frames=joined('frames', (0,)).astype(np.int64),
            boxes_xyxy=joined('boxes_xyxy', (0, 4)),
            similarity=joined('similarity', (0,)),
            forward_backward_px=joined('forward_backward_px', (0,)),
            end=np.array([chain.end for chain in chains], dtype=np.str_),
        )


def read_chains(path: Path) -> list[MinedChain]:
    """The chains of a clip.

    Raises:
        TableError: The file is missing or not one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            values = dict(content)
        pairs = np.cumsum(values['lengths'])[:-1]
        patches = np.cumsum(values['lengths'] + 1)[:-1]
        columns = (
            np.split(values['frames'], patches),
            np.split(values['boxes_xyxy'], patches),
            np.split(values['similarity'], pairs),
            np.split(values['forward_backward_px'], pairs),
            values['end'].tolist(),
        )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TableError(
            f'{path}: no file of mined pairs ({type(error).__name__}); mine this clip again'
        ) from error
    return (
        [MinedChain(*parts) for parts in zip(*columns, strict=True)]
        if len(values['lengths'])
        else []
    )


def chain_track(chain: MinedChain, object_id: int) -> PseudoTrack:
    """A chain as a row of a pseudo-box table; frames that were not looked at are nan.

    The frame quality is the similarity; the instance's own frame has quality 1.
    """
    first = int(chain.frames[0])
    length = int(chain.frames[-1] - chain.frames[0]) + 1
    at = chain.frames - first
    boxes = np.full((length, 4), np.nan, np.float32)
    boxes[at] = chain.boxes_xyxy
    quality = np.zeros(length, np.float32)
    quality[at] = np.clip(np.concatenate([[1.0], chain.similarity]), LEAST_PAIR_QUALITY, 1)
    mined = np.zeros(length, bool)
    mined[at] = True
    return PseudoTrack(
        object_id=object_id,
        first_frame=first,
        boxes_xyxy=boxes,
        evaluated=mined,
        picked=mined,
        frame_quality=quality,
        centrality=np.zeros(length, np.float32),
        fragment_first=np.full(length, first, np.int32),
        fragment_last=np.full(length, first + length - 1, np.int32),
        sequence_quality=float(quality[at].mean()),
        corner_share=0.0,
    )


def estimate_alpha(chains: Sequence[MinedChain]) -> float:
    """Variance of a mined centre on one axis, squared pixels of the search crop.

    The way back errs as much as the way there and independently of it, so the squared distance of
    the two together is four such variances: two ways, two axes. Pairs that came back too far off
    were dropped, which makes this a low estimate.

    Raises:
        ValueError: There is no pair.
    """
    errors = np.concatenate([np.zeros(0), *(chain.forward_backward_px for chain in chains)])
    if not len(errors):
        raise ValueError('no mined pair to estimate the noise from')
    return float(np.square(errors).mean() / 4)


@TASK_UTILS.register_module()
class MinedPairFrames(FrameSampler):
    """The instance's own frame as template and one of its mined frames as search area, in clips
    that grow with the epochs.

    Args:
        spans: The search frame is at most this many frames after the template's: a number, or
            ``(first epoch, frames)`` steps counted from epoch 0.

    Raises:
        ValueError: A span below 1, or steps that do not begin at epoch 0.

    Reference:
        PUL (CVPR 2021), Sec. 1, progressive mining; the steps are ours.
    """

    view_names = ('template', 'search')

    def __init__(self, spans: int | Sequence[tuple[int, int]] = 30) -> None:
        self.spans = spans
        steps = [spans] if isinstance(spans, int) else [span for _, span in spans]
        if not steps or min(steps) < 1:
            raise ValueError(f'MinedPairFrames: spans are at least 1, got {spans}')
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self.span = int(value_at(self.spans, epoch))

    def draw(self, track: Track, rng: np.random.Generator, stage: str) -> dict[str, list[int]]:
        usable = track.usable_frames()
        pool = usable[1:][usable[1:] <= usable[0] + self.span] if len(usable) else usable
        if not len(pool):
            raise NoFrameError(
                f'{track.clip}: no mined frame within {self.span} after the instance'
            )
        return {'template': [int(usable[0])], 'search': [int(rng.choice(pool))]}
