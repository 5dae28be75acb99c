"""Protocols, measures, result files and reports."""

from .loops import SOTTestLoop, SOTValLoop
from .metrics import SOTMetric, VOTMultiStartMetric, VOTResetMetric
from .protocols import OPE, VOTMultiStart, VOTReset
from .report import OnePassReport, SequenceReport
from .results import OnePassResults, ResultError, ResultFolder
from .running import run_sequences

__all__ = [
    'OPE',
    'OnePassReport',
    'ResultError',
    'OnePassResults',
    'ResultFolder',
    'SOTMetric',
    'SOTTestLoop',
    'SOTValLoop',
    'SequenceReport',
    'VOTMultiStart',
    'VOTMultiStartMetric',
    'VOTReset',
    'VOTResetMetric',
    'run_sequences',
]
