"""Result files in the binary form that the official VOT toolkit writes by default: regions without
the text."""

from __future__ import annotations

import struct

import numpy as np

from usot_plugin.structures.boxes import xywh_to_xyxy
from usot_plugin.structures.regions import BoxRegion, FrameCode, MaskRegion, PolygonRegion, Region

#: The only version there is.
VERSION = 1
_CODE, _BOX, _POLYGON, _MASK = range(4)


def read_entries(data: bytes) -> list[Region | FrameCode]:
    """Regions and codes of a ``.bin`` file.

    Raises:
        ValueError: Cut off, another version, or an entry that is no region.
    """
    cursor = _Cursor(data)
    version, count = cursor.take('hI')
    if version != VERSION:
        raise ValueError(f'version {version} of the binary form, known is {VERSION}')
    return [_entry(cursor) for _ in range(count)]


class _Cursor:
    """Takes one value after the other, little-endian."""

    def __init__(self, data: bytes) -> None:
        self.data, self.offset = data, 0

    def take(self, form: str) -> tuple:
        try:
            values = struct.unpack_from(f'<{form}', self.data, self.offset)
        except struct.error as error:
            raise ValueError(f'cut off at byte {len(self.data)}') from error
        self.offset += struct.calcsize(f'<{form}')
        return values


def _entry(cursor: _Cursor) -> Region | FrameCode:
    (kind,) = cursor.take('B')
    if kind == _CODE:
        return FrameCode(cursor.take('I')[0])
    if kind == _BOX:
        box = np.array(cursor.take('4f'), np.float64)
        return FrameCode.UNKNOWN if np.isnan(box).any() else BoxRegion(xywh_to_xyxy(box))
    if kind == _POLYGON:
        (count,) = cursor.take('H')
        return PolygonRegion(np.array(cursor.take(f'{2 * count}f'), np.float64).reshape(-1, 2))
    if kind == _MASK:
        left, top, width, height, count = cursor.take('hhHHH')
        region = MaskRegion.from_runs(cursor.take(f'{count}H'), width, height, left, top)
        return region if region.mask.any() else FrameCode.UNKNOWN
    raise ValueError(f'entry of the unknown kind {kind}')
