"""Why a clip or a track is not kept: the values of the table's column ``reason``."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """One of a few reasons, so that clips can be counted by them; equal to the text in the
    table."""

    #: Dropped: Q_v of the best track is too low.
    SEQUENCE_QUALITY = 'sequence quality'
    #: Dropped: the boxes lie in a corner or at a border too often.
    CORNER_SHARE = 'corner share'
    #: Dropped: both together are too bad.
    VALUE = 'sequence quality less corner share'
    #: Dropped when labelled again: the tracker does not find its own way back.
    NO_AGREEMENT = 'no agreement'
    #: Skipped: nothing moves against the background, or too little to make a track.
    NO_MOVING_OBJECT = 'no moving object'
    #: Skipped: too few frames to see motion.
    TOO_SHORT = 'too short'
    #: Skipped: frames too small for the flow estimator.
    TOO_SMALL = 'too small'
    #: The clip cannot be read.
    UNREADABLE = 'unreadable'
    #: The process that read the clip died.
    DECODER_CRASHED = 'decoder crashed'
    #: The process that read the clip gave no sign of life for too long.
    TIMED_OUT = 'timed out'
    #: A bug in discovery.
    INTERNAL_ERROR = 'internal error'

    __str__ = str.__str__


#: Reasons that another run tries again: the file may have been repaired, the machine may have had a
#: bad day.
FAILED_REASONS = (
    Reason.UNREADABLE,
    Reason.DECODER_CRASHED,
    Reason.TIMED_OUT,
    Reason.INTERNAL_ERROR,
)
