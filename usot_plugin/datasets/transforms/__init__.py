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
from .offset import GroupBoxPart, ViewBoxOffset
from .rotate import ViewRotate
from .view import GroupTransform, View, ViewTransform

__all__ = [
    'GroupBoxPart',
    'GroupGray',
    'GroupTransform',
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
