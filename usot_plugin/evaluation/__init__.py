"""Protocols, measures, result files and reports."""

from .metrics import SOTMetric, VOTMultiStartMetric, VOTResetMetric
from .protocols import OPE, VOTMultiStart, VOTReset
from .reports.scores import Scores
from .results.result_files import OnePassResults, ResultError, ResultFolder
from .running.runner_loops import SOTTestLoop, SOTValLoop
from .running.sequences import run_sequences

__all__ = [
    'OPE',
    'ResultError',
    'OnePassResults',
    'ResultFolder',
    'SOTMetric',
    'SOTTestLoop',
    'SOTValLoop',
    'Scores',
    'VOTMultiStart',
    'VOTMultiStartMetric',
    'VOTReset',
    'VOTResetMetric',
    'run_sequences',
]
