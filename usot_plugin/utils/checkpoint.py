"""Checkpoints as data: no file of a user is ever unpickled with code allowed.

MMEngine's own loader falls back to ``weights_only=False`` when the safe reading fails, and its
allow-list holds ``getattr``, which is enough to run code. :func:`load_checkpoint` does neither.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, load_from_local
from torch import Tensor, nn

from .atomic import whole_file
from .legacy_checkpoint import is_legacy_checkpoint, read_legacy_checkpoint, refuse_endless

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
        self.path = Path(path)
        self.cause = ' '.join(cause.split())
        super().__init__(f'{path}: {self.cause}')

    def __reduce__(self):
        return type(self), (self.path, self.cause)


def _history_statistic(owner: Any, name: str) -> Any:
    """What ``getattr`` does for a pickled :class:`HistoryBuffer`, and nothing else: one of its
    statistics by name."""
    if owner is not HistoryBuffer or name not in HistoryBuffer._statistics_methods:
        raise pickle.UnpicklingError(f'attribute {name!r} of {owner!r} is not allowed')
    return HistoryBuffer._statistics_methods[name]


#: NumPy 1 and 2 name the same functions differently in a pickle.
NUMPY_MODULES = ('numpy.core.multiarray', 'numpy._core.multiarray')
#: Codes of the element types that an array in a checkpoint may have: numbers, booleans and plain
#: objects of the same pickle.
DTYPE_CODE = re.compile(r'[?bBhHiIlLqQefdgFDGO]|[biufcO]\d{1,2}')

#: What the unpickler stumbles over in a file of another kind.
NOT_A_CHECKPOINT = (
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    AssertionError,
    struct.error,
)
#: The records of a checkpoint are not compressed; one that has more bytes than this many times the
#: file's is meant to fill the memory.
MOST_GROWTH = 20
#: How the state of a big-endian dtype begins in a pickle: version 3, ``'>'``.
BIG_ENDIAN = b'K\x03X\x01\x00\x00\x00>'


def _plain_dtype(code: Any, *_: Any) -> np.dtype:
    """What ``numpy.dtype`` does for a pickle, and nothing else: one of NumPy's own types, which the
    state in a pickle cannot change.

    ``numpy.dtype(code, False, True)`` is a copy whose flags a pickle may set: numbers could be made
    to pass for objects.
    """
    if not isinstance(code, str) or not DTYPE_CODE.fullmatch(code):
        raise pickle.UnpicklingError(f'GLOBAL numpy.dtype({str(code)[:40]!r}) is not allowed')
    return np.dtype(code)


def _no_bytes(*arguments: Any) -> bytes:
    """How an empty array is pickled: ``bytes()``. With a number it would ask for as much memory."""
    if arguments:
        raise pickle.UnpicklingError('GLOBAL bytes with arguments is not allowed')
    return b''


def safe_globals() -> list[Any]:
    """Every class and function that a checkpoint of MMEngine's Runner names beside tensors, each
    harmless, with its name in a pickle."""
    HistoryBuffer()  # registers its default statistics
    multiarray = (getattr(np, '_core', None) or np.core).multiarray
    arrays = [
        (getattr(multiarray, name), f'{module}.{name}')
        for module in NUMPY_MODULES
        for name in ('_reconstruct', 'scalar')
    ]
    dtypes = sorted(
        {type(np.dtype(code)) for code in '?bBhHiIlLqQefdgFDGO'}, key=lambda kind: kind.__name__
    )
    functions = [
        (_plain_dtype, 'numpy.dtype'),
        (_no_bytes, 'builtins.bytes'),
        (_history_statistic, 'builtins.getattr'),
    ]
    return [*arrays, *functions, np.ndarray, *dtypes, HistoryBuffer, slice]


def checkpoint_file(path: str | Path) -> Path:
    """The file of a checkpoint, before anything is built for it.

    Raises:
        CheckpointError: No such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise CheckpointError(
            path, 'is a folder, not a checkpoint' if file.is_dir() else 'no such checkpoint'
        )
    return file


