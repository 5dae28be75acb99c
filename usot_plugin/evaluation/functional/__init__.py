"""Measures as plain functions of arrays."""

from .one_pass import (
    CONVENTIONS,
    NORMALISED_THRESHOLDS,
    PRECISION_PX,
    PRECISION_THRESHOLDS_PX,
    SUCCESS_THRESHOLDS,
    Convention,
    OnePassScore,
    centre_errors,
    mean_score,
    normalised_centre_errors,
    precision_curve,
    score_one_pass,
    success_auc,
    success_curve,
)
from .region_overlap import region_overlaps

__all__ = [
    'CONVENTIONS',
    'NORMALISED_THRESHOLDS',
    'PRECISION_PX',
    'PRECISION_THRESHOLDS_PX',
    'SUCCESS_THRESHOLDS',
    'Convention',
    'OnePassScore',
    'centre_errors',
    'mean_score',
    'normalised_centre_errors',
    'precision_curve',
    'region_overlaps',
    'score_one_pass',
    'success_auc',
    'success_curve',
]
