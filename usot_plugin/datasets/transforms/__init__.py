"""Transforms of training groups; each draws its parameters and applies a plain function."""

from .augment import (
    GroupGray,
    ViewBrightness,
    ViewCoarseDropout,
    ViewFlip,
    ViewHueSaturation,
    ViewMotionBlur,
    ViewPerspective,
    ViewSaltPepper,
)
from .crop import SiameseCrop
from .formatting import PackSOTInputs
from .offset import ViewBoxOffset
from .rotate import ViewRotate
from .view import View, ViewTransform

__all__ = [
    'GroupGray',
    'PackSOTInputs',
    'SiameseCrop',
    'View',
    'ViewBoxOffset',
    'ViewBrightness',
    'ViewCoarseDropout',
    'ViewFlip',
    'ViewHueSaturation',
    'ViewMotionBlur',
    'ViewPerspective',
    'ViewRotate',
    'ViewSaltPepper',
    'ViewTransform',
]
