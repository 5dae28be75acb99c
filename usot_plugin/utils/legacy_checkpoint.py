"""Checkpoints of PyTorch before 1.6, some of them written by Python 2, read without running code.

Such a file is a row of pickles (magic number, protocol, facts of the machine, the object, names of
its storages) and then the bytes of each storage. PyTorch's own safe reader refuses opcodes that
Python 2 wrote. Here every name in a pickle is looked up in :data:`ALLOWED`, whose entries build
plain data and cannot be changed by the pickle; every other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
#: Name of a storage class -> type of its elements.
STORAGES = {
    'FloatStorage': torch.float32,
    'DoubleStorage': torch.float64,
    'HalfStorage': torch.float16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
}
#: Fields of a persistent id: 'storage', class, key, location, element count, view.
STORAGE_ID_LENGTH = 6
#: No checkpoint holds more values than this, nor containers this deep.
MOST_VALUES = 20_000_000
MOST_DEPTH = 200


class _Storage:
    """Room for the elements of a storage, filled after the pickles were read."""

    __slots__ = ('count', 'dtype', 'tensor')

    def __init__(self, dtype: torch.dtype, count: int) -> None:
        self.dtype, self.count = dtype, count
        self.tensor = torch.zeros(0, dtype=dtype)


class _View:
    """A tensor that waits for its storage."""

    __slots__ = ('offset', 'shape', 'storage', 'stride')

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
    ) -> None:
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.stride = stride

    def tensor(self) -> Tensor:
        counts = [*self.shape, *self.stride, self.offset]
        if not all(isinstance(count, int) and count >= 0 for count in counts) or len(
            self.shape
        ) != len(self.stride):
            raise pickle.UnpicklingError('a tensor of impossible shape')
        if math.prod(self.shape) > self.storage.count:
            raise pickle.UnpicklingError('a tensor larger than its storage')
        last = self.offset + sum(
            (size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)
        )
        if 0 not in self.shape and last >= self.storage.count:
            raise pickle.UnpicklingError('a tensor that reaches beyond its storage')
        return torch.as_strided(self.storage.tensor, self.shape, self.stride, self.offset).clone()


class _Entry:
    """An allowed name. Without ``__dict__``, so that a pickle cannot set anything on it."""

    __slots__ = ('_build',)
    _build: Callable[..., Any]

    def __init__(self, build: Callable[..., Any]) -> None:
        object.__setattr__(self, '_build', build)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError('a pickle may not change what it names')

    def __call__(self, *args: Any) -> Any:
        return self._build(*args)


def _view(storage: _Storage, offset: int, shape: tuple, stride: tuple, *_: Any) -> _View:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError('a tensor has no storage')
    return _View(storage, offset, tuple(shape), tuple(stride))


def _nothing(*_: Any) -> None:
    """NumPy scalars and dtypes: the best loss so far and the like, which nobody needs here."""


def _storage_class(dtype: torch.dtype) -> _Entry:
    return _Entry(lambda: dtype)


#: All that a pickle may name.
ALLOWED: dict[tuple[str, str], _Entry | type] = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor'): _Entry(_view),
    ('torch._utils', '_rebuild_tensor_v2'): _Entry(_view),
    ('numpy', 'dtype'): _Entry(_nothing),
    ('numpy.core.multiarray', 'scalar'): _Entry(_nothing),
    **{('torch', name): _storage_class(dtype) for name, dtype in STORAGES.items()},
}


class _DataUnpickler(pickle._Unpickler):  # the one in Python, whose BUILD can be overridden
    """Plain data, tensors as :class:`_View`."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding='latin1')
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f'GLOBAL {module}.{name} is not allowed') from None

    def persistent_load(self, pid: Any) -> _Storage:
        if (
            not isinstance(pid, tuple)
            or len(pid) != STORAGE_ID_LENGTH
            or pid[0] != 'storage'
            or pid[5] is not None
        ):
            raise pickle.UnpicklingError('an unknown kind of persistent id')
        entry, key, count = pid[1], str(pid[2]), pid[4]
        if (
            not isinstance(entry, _Entry)
            or not isinstance(dtype := entry(), torch.dtype)
            or not isinstance(count, int)
            or count < 0
        ):
            raise pickle.UnpicklingError('an unknown kind of storage')
        return self.storages.setdefault(key, _Storage(dtype, count))

    def load_build(self) -> None:
        """State of an object (metadata of a state dict): dropped, nothing is set on anything."""
        self.stack.pop()

    dispatch[pickle.BUILD[0]] = load_build


