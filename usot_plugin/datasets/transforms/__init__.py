"""Transforms of training groups; each draws its parameters and applies a plain function."""

from .augment import ViewBrightness, ViewCoarseDropout, ViewFlip, ViewHueSaturation, ViewMotionBlur, ViewPerspective, ViewSaltPepper
from .crop import SiameseCrop
from .formatting import PackSOTInputs
from .view import View, ViewTransform

__all__ = [
    'PackSOTInputs',
    'SiameseCrop',
    'View',
    'ViewBrightness',
    'ViewCoarseDropout',
    'ViewFlip',
    'ViewHueSaturation',
    'ViewMotionBlur',
    'ViewPerspective',
    'ViewSaltPepper',
    'ViewTransform',
]
