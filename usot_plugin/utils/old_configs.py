"""Configs of the release before, by the table :data:`usot_plugin._moved.CONFIGS`.

An old path is a file at another place, or one with options that the command line takes. For the
latter a file of the old name is written, so that a config whose ``_base_`` it is goes on as well.
"""

from __future__ import annotations

import argparse
import atexit
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mmengine.config import Config, DictAction

from .._moved import CONFIGS
from .packaged import packaged_folder, places


def old_config(path: str | Path) -> Path | None:
    """The config that was at an old path, as a file; None where none of this package was.

    Args:
        path: As for :func:`~usot_plugin.utils.packaged.find_config`, where nothing is found, or the
            name of an old config without folder and ending, as it stood in ``model-index.yml``.

    Warns:
        FutureWarning: What is to be given instead.
    """
    old = _old_name(path)
    if old is None:
        return None
    warnings.warn(
        f'configs/{old} is now configs/{CONFIGS[old]}; the old path goes with the next release',
        FutureWarning,
        stacklevel=3,
    )
    return _file_of(old)


def _old_name(path: str | Path) -> str | None:
    configs = packaged_folder('configs').resolve()
    for place in map(Path.resolve, places(Path(path))):
        if place.is_relative_to(configs) and place.relative_to(configs).as_posix() in CONFIGS:
            return place.relative_to(configs).as_posix()
    names = {Path(old).stem: old for old in CONFIGS if not old.startswith('_base_')}
    return names.get(str(path))


@cache
def _file_of(old: str) -> Path:
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('--benchmark')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    now = parser.parse_args(shlex.split(CONFIGS[old]))
    new = packaged_folder('configs') / now.config
    if not (now.benchmark or now.cfg_options):
        return new
    cfg = Config.fromfile(new)
    if now.benchmark:
        benchmark = packaged_folder('configs') / '_base_' / 'benchmarks' / f'{now.benchmark}.py'
        cfg.update(Config.fromfile(benchmark).to_dict())
    cfg.merge_from_dict(now.cfg_options)
    folder = tempfile.mkdtemp(prefix='usot_plugin_old_config_')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder, Path(old).name)
    # Plain values: MMEngine's own way to write a config formats it, which takes a second.
    lines = (f'{key} = {value!r}\n' for key, value in cfg.to_dict().items())
    file.write_text(''.join(lines), encoding='utf-8')
    return file


@contextmanager
def old_bases() -> Iterator[None]:
    """Let MMEngine find configs that a ``_base_`` names by an old path.

    MMEngine has no place to register such a thing, so its own look-up is wrapped meanwhile.
    """
    look_up = Config._get_cfg_path

    def find(name: str, filename: str) -> tuple[str, str | None]:
        path, scope = look_up(name, filename)
        found = None if Path(path).is_file() else old_config(Path(path).absolute())
        return str(found or path), scope

    Config._get_cfg_path = staticmethod(find)
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(look_up)
