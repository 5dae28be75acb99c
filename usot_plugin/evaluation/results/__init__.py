"""Result files: the line between running a tracker and scoring it, in every community's form."""

from .result_files import (
    RUN_FILE,
    OnePassResults,
    ResultError,
    ResultFolder,
    read_numbers,
    unusable_boxes,
    write_numbers,
)

__all__ = [
    'RUN_FILE',
    'OnePassResults',
    'ResultError',
    'ResultFolder',
    'read_numbers',
    'unusable_boxes',
    'write_numbers',
]