def load_checkpoint(path: str | Path, map_location: str | torch.device | None = 'cpu') -> Any:
    """The content of a checkpoint file, read with ``weights_only=True``; what Python 2 saved is
    read as plain data on the CPU.

    Raises:
        CheckpointError: No such file, not a checkpoint, cut short, or it holds objects that could
            run code.
    """
    file = checkpoint_file(path)
    try:
        with torch.serialization.safe_globals(safe_globals()), warnings.catch_warnings():
            warnings.filterwarnings(
                'ignore', message='Detected pickle protocol'
            )  # a file of another kind; the refusal below says so
            _check_archive(file)
            try:
                content = torch.load(file, map_location=map_location, weights_only=True)
            except pickle.UnpicklingError:
                if not is_legacy_checkpoint(file):
                    raise
                content = read_legacy_checkpoint(file)
            refuse_endless(content)
            return content
    except pickle.UnpicklingError as error:
        raise CheckpointError(path, _refusal(error)) from error
    except OSError as error:
        raise CheckpointError(path, f'cannot be read ({error.strerror or error})') from error
    except zipfile.BadZipFile as error:
        raise CheckpointError(path, f'damaged: {error}') from error
    except (EOFError, RuntimeError, MemoryError, RecursionError) as error:
        raise CheckpointError(
            path, 'cut short or damaged: PyTorch finds no complete checkpoint in it'
        ) from error
    except NOT_A_CHECKPOINT as error:
        raise CheckpointError(path, 'not a PyTorch checkpoint') from error


def _check_archive(file: Path) -> None:
    """Look through the zip file of a checkpoint before anything of it is read: PyTorch compares no
    checksums.

    Raises:
        pickle.UnpicklingError: It would grow out of proportion, or arrays are in the other byte
            order: the state of a dtype is not looked at (:func:`_plain_dtype`), and numbers would
                be read as others.
        zipfile.BadZipFile: A record does not have its checksum.
    """
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        if sum(info.file_size for info in archive.infolist()) > MOST_GROWTH * file.stat().st_size:
            raise pickle.UnpicklingError('a zip file that grows out of proportion')
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f'record {damaged} does not have its checksum')
        for name in archive.namelist():
            if name.endswith('data.pkl') and BIG_ENDIAN in archive.read(name):
                raise pickle.UnpicklingError('NumPy arrays in big-endian byte order')


def _refusal(error: pickle.UnpicklingError) -> str:
    """PyTorch's page of advice as one line: which global was refused, or that this is no pickle of
    tensors."""
    text = str(error)
    found = re.search(r'GLOBAL (numpy\.dtype\(.*?\)|\S+)', text) or re.search(
        r"attribute ('\w+' of .*?) is not allowed", text
    )
    if found:
        return (
            f'refused: it holds the Python object {found[1]}, and loading that could run '
            'code; save tensors only'
        )
    detail = text.partition('WeightsUnpickler error:')[2].strip() or text
    return f'refused: not a checkpoint of tensors only ({detail.splitlines()[0]})'


def extract_state_dict(
    checkpoint: Any, path: str | Path, which: Which = 'saved'
) -> dict[str, Tensor]:
    """The weights in a loaded checkpoint, ``module.`` prefixes of parallel wrappers taken off.

    Args:
        checkpoint: What :func:`load_checkpoint` gave: a state dict, or a mapping that holds one.
        path: The file, for messages.
        which: ``saved`` takes what the file calls its state dict. ``ema`` and ``raw`` ask for the
            averaged and the last weights. MMEngine's ``EMAHook`` saves the average under
            ``state_dict`` and the last weights under ``ema_state_dict``; this is undone here.

    Raises:
        CheckpointError: There are no such weights in the file.
    """
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(path, f'holds a {type(checkpoint).__name__}, not named tensors')
    state = next(
        (checkpoint[key] for key in STATE_KEYS if isinstance(checkpoint.get(key), Mapping)),
        checkpoint,
    )
    swapped = checkpoint.get('ema_state_dict')
    if which == 'raw' and isinstance(swapped, Mapping):
        state = swapped
    elif which == 'ema' and not isinstance(swapped, Mapping):
        averaged = next(
            (checkpoint[key] for key in AVERAGED_KEYS if isinstance(checkpoint.get(key), Mapping)),
            None,
        )
        if averaged is None:
            raise CheckpointError(path, 'no averaged (EMA) weights in this file')
        state = averaged
    tensors = {
        _without_module(key): value for key, value in state.items() if isinstance(value, Tensor)
    }
    if which == 'raw' and state is swapped:
        tensors.pop('steps', None)  # the averaged model's own counter
    if not tensors:
        raise CheckpointError(path, f'no tensors in this file (keys: {_named(list(state))})')
    refuse_non_finite(tensors, path)
    return tensors


