import struct

import pytest

from usot_plugin.evaluation.protocols import VOTReset
from usot_plugin.evaluation.results.result_files import ResultError
from usot_plugin.evaluation.results.vot_binary import read_entries
from usot_plugin.structures.regions import BoxRegion, FrameCode, MaskRegion, PolygonRegion

HEAD = struct.pack('<hI', 1, 1)


def test_each_kind_of_entry():
    data = struct.pack('<hI', 1, 5)
    data += struct.pack('<BI', 0, 2)
    data += struct.pack('<B4f', 1, 1, 2, 3, 4)
    data += struct.pack('<BH6f', 2, 3, 0, 0, 5, 0, 5, 5)
    data += struct.pack('<BhhHHH3H', 3, -1, 7, 2, 2, 3, 1, 2, 1)
    data += struct.pack('<BhhHHH1H', 3, 0, 0, 2, 2, 1, 4)
    code, box, polygon, mask, empty = read_entries(data)
    assert code is FrameCode.FAILURE and empty is FrameCode.UNKNOWN
    assert isinstance(box, BoxRegion) and box.box_xyxy.tolist() == [1, 2, 4, 6]
    assert isinstance(polygon, PolygonRegion) and polygon.points_xy.tolist() == [
        [0, 0],
        [5, 0],
        [5, 5],
    ]
    assert (
        isinstance(mask, MaskRegion)
        and mask.mask.tolist() == [[False, True], [True, False]]
        and (mask.left, mask.top) == (-1, 7)
    )


@pytest.mark.parametrize(
    ('data', 'cause'),
    [
        (b'', 'cut off at byte 0'),
        (HEAD + struct.pack('<B2f', 1, 1, 2), 'cut off at byte 15'),
        (struct.pack('<hI', 7, 1), 'version 7'),
        (HEAD + struct.pack('<B2f', 4, 1, 2), 'unknown kind 4'),
        (HEAD + struct.pack('<BI', 0, 9), '9 is not a valid FrameCode'),
        (HEAD + struct.pack('<B4f', 1, 1, 2, -3, 4), 'no negative size'),
        (HEAD + struct.pack('<BhhHHH1H', 3, 0, 0, 1, 1, 1, 4), 'runs of 4 pixels in a mask of 1x1'),
    ],
)
def test_malformed_files_are_refused_with_the_cause(data, cause, tmp_path):
    with pytest.raises(ValueError, match=cause):
        read_entries(data)
    file = tmp_path / 'T' / 'baseline' / 'walk' / 'walk_001.bin'
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    with pytest.raises(ResultError, match='walk_001.bin: not a readable binary result file'):
        VOTReset().result_folder(tmp_path / 'T').read('walk')
