"""Protocols, measures, result files and reports."""

from .metrics import SOTMetric, VOTMultiStartMetric, VOTResetMetric
from .protocols import OPE, VOTMultiStart, VOTReset
from .reports.one_pass_report import OnePassReport, SequenceReport
from .results.result_files import OnePassResults, ResultError, ResultFolder
from .running.runner_loops import SOTTestLoop, SOTValLoop
from .running.sequences import run_sequences

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