def refuse_non_finite(state: Mapping[str, Any], path: str | Path) -> None:
    """Refuse weights with nan or infinity in them: a training that blew up, and whatever tracks
    with them stands still.

    Args:
        state: Named tensors; anything else in it is passed over.
        path: The file, for messages.

    Raises:
        CheckpointError: Weights or buffers are not finite; the message has their number and names.
    """
    tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    larger = [key for key, value in tensors.items() if _exceeds_storage(value)]
    if larger:
        raise CheckpointError(
            path,
            f'{len(larger)} of {len(tensors)} weights are larger than what is stored of them '
            f'({_named(larger)})',
        )
    wrong = [key for key, value in tensors.items() if not _is_finite(value)]
    if wrong:
        raise CheckpointError(
            path, f'{len(wrong)} of {len(tensors)} weights are not finite ({_named(wrong)})'
        )


def _exceeds_storage(value: Tensor) -> bool:
    """Whether a tensor repeats few stored numbers many times: no weight does, and looking at them
    all could take terabytes."""
    if value.layout != torch.strided or value.is_quantized or value.device.type == 'meta':
        return False
    return value.numel() * value.element_size() > value.untyped_storage().nbytes()


def _is_finite(value: Tensor) -> bool:
    if not (value.is_floating_point() or value.is_complex()):
        return True
    if value.is_sparse:
        value = value.coalesce().values()
    return bool(torch.isfinite(value.float() if value.element_size() == 1 else value).all())


def check_resumable(checkpoint: Any, path: str | Path) -> None:
    """Refuse to go on from a file that holds no training, before MMEngine stumbles over what is not
    there.

    Args:
        checkpoint: What :func:`load_checkpoint` gave.
        path: The file, for messages.

    Raises:
        CheckpointError: Weights only, without epoch and optimizer, or weights that are not finite.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    counted = isinstance(meta, Mapping) and all(
        isinstance(meta.get(key), int) for key in ('epoch', 'iter')
    )
    if (
        not counted
        or not isinstance(checkpoint.get('message_hub'), Mapping)
        or 'optimizer' not in checkpoint
    ):
        raise CheckpointError(
            path,
            f'holds weights only, no training to go on with; use --cfg-options load_from={path}',
        )
    for key in ('state_dict', 'ema_state_dict'):  # MMEngine's EMAHook goes on from both
        state = checkpoint.get(key)
        refuse_non_finite(state if isinstance(state, Mapping) else {}, path)


def _without_module(key: str) -> str:
    return key[len('module.') :] if key.startswith('module.') else key


def _named(keys: list[str]) -> str:
    return ', '.join(str(key) for key in keys[:NAMED_KEYS]) + (
        ', ...' if len(keys) > NAMED_KEYS else ''
    )


def describe_misfit(model: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """One line that says how ``state`` differs from the model's own keys and shapes; None where it
    fits."""
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
        shapes = [
            f'{key} {tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the model'
            for key in reshaped
        ]
        parts.append(
            f'{len(reshaped)} have another shape '
            f'({"; ".join(shapes[:NAMED_KEYS])}{"; ..." if len(shapes) > NAMED_KEYS else ""})'
        )
    return '; '.join(parts) or None


def load_weights(model: nn.Module, path: str | Path, which: Which = 'saved') -> None:
    """Load a file into ``model``; every weight has to fit, nothing is changed otherwise.

    Raises:
        CheckpointError: The file cannot be read, or belongs to another model (the message says
            which keys).
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
    """Refuse a file that is of another model, before MMEngine loads what fits of it and only warns
    of the rest.

    Args:
        model: The model it is meant for.
        path: Checkpoint file.
        partly: Weights may be missing or unknown, as long as some are there and none has another
            shape (fine-tuning, a backbone's file).

    Raises:
        CheckpointError: The file cannot be read, or belongs to another model (the message says
            which keys).
    """
    state = extract_state_dict(load_checkpoint(path), path)
    own = model.state_dict()
    common = {key: value for key, value in state.items() if key in own}
    # What is not in the file counts as fitting here: only shapes are left to differ.
    misfit = describe_misfit(model, {**own, **common} if partly and common else state)
    if misfit is not None:
        raise CheckpointError(path, f'does not fit {type(model).__name__}: {misfit}')


