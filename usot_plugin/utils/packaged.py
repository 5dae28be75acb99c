"""Where configs and tools lie: beside the package in a clone, inside of it (``.mim``, as
OpenMMLab's packages do) in a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def packaged_folder(name: str) -> Path:
    """The folder ``configs`` or ``tools`` of this installation."""
    inside = PACKAGE / '.mim' / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def find_config(path: str | Path) -> Path:
    """A config file; what is not there below the working directory is looked up among the configs
    that come with the package.

    Args:
        path: A path, or one relative to the packaged ``configs``, with or without that folder's own
            name.

    Returns:
        The file, or ``path`` as it is where there is none.
    """
    return next((place for place in places(Path(path)) if place.is_file()), Path(path))


def names_near(path: str | Path) -> set[str]:
    """Names of the configs in the folders where :func:`find_config` looked."""
    return {file.name for place in places(Path(path)) for file in place.parent.glob('*.py')}


def places(path: Path) -> list[Path]:
    """Where a config of this name is looked up, the first first."""
    if path.is_absolute():
        return [path]
    inside = path.relative_to('configs') if path.parts[:1] == ('configs',) else path
    return [path, packaged_folder('configs') / inside]
