"""Published numbers: each with its source, none twice, and found under any spelling of the
benchmark."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from usot_plugin.evaluation.reports.published import (
    SEQUENCE_COUNTS,
    PublishedError,
    read_published,
    rows_of,
)

TABLE = Path(__file__).parents[3] / 'tools' / 'analysis' / 'published_results.csv'


def test_the_table_of_the_repository():
    with TABLE.open(newline='') as stream:
        entries = list(csv.DictReader(stream))
    keys = [
        tuple(entry[key] for key in ('benchmark', 'tracker', 'measure', 'paper', 'place'))
        for entry in entries
    ]
    assert len(keys) == len(set(keys)) > 300
    for entry in entries:
        assert (
            entry['benchmark'] in SEQUENCE_COUNTS
            and entry['video_labels'] in ('yes', 'no', '')
            and entry['paper']
            and entry['place']
        )
        value = float(entry['value'])
        limits = {'A': 1, 'EAO': 1, 'R': 2, 'failures': 200, 'fps': 200}
        assert 0 < value <= limits.get(entry['measure'], 100), entry


def test_known_rows():
    rows = read_published(TABLE)
    (usot,) = [row for row in rows_of(rows, 'vot_2018') if row.tracker == 'USOT*']
    assert (
        usot.values == {'accuracy': 0.578, 'failures_per_100': 0.304, 'eao': 0.344}
        and usot.source == 'USOT (ICCV 2021), Table 1'
        and usot.video_labels == 'no'
    )
    (udt,) = [row for row in rows_of(rows, 'OTB100') if row.tracker == 'UDT']
    assert udt.values == {'auc': 59.4, 'fps': 70}
    assert (
        'robustness' in rows_of(rows, 'VOT2020')[0].values
    )  # of several starts: a share, higher is better
    assert rows_of(rows, 'my own videos') == []


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'cannot be read'),
        (
            'benchmark,tracker,video_labels,measure,value,paper,place\nX,T,no,AUK,1,P,Table 1\n',
            "line 2: unknown measure 'AUK'",
        ),
        ('a,b\n1,2\n', 'its columns are not benchmark, tracker'),
        (
            'benchmark,tracker,video_labels,measure,value,paper,place\nX,T,no,AUC,high,P,Table 1\n',
            "line 2: 'high' is not a number",
        ),
    ],
)
def test_a_broken_table_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / 'table.csv').write_text(text)
    with pytest.raises(PublishedError, match=message):
        read_published(tmp_path / 'table.csv')
