from __future__ import annotations

import pytest
import torch

from usot_plugin.structures.sot_sample import SOTSample


def test_boxes_are_float32_data_and_move_with_the_sample():
    sample = SOTSample(metainfo=dict(clip='swan', frame_index=3))
    sample.set_boxes('search_box_xyxy', [1, 2, 3, 4])
    sample.set_boxes('memory_boxes_xyxy', torch.zeros(5, 4, dtype=torch.float64))
    moved = sample.to(torch.device('cpu'))
    assert moved.search_box_xyxy.dtype == moved.memory_boxes_xyxy.dtype == torch.float32
    assert moved.memory_boxes_xyxy.shape == (5, 4)
    assert (moved.clip, moved.frame_index) == ('swan', 3)
    assert set(sample.keys()) == {'search_box_xyxy', 'memory_boxes_xyxy'}


@pytest.mark.parametrize(
    'name, boxes',
    [
        ('search_box_xyxy', torch.zeros(1, 4)),
        ('memory_boxes_xyxy', torch.zeros(4)),
        ('x_box_xyxy', [1, 2]),
    ],
)
def test_a_wrong_shape_is_refused(name, boxes):
    with pytest.raises(ValueError, match=name):
        SOTSample().set_boxes(name, boxes)


def test_a_name_without_format_is_refused():
    with pytest.raises(ValueError, match='box_xyxy'):
        SOTSample().set_boxes('search', [1, 2, 3, 4])
