"""The models of this package by name, and where the weights of each are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.fileio import load

from usot_plugin.engine.training_run import latest_checkpoint
from usot_plugin.utils.packaged import packaged_folder

from . import packed_weights

SHIPPED, TRAINED_HERE = 'shipped', 'trained here'
TO_CONVERT, TO_TRAIN = 'to convert', 'to train'
#: Part of the name of a model that tracks with weights that the authors of its paper published.
PUBLISHED = '_published'


@dataclass(frozen=True)
class ModelWeights:
    """Where the weights of a model are.

    Attributes:
        name: Of the model.
        state: ``'shipped'`` with this package, ``'trained here'`` (below ``work_dirs``),
            ``'to convert'`` (published elsewhere) or ``'to train'``.
        how: The file; where there is none, how to get one.
    """

    name: str
    state: str
    how: str

    def refusal(self) -> str:
        """Why the name alone is not enough to track with, in one line."""
        if self.state == TRAINED_HERE:
            return f'{self.name}: no weights given; weights={self.how!r} are here'
        return f"{self.name}: its weights are not here: {self.how} (weights='none': random ones)"


def known_models() -> dict[str, dict[str, Any]]:
    """Entries of ``model-index.yml`` by their name; empty where it did not come with the
    package."""
    root = packaged_folder('configs').parent
    if not (root / 'model-index.yml').is_file():
        return {}
    files = load(root / 'model-index.yml')['Import']
    return {
        entry['Name']: {**entry, 'Config': str(root / entry['Config'])}
        for file in files
        for entry in load(root / file)['Models']
    }


def shipped_names() -> set[str]:
    """Names of the weights that ship with the package."""
    return {file.stem for file in packed_weights.PRETRAINED_FOLDER.glob('*.pth')}


def model_weights(name: str, config: str | Path) -> ModelWeights:
    """Where the weights of a model are.

    Args:
        name: In ``model-index.yml``, or of shipped weights.
        config: Its config file; training leaves checkpoints in ``work_dirs/<its name>``.
    """
    if name in shipped_names():
        path = packed_weights.PRETRAINED_FOLDER / f'{name}.pth'
        return ModelWeights(name, SHIPPED, str(path))
    trained = latest_checkpoint(Path('work_dirs', Path(config).stem))
    if trained is not None:
        return ModelWeights(name, TRAINED_HERE, str(trained))
    short = _short(Path(config))
    if PUBLISHED in name:
        how = (
            "convert the authors' file (usot convert PUBLISHED FILE), then weights=FILE with "
            f'{short}'
        )
        return ModelWeights(name, TO_CONVERT, how)
    how = f'usot train {short}, then weights=work_dirs/{short.stem}/epoch_N.pth'
    return ModelWeights(name, TO_TRAIN, how)


def all_weights() -> list[ModelWeights]:
    """Every name that :class:`SOTInferencer` takes, those first whose weights are here."""
    configs = {name: entry['Config'] for name, entry in known_models().items()}
    for name in shipped_names() - configs.keys():
        configs[name] = name
    found = [model_weights(name, config) for name, config in configs.items()]
    order = (SHIPPED, TRAINED_HERE, TO_CONVERT, TO_TRAIN)
    return sorted(found, key=lambda one: (order.index(one.state), one.name))


def weights_table() -> str:
    """The table of ``usot track --list-models``."""
    rows = [('name', 'weights', 'where, or how to get them')]
    rows += [(one.name, one.state, one.how) for one in all_weights()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return '\n'.join(f'{name:{widths[0]}}  {state:{widths[1]}}  {how}' for name, state, how in rows)


def _short(config: Path) -> Path:
    """A packaged config as ``find_config`` takes it from any folder."""
    folder = packaged_folder('configs')
    return Path('configs', config.relative_to(folder)) if config.is_relative_to(folder) else config
