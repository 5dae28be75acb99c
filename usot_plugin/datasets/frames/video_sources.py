"""Finding clips: folders of videos, folders of frames, and the layouts of the usual data sets, as
data."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from usot_plugin.structures.clip import IMAGE_SUFFIXES, VIDEO_SUFFIXES

#: Folders of images that are labels, not video.
LABEL_FOLDERS = frozenset(
    {
        'mask',
        'masks',
        'annotation',
        'annotations',
        'segmentation',
        'segmentations',
        'groundtruth',
        'labels',
    }
)
#: A folder of frames of this name gives its clip the name of the folder above it (OTB, LaSOT).
FRAME_FOLDER = 'img'


class VideoSourceError(ValueError):
    """There is no clip where one was looked for; the message names the path."""


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps its clips.

    Attributes:
        title: Name for people.
        splits: For every split the glob patterns of its clips (folders of frames) below the root;
            the first that finds something counts.
        default_split: The split that is unlabeled training material.
        frame_folder: Name of the folder of frames inside a clip's folder; empty where the frames
            lie in it directly.
        list_file: For every split the file (below the root) that lists the clips of it, one per
            line, where the folders do not tell.
    """

    title: str
    splits: dict[str, tuple[str, ...]]
    default_split: str = 'train'
    frame_folder: str = ''
    list_file: dict[str, str] | None = None


LAYOUTS = {
    'got10k': Layout(
        'GOT-10k',
        {
            'train': ('train/GOT-10k_Train_*', 'GOT-10k_Train_*', 'train_data/GOT-10k_Train_*'),
            'val': ('val/GOT-10k_Val_*', 'GOT-10k_Val_*'),
            'test': ('test/GOT-10k_Test_*', 'GOT-10k_Test_*'),
        },
    ),
    'imagenet_vid': Layout(
        'ImageNet VID (ILSVRC2015)',
        {
            # The training snippets lie in four folders of their own, those of the validation set
            # side by side.
            'train': (
                'Data/VID/train/*/ILSVRC2015_train_*',
                'train/*/ILSVRC2015_train_*',
                '*/ILSVRC2015_train_*',
                'ILSVRC2015_train_*',
            ),
            'val': ('Data/VID/val/ILSVRC2015_val_*', 'val/ILSVRC2015_val_*', 'ILSVRC2015_val_*'),
        },
    ),
    'lasot': Layout(
        'LaSOT',
        dict.fromkeys(('train', 'test'), ('*/*-*', 'LaSOTBenchmark/*/*-*', 'LaSOT/*/*-*')),
        frame_folder='img',
        list_file={'train': 'training_set.txt', 'test': 'testing_set.txt'},
    ),
    'youtube_vos': Layout(
        'YouTube-VOS',
        # Every fifth frame, as the USOT release takes them and configs/discovery/youtube_vos.py
        # counts. All frames (*_all_frames.zip) are splits of their own, never a stand-in: at 30
        # frames per second the numbers of default.py hold.
        {
            'train': ('train/JPEGImages/*', 'JPEGImages/*'),
            'valid': ('valid/JPEGImages/*',),
            'test': ('test/JPEGImages/*',),
            **{
                f'{part}_all_frames': (f'{part}_all_frames/JPEGImages/*',)
                for part in ('train', 'valid', 'test')
            },
        },
    ),
}


def find_clips(
    roots: Iterable[str | Path], layout: str = 'auto', split: str | None = None
) -> dict[str, Path]:
    """All clips below some paths.

    ``auto`` takes every video file, and every folder that holds images directly, at any depth. Not
    taken: hidden entries, folders of labels (``masks``, ``Annotations``, ...), and images that lie
    beside video files (thumbnails). A path given by itself is always taken.

    Args:
        roots: Video files, folders of frames, or folders of those.
        layout: 'auto' or a key of :data:`LAYOUTS`.
        split: Of the layout; its training split by default.

    Returns:
        Path of each clip by its name: the path below the root, or below the common folder of
        several roots, with '/'. Sorted by name.

    Raises:
        VideoSourceError: A root is missing or holds no clip, or there is no such layout or split.
    """
    roots = list(roots)
    paths = [Path(os.path.abspath(root)) for root in roots]
    for given, path in zip(roots, paths, strict=True):
        if not path.exists():
            raise VideoSourceError(f'{given}: no such file or folder')
    if layout == 'auto':
        if split is not None:
            raise VideoSourceError(f"split '{split}' needs a layout, one of {sorted(LAYOUTS)}")
        found = {path: _clips_below(path) for path in paths}
    else:
        found = {path: _clips_of_layout(path, _layout(layout), split) for path in paths}
    for given, path in zip(roots, paths, strict=True):
        if not found[path]:
            kind = '' if layout == 'auto' else _looked_for(LAYOUTS[layout], split)
            raise VideoSourceError(
                f'{given}: no clip in it (no video file and no folder of images{kind})'
            )
    root = _common_root(paths)
    clips = {
        _clip_name(clip, root): clip
        for clip in sorted({clip for several in found.values() for clip in several})
    }
    return dict(sorted(clips.items()))


