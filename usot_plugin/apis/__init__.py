"""Trackers in a few lines: build one, follow targets through a video, a folder, a camera or a
stream."""

from ..tracking.box_input import InputError, boxes_from_json, check_boxes_in_frame, parse_box_xywh
from ..tracking.online import OnlineTracker, as_bgr_u8
from ..tracking.video import track_video
from .got10k_tracker import GOT10kTracker
from .inference import init_tracker, load_pretrained, onnx_tracker, tracker_from_function
from .inferencer import SOTInferencer
from .sources import FrameSource, SourceError, open_source

__all__ = [
    'FrameSource',
    'GOT10kTracker',
    'InputError',
    'OnlineTracker',
    'SOTInferencer',
    'SourceError',
    'as_bgr_u8',
    'boxes_from_json',
    'check_boxes_in_frame',
    'init_tracker',
    'load_pretrained',
    'onnx_tracker',
    'open_source',
    'parse_box_xywh',
    'track_video',
    'tracker_from_function',
]
