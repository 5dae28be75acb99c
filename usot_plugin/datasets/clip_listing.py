"""Clips by folder, by list or by text file, for the box sources that need no table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..structures.clip import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_key


def list_clips(clips: str | Path | Sequence[str]) -> list[tuple[str, str]]:
    """Names and paths of clips, in natural order; no clip is opened.

    Args:
        clips: A folder whose entries are video files or folders of images (at most two levels down); a text file with one path a line,
            relative to the file; or the paths themselves.

    Returns:
        ``(name, path)``; the name is relative to the folder, or the path itself where there is no common folder.

    Raises:
        ValueError: There is no clip.
    """
    if not isinstance(clips, str | Path):
        listed = [(str(path), str(path)) for path in clips]
        if not listed:
            raise ValueError('the list of clips is empty')
        return listed
    root = Path(clips)
    if root.is_file():
        lines = [line.strip() for line in root.read_text(encoding='utf-8').splitlines()]
        listed = [(line, str(root.parent / line)) for line in lines if line and not line.startswith('#')]
    elif root.is_dir():
        listed = [(path.relative_to(root).as_posix(), str(path)) for path in _clips_below(root, levels=2)]
    else:
        raise ValueError(f'{root}: no such folder of clips')
    if not listed:
        raise ValueError(f'{root}: no video file and no folder of images')
    return listed


def _clips_below(folder: Path, levels: int) -> list[Path]:
    found: list[Path] = []
    for entry in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        if entry.name.startswith('.'):
            continue
        if entry.is_file():
            if entry.suffix.lower() in VIDEO_SUFFIXES:
                found.append(entry)
        elif any(inside.suffix.lower() in IMAGE_SUFFIXES for inside in entry.iterdir()):
            found.append(entry)
        elif levels > 1:
            found += _clips_below(entry, levels - 1)
    return found