def find_images(roots: Iterable[str | Path]) -> dict[str, Path]:
    """All image files below some paths, at any depth; each is a clip of one frame.

    Not taken: hidden entries and folders of labels (``masks``, ``Annotations``, ...). Nothing is
    opened: an image that cannot be decoded is named when it is drawn.

    Args:
        roots: Image files, or folders of them.

    Returns:
        Path of each image by its name: the path below the root, or below the common folder of
        several roots, with '/'. Sorted by name.

    Raises:
        VideoSourceError: A root is missing or holds no image.
    """
    roots = list(roots)
    paths = [Path(os.path.abspath(root)) for root in roots]
    images: set[Path] = set()
    for given, path in zip(roots, paths, strict=True):
        if not path.exists():
            raise VideoSourceError(f'{given}: no such file or folder')
        files = (
            [path]
            if path.is_file()
            else [folder / name for folder, names in _folders_below(path) for name in names or ()]
        )
        found = {file for file in files if file.suffix.lower() in IMAGE_SUFFIXES}
        if not found:
            raise VideoSourceError(f'{given}: no image in it ({", ".join(sorted(IMAGE_SUFFIXES))})')
        images |= found
    parents = {path.parent if path.is_file() else path for path in paths}
    root = (
        parents.pop()
        if len(parents) == 1
        else Path(os.path.commonpath([path.parent for path in paths]))
    )
    return {image.relative_to(root).as_posix(): image for image in sorted(images)}


def _common_root(paths: Sequence[Path]) -> Path:
    """The folder that names are relative to."""
    if len(paths) > 1:
        return Path(os.path.commonpath([path.parent for path in paths]))
    only = paths[0]
    return only.parent if only.is_file() or _is_frame_folder(only) else only


def _clip_name(clip: Path, root: Path) -> str:
    relative = clip.relative_to(root)
    if relative.name == FRAME_FOLDER and len(relative.parts) > 1 and clip.is_dir():
        relative = relative.parent
    return relative.as_posix()


def _is_frame_folder(path: Path) -> bool:
    files, _ = _list(path)
    return _holds_frames(files)


def _holds_frames(files: Sequence[str]) -> bool:
    suffixes = {os.path.splitext(name)[1].lower() for name in files}
    return bool(suffixes & IMAGE_SUFFIXES) and not suffixes & VIDEO_SUFFIXES


def _list(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the visible files and folders of a folder."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith('.'):
                (folders if entry.is_dir() else files).append(entry.name)
    return files, folders


def _clips_below(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    clips: list[Path] = []
    for folder, files in _folders_below(root):
        if files is None:
            clips.append(
                folder
            )  # not lost in silence: opening it fails with the reason, and that becomes its row
            continue
        clips += [
            folder / name for name in files if os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES
        ]
        if _holds_frames(files):
            clips.append(folder)
    return clips


def _folders_below(root: Path) -> Iterator[tuple[Path, list[str] | None]]:
    """``root`` and every folder below it but those of labels, with the names of its visible files;
    None where it cannot be listed."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue  # a link back into the tree
        seen.add(real)
        try:
            files, folders = _list(folder)
        except OSError:
            yield folder, None
            continue
        yield folder, files
        waiting += [folder / name for name in folders if name.lower() not in LABEL_FOLDERS]


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        close = difflib.get_close_matches(name, LAYOUTS, n=1)
        hint = (
            f"did you mean '{close[0]}'?" if close else f'known: auto, {", ".join(sorted(LAYOUTS))}'
        )
        raise VideoSourceError(f"unknown layout '{name}' ({hint})")
    return LAYOUTS[name]


def _looked_for(layout: Layout, split: str | None) -> str:
    split = split or layout.default_split
    return f' in the layout of {layout.title}, split {split}: {" or ".join(layout.splits[split])}'


def _clips_of_layout(root: Path, layout: Layout, split: str | None) -> list[Path]:
    split = split or layout.default_split
    if split not in layout.splits:
        raise VideoSourceError(
            f"{layout.title} has no split '{split}', known: {sorted(layout.splits)}"
        )
    clips: list[Path] = []
    for pattern in layout.splits[split]:
        clips = [
            clip / layout.frame_folder
            for clip in root.glob(pattern)
            if (clip / layout.frame_folder).is_dir()
        ]
        if clips:
            break
    if layout.list_file is not None and clips:
        clips = _listed(clips, root / layout.list_file[split], layout)
    return clips


def _listed(clips: list[Path], file: Path, layout: Layout) -> list[Path]:
    """The clips of a split whose members only a list tells."""
    try:
        names = set(file.read_text(encoding='utf-8').split())
    except FileNotFoundError as error:
        raise VideoSourceError(
            f'{file}: needed to tell the splits of {layout.title} apart, one name per line'
        ) from error
    chosen = [
        clip for clip in clips if (clip.parent if layout.frame_folder else clip).name in names
    ]
    if not chosen:
        raise VideoSourceError(f'{file}: none of its names is a clip in {file.parent}')
    return chosen
