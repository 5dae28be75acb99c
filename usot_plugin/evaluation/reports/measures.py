"""The table of measures: how every number of a report is called, shown and read.

Tables, pages, plots and legends use it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        head: Head of its column, as papers call it.
        meaning: What it is, in one line.
        better: 1 where higher is better, -1 where lower is better, 0 where neither is.
        decimals: Digits that are shown behind the point.
        unit: ``'%'`` for per cent, ``''`` for shares in [0, 1] and counts.
    """

    head: str
    meaning: str = ''
    better: int = 1
    decimals: int = 1
    unit: str = '%'

    def text(self, value: float | None, unknown: str = '-') -> str:
        """A value as it is shown; None and nan are ``unknown``."""
        return unknown if value is None or value != value else f'{value:.{self.decimals}f}'


@dataclass(frozen=True)
class CurveAxes:
    """A kind of curve and its plot.

    Attributes:
        title: Title of the plot.
        x_label: Below the horizontal axis.
        measure: Measure that the legend shows and sorts by.
        y_label: Beside the vertical axis, which goes from 0 to 1.
    """

    title: str
    x_label: str
    measure: str
    y_label: str = 'share of frames'


#: Measures by their name in files of scores.
MEASURES = {
    'auc': Measure('AUC', 'mean of the success curve (21 thresholds)'),
    'precision_20px': Measure('P@20px', 'share of frames with a centre error within 20 px'),
    'norm_precision_0.2': Measure('NP@0.2', 'normalised precision at 0.2 (pysot, MMTracking)'),
    'norm_precision_auc': Measure(
        'NP-AUC', 'mean of the normalised precision over 0..0.5 (got10k toolkit, TrackingNet)'
    ),
    'ao': Measure(
        'AO', 'mean overlap of the frames with a target but the first, boxes bounded by the image'
    ),
    'sr_50': Measure('SR0.50', 'share of these frames with an overlap above 0.5'),
    'sr_75': Measure('SR0.75', 'share of these frames with an overlap above 0.75'),
    'j_and_f': Measure('J&F', 'mean of J mean and F mean'),
    'j_mean': Measure('J mean', 'region similarity, over frames but the first and the last'),
    'j_recall': Measure('J recall', 'share of frames with J above 0.5'),
    'j_decay': Measure('J decay', 'loss of J from the first quarter to the last', better=-1),
    'f_mean': Measure('F mean', 'contour accuracy, over frames but the first and the last'),
    'f_recall': Measure('F recall', 'share of frames with F above 0.5'),
    'f_decay': Measure('F decay', 'loss of F from the first quarter to the last', better=-1),
    'sequences': Measure('sequences', better=0, decimals=0, unit=''),
    'frames': Measure('frames', better=0, decimals=0, unit=''),
    'runs': Measure('runs', better=0, decimals=0, unit=''),
    'accuracy': Measure(
        'A',
        'accuracy, mean overlap while tracking (resets: without ten frames after each start; '
        'several starts: before the failure)',
        decimals=3,
        unit='',
    ),
    'failures': Measure(
        'failures', 'of one run, mean over repetitions', better=-1, decimals=2, unit=''
    ),
    'failures_per_100': Measure(
        'R', 'robustness as pysot quotes it, failures in 100 frames', better=-1, decimals=3, unit=''
    ),
    'robustness': Measure(
        'R', 'robustness, share of the runs before the failures', decimals=3, unit=''
    ),
    'eao': Measure('EAO', 'expected average overlap', decimals=3, unit=''),
    'failures_per_sequence': Measure(
        'failures/seq.', 'failures of a sequence', better=-1, decimals=3, unit=''
    ),
    'reliability': Measure('reliability', 'as the official toolkit', decimals=3, unit=''),
    'fps': Measure('fps', 'updates over their time, decoding excluded', unit=''),
    'seconds': Measure('seconds', 'time of all updates', better=-1, unit=''),
}
#: Measures that trackers are compared by, the first one that there is.
MAIN_MEASURES = ('eao', 'auc', 'ao', 'j_and_f', 'accuracy')
#: Curves by the stem of the file of their plot.
CURVES = {
    'success': CurveAxes('Success', 'overlap threshold', 'auc'),
    'precision': CurveAxes('Precision', 'centre error threshold (px)', 'precision_20px'),
    'norm_precision': CurveAxes(
        'Normalised precision', 'centre error threshold (target sizes)', 'norm_precision_auc'
    ),
    'eao': CurveAxes(
        'Expected average overlap', 'length of the sequence (frames)', 'eao', 'expected overlap'
    ),
}
#: What rows stand for, where the table alone does not say it, by kind of scores.
NOTES = {
    'got10k': "'all frames' weighs every frame alike, as the got10k toolkit does; 'mean of "
    "sequences' weighs every sequence alike",
    'vos': 'every row is an object, the last one is the mean of all objects',
    'vot_reset': 'attributes are of frames, the EAO weighs each fragment by its share of them; '
    "'none' stands for frames without any attribute",
}


def measure_of(name: str) -> Measure:
    """The measure of a name; one that a metric from elsewhere has brought is called by its name."""
    return MEASURES.get(name) or Measure(name, decimals=3, unit='')


def main_measure(names: Iterable[str]) -> str:
    """The one of some measures that trackers are compared by.

    Raises:
        ValueError: There is none.
    """
    known = list(names)
    if not known:
        raise ValueError('no measure to compare by')
    return next((name for name in MAIN_MEASURES if name in known), known[0])


def legend(names: Iterable[str], kind: str = '') -> str:
    """What the columns of a table mean, as one paragraph."""
    known = [measure_of(name) for name in names]
    parts = []
    for measure in known:
        if measure.meaning:
            lower = ', lower is better' if measure.better < 0 else ''
            parts.append(f'{measure.head}: {measure.meaning}{lower}')
    if any(measure.unit == '%' for measure in known):
        whole = all(measure.unit == '%' or measure.head == 'fps' for measure in known)
        heads = ', '.join(measure.head for measure in known if measure.unit == '%')
        parts.append('All but fps in per cent' if whole else f'In per cent: {heads}')
    return '. '.join([*parts, *([NOTES[kind]] if kind in NOTES else [])]) + '.' if parts else ''