def check_pretrained(module: nn.Module, init_cfg: Any) -> None:
    """Refuse ``init_cfg=dict(type='Pretrained', ...)`` of ``module`` where the file lacks weights
    of it: the rest would start at random.

    Counters of batch norm may be missing (old files have none), and other weights may be there.
    Files behind a URL and parts of a file (``prefix``) are left to MMEngine, once the file was
    found to be a checkpoint of finite weights.

    Raises:
        CheckpointError: The file cannot be read, or belongs to another network.
    """
    for cfg in [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg or ():
        if cfg.get('type') != 'Pretrained' or '://' in str(cfg['checkpoint']):
            continue
        path, own = cfg['checkpoint'], module.state_dict()
        state = extract_state_dict(load_checkpoint(path), path)
        if cfg.get('prefix'):
            continue
        counters = {key: value for key, value in own.items() if key.endswith('num_batches_tracked')}
        misfit = describe_misfit(
            module, {**counters, **{key: value for key, value in state.items() if key in own}}
        )
        if misfit is not None:
            hint = 'tools/convert_checkpoint.py makes weights of this form from published ones'
            raise CheckpointError(path, f'does not fit {type(module).__name__}: {misfit}; {hint}')


def _load_from_local(filename: str, map_location: Any = None) -> Any:
    """MMEngine's loader interface over :func:`load_checkpoint`.

    MMEngine's ``Runner.resume`` runs ``meta['config']``, the text of a Python config, to compare
    numbers of GPUs; it does not get it here.
    """
    content = load_checkpoint(filename, 'cpu' if map_location is None else map_location)
    meta = content.get('meta') if isinstance(content, dict) else None
    if isinstance(meta, dict):
        for key in ('config', 'cfg'):
            meta.pop(key, None)
    return content


def use_safe_loader() -> None:
    """Make MMEngine's Runner read local checkpoints (``load_from``, ``resume``) with
    :func:`load_checkpoint`, for the whole process."""
    CheckpointLoader.register_scheme(prefixes='', loader=_load_from_local, force=True)


def _load_safely_or_as_host(filename: str, map_location: Any = None) -> Any:
    """MMEngine's loader interface: :func:`load_checkpoint`, and for a file that it does not read
    the host's own loader."""
    try:
        return load_checkpoint(filename, map_location)
    except CheckpointError:
        return load_from_local(filename, map_location)


def try_safe_loader_first() -> None:
    """Make MMEngine read local checkpoints with :func:`load_checkpoint` where that reads them, and
    by its own rules otherwise.

    Importing this package does so: MMEngine 0.10.7 cannot resume from its own checkpoints under
    torch 2.6 and later, and ``FlexibleRunner`` resumes before any hook runs. What a host loads of
    other models stays its own matter; nothing is read with fewer checks than before.
    """
    CheckpointLoader.register_scheme(prefixes='', loader=_load_safely_or_as_host, force=True)


class _WholeFileBackend(LocalBackend):
    """Local files that are there whole or not at all; an error names the file."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        try:
            with whole_file(filepath) as temporary:
                temporary.write_bytes(obj)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(filepath)) from error


def use_whole_files() -> None:
    """Make MMEngine write checkpoints whole or not at all, for the whole process: a full disk
    leaves no half-written one behind."""
    register_backend('local', _WholeFileBackend, prefixes='', force=True)


def weights_digest(model: nn.Module) -> str:
    """A short hash of all parameters and buffers; says whether two runs used the same network."""
    digest = hashlib.sha1(usedforsecurity=False)
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(
            value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()[:16]
