"""Many objects: recorded detections get identities, and USOT carries each object through the frames
in which it is not detected.

    python tools/track_objects.py configs/mixed/carried-tracks_usot.py VIDEO \\
        --checkpoint work_dirs/usot_quick/epoch_10.pth \
        --out work_dirs/objects --cfg-options detections.path=VIDEO_DETECTIONS.txt

Needs no compiled ops; configs/mixed/bytetrack_usot.py does the same with mmdet's detector and
ByteTrack.
"""

_base_ = ['../quick/usot_quick.py']

detections = dict(type='RecordedDetections', path='data/detections.txt')
multi_object = dict(
    type='CarriedTracks', association=dict(type='TwoStageAssociation'), max_gap_frames=30
)
