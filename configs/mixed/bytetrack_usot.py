"""ByteTrack of mmdet with its detector, and USOT for the frames that the detector misses: one
config, one process. Needs compiled ops.

python tools/track_objects.py configs/mixed/bytetrack_usot.py VIDEO \\
    --checkpoint work_dirs/usot_quick/epoch_10.pth --out work_dirs/objects
"""

_base_ = ['./carried-tracks_usot.py']
default_scope = 'mmdet'

# YOLOX-X as ByteTrack trains it for people; any detector of mmdet will do.
detections = dict(
    _delete_=True,
    type='HostDetector',
    config='mmdet::bytetrack/yolox_x_8xb4-amp-80e_crowdhuman-mot17halftrain_test-mot17halfval.py',
    checkpoint='weights/bytetrack_yolox_x_crowdhuman_mot17.pth',
    min_score=0.1,
)
multi_object = dict(
    association=dict(
        _delete_=True,
        type='HostAssociation',
        # The numbers of mmdet's own ByteTrack config.
        tracker=dict(
            type='mmdet.ByteTracker',
            motion=dict(type='mmdet.KalmanFilter'),
            obj_score_thrs=dict(high=0.6, low=0.1),
            init_track_thr=0.7,
            weight_iou_with_det_scores=True,
            match_iou_thrs=dict(high=0.1, low=0.5, tentative=0.3),
            num_frames_retain=30,
        ),
    )
)
