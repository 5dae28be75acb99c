"""Checkpoints as data: no file of a user is ever unpickled with code allowed.

MMEngine's own loader falls back to ``weights_only=False`` when the safe reading fails, and its allow-list holds ``getattr``, which is
enough to run code. :func:`load_checkpoint` does neither.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from .atomic import whole_file
from .legacy_checkpoint import is_legacy_checkpoint, read_legacy_checkpoint

#: Names under which files keep their weights, the first present wins.
STATE_KEYS = ('state_dict', 'model', 'model_state_dict', 'net')
#: Names under which files of other trainers keep the averaged weights.
AVERAGED_KEYS = ('state_dict_ema', 'model_ema', 'ema')
#: How many key names an error message spells out.
NAMED_KEYS = 3

Which = Literal['saved', 'ema', 'raw']


class CheckpointError(RuntimeError):
    """A checkpoint cannot be read or does not fit the model.

    Args:
        path: The file.
        cause: What is wrong, in words, on one line.
    """

    def __init__(self, path: str | Path, cause: str) -> None:
        self.path, self.cause = Path(path), ' '.join(cause.split())
        super().__init__(f'{path}: {self.cause}')

    def __reduce__(self):
        return type(self), (self.path, self.cause)


def _history_statistic(owner: Any, name: str) -> Any:
    """What ``getattr`` does for a pickled :class:`HistoryBuffer`, and nothing else: one of its statistics by name."""
    if owner is not HistoryBuffer or name not in HistoryBuffer._statistics_methods:
        raise pickle.UnpicklingError(f'attribute {name!r} of {owner!r} is not allowed')
    return HistoryBuffer._statistics_methods[name]


def safe_globals() -> list[Any]:
    """Every class and function that a checkpoint of MMEngine's Runner names beside tensors, each harmless."""
    HistoryBuffer()  # registers its default statistics
    multiarray = getattr(np, '_core', None) or np.core
    array_parts = [multiarray.multiarray._reconstruct, multiarray.multiarray.scalar, np.ndarray, np.dtype]
    dtypes = sorted({type(np.dtype(code)) for code in '?bBhHiIlLqQefd'}, key=lambda kind: kind.__name__)
    return [*array_parts, *dtypes, HistoryBuffer, slice, (_history_statistic, 'builtins.getattr')]


def load_checkpoint(path: str | Path, map_location: str | torch.device = 'cpu') -> Any:
    """The content of a checkpoint file, read with ``weights_only=True``; what Python 2 saved is read as plain data on the CPU.

    Raises:
        CheckpointError: No such file, not a checkpoint, cut short, or it holds objects that could run code.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise CheckpointError(path, 'is a folder, not a checkpoint' if file.is_dir() else 'no such checkpoint')
    try:
        with torch.serialization.safe_globals(safe_globals()), warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='Detected pickle protocol')  # a file of another kind; the refusal below says so
            try:
                return torch.load(file, map_location=map_location, weights_only=True)
            except pickle.UnpicklingError:
                if not is_legacy_checkpoint(file):
                    raise
                return read_legacy_checkpoint(file)
    except pickle.UnpicklingError as error:
        raise CheckpointError(path, _refusal(error)) from error
    except OSError as error:
        raise CheckpointError(path, f'cannot be read ({error.strerror or error})') from error
    except (EOFError, RuntimeError) as error:
        raise CheckpointError(path, 'cut short or damaged: PyTorch finds no complete checkpoint in it') from error
    except (ValueError, LookupError, AttributeError, TypeError) as error:  # what the unpickler stumbles over in a file of another kind
        raise CheckpointError(path, 'not a PyTorch checkpoint') from error


def _refusal(error: pickle.UnpicklingError) -> str:
    """PyTorch's page of advice as one line: which global was refused, or that this is no pickle of tensors."""
    text = str(error)
    found = re.search(r'GLOBAL (\S+)', text) or re.search(r"attribute ('\w+' of .*?) is not allowed", text)
    if found:
        return f'refused: it holds the Python object {found[1]}, and loading that could run code; save tensors only'
    detail = text.partition('WeightsUnpickler error:')[2].strip() or text
    return f'refused: not a checkpoint of tensors only ({detail.splitlines()[0]})'


