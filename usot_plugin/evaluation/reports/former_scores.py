"""Files of scores of the release before, which had three forms.

They are read until the next release; then this file goes."""

from __future__ import annotations

from typing import Any

#: Names of measures by their former heads of columns.
FORMER_HEADS = {
    'AO': 'ao',
    'SR0.50': 'sr_50',
    'SR0.75': 'sr_75',
    'J&F': 'j_and_f',
    **{
        f'{letter} {part}': f'{letter.lower()}_{part}'
        for letter in 'JF'
        for part in ('mean', 'recall', 'decay')
    },
    'per 100': 'failures_per_100',
    'EAO': 'eao',
}
#: Rows of a table that stand for several sequences, besides its last one.
FORMER_TOTALS = ('mean of sequences', 'all frames')
ONE_PASS_MEASURES = ('auc', 'precision_20px', 'norm_precision_0.2', 'norm_precision_auc')
ONE_PASS_CURVES = {
    'success': 'success',
    'precision': 'precision_px',
    'norm_precision': 'normalised_precision',
}
#: Lines about a VOT evaluation that are rules now.
VOT_RULES = ('style', 'overlap', 'EAO window')

Rows = dict[str, dict[str, Any]]


def former_content(content: dict[str, Any], stem: str) -> dict[str, Any]:
    """The content of a file of a former form in the present form.

    Args:
        content: What the JSON holds.
        stem: Of the file.

    Raises:
        KeyError, TypeError, AttributeError: It is something else.
    """
    common = {
        'tracker': content['tracker'],
        'dataset': content['dataset'],
        'about': content['about'],
    }
    common |= {'kind': stem, 'rules': {}, 'attributes': {}, 'members': {}, 'curves': {}}
    if 'scores' in content:
        return common | _of_table(content)
    return common | (_of_vot(content) if 'eao_window' in content else _of_one_pass(content))


def _of_table(content: dict[str, Any]) -> dict[str, Any]:
    rows = _renamed(content['scores'])
    last = list(rows)[-1]
    totals = {name: row for name, row in rows.items() if name == last or name in FORMER_TOTALS}
    sequences = {name: row for name, row in rows.items() if name not in totals}
    return {'measures': list(rows[last]), 'sequences': sequences, 'totals': totals}


def _of_vot(content: dict[str, Any]) -> dict[str, Any]:
    about = dict(content['about'])
    rows = _renamed(content['sequences'])
    last = list(rows)[-1]
    y = content['curves']['expected_average_overlap']
    totals = {last: rows.pop(last)}
    return {
        'kind': about.pop('protocol'),
        'rules': {key: about.pop(key) for key in VOT_RULES if key in about},
        'about': about,
        'measures': list(totals[last]),
        'sequences': rows,
        'totals': totals,
        'attributes': _renamed(content.get('attributes', {})),
        'curves': {'eao': {'x': list(range(1, len(y) + 1)), 'y': y}},
    }


def _of_one_pass(content: dict[str, Any]) -> dict[str, Any]:
    sequences: Rows = {}
    members: dict[str, list[str]] = {}
    for name, entry in content['sequences'].items():
        speed = {'fps': entry['frames'] / entry['seconds']} if entry['seconds'] else {}
        counts = {'frames': entry['frames'], 'seconds': entry['seconds']}
        sequences[name] = {**_percent(entry), **speed, **counts}
        for attribute in entry['attributes']:
            members.setdefault(attribute, []).append(name)
    timed = [row for row in sequences.values() if row['seconds']]
    seconds = sum(row['seconds'] for row in timed)
    speed = {'fps': sum(row['frames'] for row in timed) / seconds} if seconds else {}
    curves = {}
    for name, key in ONE_PASS_CURVES.items():
        parts = {sequence: entry['curves'][key] for sequence, entry in content['sequences'].items()}
        y = content['mean']['curves'][key]
        curves[name] = {'x': content['thresholds'][key], 'y': y, 'sequences': parts}
    attributes = content.get('attributes', {})
    return {
        'kind': 'one_pass',
        'rules': {'convention': content['convention']},
        'measures': [*ONE_PASS_MEASURES, 'fps'],
        'sequences': sequences,
        'totals': {'mean': {**_percent(content['mean']), **speed}},
        'attributes': {
            name: {
                **_percent(row),
                **{key: row[key] for key in ('sequences', 'frames') if key in row},
            }
            for name, row in attributes.items()
        },
        'members': members,
        'curves': curves,
    }


def _percent(row: dict[str, Any]) -> dict[str, float]:
    return {name: 100 * row[name] for name in ONE_PASS_MEASURES}


def _renamed(rows: Rows) -> Rows:
    return {
        name: {FORMER_HEADS.get(head, head): value for head, value in row.items()}
        for name, row in rows.items()
    }
