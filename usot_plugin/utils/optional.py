"""Packages that only some tools need: imported where they are used, refused in one line.

Which extra brings which package is written down in ``setup.cfg``; a test compares the two.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

#: Module -> the extra of this package that brings it, or the pip requirement where none does.
EXTRAS = {
    'argcomplete': 'completion',
    'matplotlib': 'eval',
    'onnx': 'export',
    'onnxruntime': 'export',
    'optuna': 'search',
    'PIL': 'eval',
    'ray': 'ray',
    'shapely': 'eval',
    'sklearn': 's2siamfc',
    'tensorboard': 'tensorboard',
    'trax': 'vot',
    'wandb': 'wandb',
}
REQUIREMENTS = {'got10k': 'got10k==0.1.3', 'vot': 'vot-toolkit==0.9.0'}


class MissingPackageError(ImportError, ValueError):
    """An optional package is not installed; the message says how to install it.

    It is a ``ValueError`` too: a user can mend it, so tools end with its one line.
    """


def pip_command(module: str) -> str:
    """The command that installs what a module belongs to.

    The name of the installed package, not ``.[extra]``: that would replace an editable install.
    """
    extra = EXTRAS.get(module)
    wanted = f"'usot_plugin[{extra}]'" if extra else f"'{REQUIREMENTS.get(module, module)}'"
    return f'pip install {wanted}'


def missing_package(module: str, use: str, error: ImportError | None = None) -> MissingPackageError:
    """The error for a module that cannot be imported.

    Args:
        module: As in ``import module``.
        use: What needs it, the subject of the message: ``'the search'``.
        error: Of the import; a package that is there and fails by itself is named as such.
    """
    broken = error is not None and (error.name or '').partition('.')[0] != module
    why = f'which cannot be imported ({error})' if broken else 'which is not installed'
    cause = ' '.join(why.split())
    return MissingPackageError(f'{use} needs {module}, {cause}: {pip_command(module)}', name=module)


def require(module: str, use: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Name of the package or of a module in it.
        use: What needs it: ``'the search'``.

    Raises:
        MissingPackageError: It is not installed, or cannot be imported.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise missing_package(module.partition('.')[0], use, error) from error


def as_missing_package(error: ImportError, use: str) -> MissingPackageError | None:
    """What an import that failed somewhere means to the user.

    Returns:
        The refusal; None where the module belongs to no optional package, which is a fault.
    """
    if isinstance(error, MissingPackageError):
        return error
    module = (error.name or '').partition('.')[0]
    known = module in EXTRAS or module in REQUIREMENTS
    return missing_package(module, use, error) if known else None
