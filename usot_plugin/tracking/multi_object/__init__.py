"""Many objects at once: detections get identities, and a single-object tracker carries them through
missed detections."""

from .association import Association, HostAssociation, TwoStageAssociation
from .carried_tracks import CarriedTracks
from .detection_sources import DetectionError, DetectionSource, HostDetector, RecordedDetections

__all__ = [
    'Association',
    'CarriedTracks',
    'DetectionError',
    'DetectionSource',
    'HostAssociation',
    'HostDetector',
    'RecordedDetections',
    'TwoStageAssociation',
]
