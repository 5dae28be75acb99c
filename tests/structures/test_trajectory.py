import numpy as np
import pytest

from usot_plugin.structures.regions import BoxRegion, MaskRegion
from usot_plugin.structures.trajectory import Prediction, Trajectory

BOXES = np.array([[1.0, 2, 3, 4], [5, 5, 5, 9]])


def test_region_of_a_box_tracker_is_its_box():
    prediction = Prediction(BOXES, np.ones(2), np.zeros(2, bool))
    assert isinstance(prediction.region(0), BoxRegion)
    assert prediction.region(0).box_xyxy.tolist() == [1, 2, 3, 4]
    assert prediction.region(1) is None  # no area


def test_region_of_a_mask_tracker_is_its_mask():
    mask = MaskRegion(np.ones((2, 2)))
    prediction = Prediction(BOXES, np.ones(2), np.zeros(2, bool), [None, mask])
    assert prediction.region(0) is None and prediction.region(1) is mask


def test_as_many_regions_as_boxes():
    with pytest.raises(ValueError, match='1 regions beside 2 boxes'):
        Prediction(BOXES, np.ones(2), np.zeros(2, bool), [None])
    with pytest.raises(ValueError, match='equally long'):
        Trajectory(BOXES, np.ones(2), np.zeros(2, bool), np.ones(2), [None])
    assert Trajectory(BOXES, np.ones(2), np.zeros(2, bool), np.ones(2)).regions is None


def test_predictions_of_several_targets_become_one():
    mask = MaskRegion(np.ones((2, 2)))
    plain = Prediction(BOXES, np.array([0.1, 0.2]), np.array([False, True]))
    masked = Prediction(BOXES[:1], np.array([0.3]), np.array([False]), [mask])
    both = Prediction.concat([plain, masked])
    assert both.boxes_xyxy.tolist() == [
        *BOXES.tolist(),
        BOXES[0].tolist(),
    ] and both.scores.tolist() == [0.1, 0.2, 0.3]
    assert (
        both.region(2) is mask
        and both.region(0).box_xyxy.tolist() == BOXES[0].tolist()
        and both.region(1) is None
    )
    assert Prediction.concat([plain, plain]).regions is None