def extract_state_dict(checkpoint: Any, path: str | Path, which: Which = 'saved') -> dict[str, Tensor]:
    """The weights in a loaded checkpoint, ``module.`` prefixes of parallel wrappers taken off.

    Args:
        checkpoint: What :func:`load_checkpoint` gave: a state dict, or a mapping that holds one.
        path: The file, for messages.
        which: ``saved`` takes what the file calls its state dict. ``ema`` and ``raw`` ask for the averaged and the last weights. MMEngine's
            ``EMAHook`` saves the average under ``state_dict`` and the last weights under ``ema_state_dict``; this is undone here.

    Raises:
        CheckpointError: There are no such weights in the file.
    """
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(path, f'holds a {type(checkpoint).__name__}, not named tensors')
    state = next((checkpoint[key] for key in STATE_KEYS if isinstance(checkpoint.get(key), Mapping)), checkpoint)
    swapped = checkpoint.get('ema_state_dict')
    if which == 'raw' and isinstance(swapped, Mapping):
        state = swapped
    elif which == 'ema' and not isinstance(swapped, Mapping):
        averaged = next((checkpoint[key] for key in AVERAGED_KEYS if isinstance(checkpoint.get(key), Mapping)), None)
        if averaged is None:
            raise CheckpointError(path, 'no averaged (EMA) weights in this file')
        state = averaged
    tensors = {_without_module(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if which == 'raw' and state is swapped:
        tensors.pop('steps', None)  # the averaged model's own counter
    if not tensors:
        raise CheckpointError(path, f'no tensors in this file (keys: {_named(list(state))})')
    return tensors


def _without_module(key: str) -> str:
    return key[len('module.') :] if key.startswith('module.') else key


def _named(keys: list[str]) -> str:
    return ', '.join(str(key) for key in keys[:NAMED_KEYS]) + (', ...' if len(keys) > NAMED_KEYS else '')


def describe_misfit(model: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """One line that says how ``state`` differs from the model's own keys and shapes; None where it fits."""
    own = model.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    parts = []
    if missing:
        parts.append(f'{len(missing)} of {len(own)} weights are missing ({_named(missing)})')
    if unexpected:
        parts.append(f'{len(unexpected)} are unknown to it ({_named(unexpected)})')
    if reshaped:
        shapes = [f'{key} {tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the model' for key in reshaped]
        parts.append(f'{len(reshaped)} have another shape ({"; ".join(shapes[:NAMED_KEYS])}{"; ..." if len(shapes) > NAMED_KEYS else ""})')
    return '; '.join(parts) or None


def load_weights(model: nn.Module, path: str | Path, which: Which = 'saved') -> None:
    """Load a file into ``model``; every weight has to fit, nothing is changed otherwise.

    Raises:
        CheckpointError: The file cannot be read, or belongs to another model (the message says which keys).
    """
    load_state(model, extract_state_dict(load_checkpoint(path), path, which), path)


def load_state(model: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Load weights out of the file ``path``; every one has to fit, nothing is changed otherwise.

    Raises:
        CheckpointError: They belong to another model (the message says which keys).
    """
    misfit = describe_misfit(model, state)
    if misfit is not None:
        raise CheckpointError(path, f'does not fit {type(model).__name__}: {misfit}')
    model.load_state_dict(state)


def check_fit(model: nn.Module, path: str | Path, partly: bool = False) -> None:
    """Refuse a file that is of another model, before MMEngine loads what fits of it and only warns of the rest.

    Args:
        model: The model it is meant for.
        path: Checkpoint file.
        partly: Weights may be missing or unknown, as long as some are there and none has another shape (fine-tuning, a backbone's file).

    Raises:
        CheckpointError: The file cannot be read, or belongs to another model (the message says which keys).
    """
    state = extract_state_dict(load_checkpoint(path), path)
    own = model.state_dict()
    common = {key: value for key, value in state.items() if key in own}
    # What is not in the file counts as fitting here: only shapes are left to differ.
    misfit = describe_misfit(model, {**own, **common} if partly and common else state)
    if misfit is not None:
        raise CheckpointError(path, f'does not fit {type(model).__name__}: {misfit}')


def check_pretrained(module: nn.Module, init_cfg: Any) -> None:
    """Refuse ``init_cfg=dict(type='Pretrained', ...)`` of ``module`` where the file lacks weights of it: the rest would start at random.

    Counters of batch norm may be missing (old files have none), and other weights may be there. Files behind a URL and parts of a file
    (``prefix``) are left to MMEngine.

    Raises:
        CheckpointError: The file cannot be read, or belongs to another network.
    """
    for cfg in [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg or ():
        if cfg.get('type') != 'Pretrained' or cfg.get('prefix') or '://' in str(cfg['checkpoint']):
            continue
        path, own = cfg['checkpoint'], module.state_dict()
        state = extract_state_dict(load_checkpoint(path), path)
        counters = {key: value for key, value in own.items() if key.endswith('num_batches_tracked')}
        misfit = describe_misfit(module, {**counters, **{key: value for key, value in state.items() if key in own}})
        if misfit is not None:
            hint = 'tools/convert_checkpoint.py makes weights of this form from published ones'
            raise CheckpointError(path, f'does not fit {type(module).__name__}: {misfit}; {hint}')


def _load_from_local(filename: str, map_location: Any = None) -> Any:
    """MMEngine's loader interface over :func:`load_checkpoint`."""
    return load_checkpoint(filename, 'cpu' if map_location is None else map_location)


def use_safe_loader() -> None:
    """Make MMEngine's Runner read local checkpoints (``load_from``, ``resume``) with :func:`load_checkpoint`, for the whole process."""
    CheckpointLoader.register_scheme(prefixes='', loader=_load_from_local, force=True)


class _WholeFileBackend(LocalBackend):
    """Local files that are there whole or not at all; an error names the file."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        try:
            with whole_file(filepath) as temporary:
                temporary.write_bytes(obj)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(filepath)) from error


def use_whole_files() -> None:
    """Make MMEngine write checkpoints whole or not at all, for the whole process: a full disk leaves no half-written one behind."""
    register_backend('local', _WholeFileBackend, prefixes='', force=True)


def weights_digest(model: nn.Module) -> str:
    """A short hash of all parameters and buffers; says whether two runs used the same network."""
    digest = hashlib.sha1(usedforsecurity=False)
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