def _load(file: BinaryIO) -> tuple[Any, dict[str, _Storage]]:
    unpickler = _DataUnpickler(file)
    return unpickler.load(), unpickler.storages


def is_legacy_checkpoint(path: str | Path) -> bool:
    """Whether a file begins as a PyTorch checkpoint before version 1.6 does."""
    start = pickle.dumps(MAGIC, 2)
    with open(path, 'rb') as file:
        return file.read(len(start)) == start


def read_legacy_checkpoint(path: str | Path) -> Any:
    """The content of such a file: plain containers, numbers, strings and tensors on the CPU.

    NumPy scalars are read as None, and attributes of objects (``state_dict._metadata``) are left
    out.

    Raises:
        pickle.UnpicklingError: It names anything else, or is no such file.
        EOFError: It is cut short.
        OSError: It cannot be read.
    """
    file = io.BytesIO(Path(path).read_bytes())
    magic, _ = _load(file)
    protocol, _ = _load(file)
    if (magic, protocol) != (MAGIC, PROTOCOL):
        raise pickle.UnpicklingError('not a legacy PyTorch checkpoint')
    facts, _ = _load(file)
    order = '<' if not isinstance(facts, dict) or facts.get('little_endian', True) else '>'
    content, storages = _load(file)
    keys, _ = _load(file)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise pickle.UnpicklingError('its list of storages does not fit its tensors')
    for key in keys:
        _fill(storages[str(key)], file, order)
    refuse_endless(content)
    return _resolve(content, {})


def _fill(storage: _Storage, file: BinaryIO, order: str) -> None:
    head = file.read(8)
    if len(head) < 8:
        raise EOFError('cut short')
    (count,) = struct.unpack(f'{order}q', head)
    if count != storage.count:
        raise pickle.UnpicklingError('a storage of another length than announced')
    raw = file.read(count * storage.dtype.itemsize)
    if len(raw) < count * storage.dtype.itemsize:
        raise EOFError('cut short')
    if count:
        elements = torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(count, -1)
        storage.tensor = (
            (elements if order == '<' else elements.flip(1))
            .contiguous()
            .reshape(-1)
            .view(storage.dtype)
        )


def _resolve(value: Any, done: dict[int, Any]) -> Any:
    """The content with tensors in place of views; what is shared stays shared.
    :func:`refuse_endless` has looked at it before."""
    key = id(value)
    if key not in done:
        if isinstance(value, _View):
            done[key] = value.tensor()
        elif isinstance(value, dict):
            done[key] = {name: _resolve(entry, done) for name, entry in value.items()}
        elif isinstance(value, list | tuple):
            done[key] = type(value)(_resolve(entry, done) for entry in value)
        else:
            return value
    return done[key]


def refuse_endless(content: Any) -> None:
    """Refuse containers that a reader would never come to the end of: nested too deep, in
    themselves, or sharing parts 2^40 times.

    Raises:
        pickle.UnpicklingError: More than :data:`MOST_VALUES` values are reached, or a container
            lies more than :data:`MOST_DEPTH` deep.
    """
    sizes: dict[int, int] = {}
    open_ids: set[int] = set()
    stack: list[tuple[Any, bool]] = [(content, False)]
    while stack:
        value, seen = stack.pop()
        if not isinstance(value, dict | list | tuple):
            continue
        parts = list(value.values()) if isinstance(value, dict) else value
        if seen:
            open_ids.discard(id(value))
            sizes[id(value)] = 1 + sum(sizes.get(id(part), 1) for part in parts)
            if sizes[id(value)] > MOST_VALUES:
                raise pickle.UnpicklingError(
                    f'its containers hold more than {MOST_VALUES} values, shared ones counted '
                    'each time'
                )
        elif id(value) not in sizes:
            if id(value) in open_ids or len(open_ids) > MOST_DEPTH:
                raise pickle.UnpicklingError('its containers are nested in themselves or too deep')
            open_ids.add(id(value))
            stack.append((value, True))
            stack += [(part, False) for part in parts]
