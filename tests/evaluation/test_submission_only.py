"""Data sets whose annotation is at a server are never scored by mistake."""

from __future__ import annotations

import numpy as np
import pytest

from usot_plugin.evaluation.metrics import SOTMetric, SubmissionOnly

SAMPLE = {
    'name': 'a',
    'tracker': 't',
    'boxes_xyxy': np.ones((3, 4)),
    'annotated_xyxy': np.ones((3, 4)),
    'seconds': np.ones(3),
}
META = {'dataset_name': 'TrackingNet', 'first_box_only': True}


def test_counts_sequences():
    metric = SubmissionOnly()
    metric.dataset_meta = META
    metric.process(None, [SAMPLE, SAMPLE])
    assert metric.evaluate(2) == {'submission/sequences': 2}


def test_scoring_refuses():
    metric = SOTMetric()
    metric.dataset_meta = META
    with pytest.raises(ValueError, match='only the first boxes of this data set are public'):
        metric.process(None, [SAMPLE])
