"""Optical flow behind one interface."""

from .arflow import ARFlow
from .base import FlowEstimator, build_flow
from .callable_flow import CallableFlow
from .classical import DISFlow, FarnebackFlow

__all__ = ['ARFlow', 'CallableFlow', 'DISFlow', 'FarnebackFlow', 'FlowEstimator', 'build_flow']
