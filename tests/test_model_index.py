"""model-index.yml and the metafiles: what they name exists, and every row of the results page is in them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.registry import MODELS

ROOT = Path(__file__).parents[1]
METAFILES = load(ROOT / 'model-index.yml')['Import']
MODEL_ROWS = [(file, model) for file in METAFILES for model in load(ROOT / file)['Models']]
#: What tests/test_model_index.py compares with the config itself; the others differ from one of these in training only.
BUILT = (
    'usot_r50',
    'usot_small',
    'usot_mobile',
    'udt',
    'udt-plus',
    's2siamfc_full',
    'cyclesiam-plus_quick',
    'siamrpn_supervised',
    'alexpul',
    'respul',
)


def test_every_family_has_its_file():
    assert sorted(METAFILES) == sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('metafile.yml')
    )


@pytest.mark.parametrize('file', METAFILES)
def test_collections_name_files_that_exist(file):
    content = load(ROOT / file)
    (collection,) = content['Collections']
    assert {model['In Collection'] for model in content['Models']} == {collection['Name']}
    assert (ROOT / collection['README']).is_file() and (ROOT / collection['Code']['URL']).is_file()
    assert collection['Paper']['Title'] and collection['Metadata']['Architecture']


def test_models_are_called_like_their_configs():
    names = Counter(model['Name'] for _, model in MODEL_ROWS)
    assert not [name for name, count in names.items() if count > 1], 'one name, one config'
    for _, model in MODEL_ROWS:
        assert (ROOT / model['Config']).is_file() and Path(model['Config']).stem == model['Name']
        assert model['Metadata']['Parameters'] > 0 and model['Metadata']['Architecture']
        for result in model.get('Results', ()):
            assert result['Task'] == 'Single Object Tracking' and 0 < result['Metrics']['AUC'] < 100
        assert 'Weights' not in model or (ROOT / model['Weights']).is_file()


def test_shipped_weights_are_named():
    shipped = {
        str(path.relative_to(ROOT)) for path in (ROOT / 'usot_plugin/pretrained').glob('*.pth')
    }
    assert shipped and shipped == {
        model['Weights'] for _, model in MODEL_ROWS if 'Weights' in model
    }


def test_every_config_with_a_row_in_the_results_is_listed():
    rows = re.findall(
        r'^\|.*\|$', (ROOT / 'docs/results.md').read_text(encoding='utf-8'), flags=re.MULTILINE
    )
    configs = {path.stem for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts}
    named = {Path(name).stem for row in rows for name in re.findall(r'`([\w/.-]+)`', row)} & configs
    assert 'usot_quick' in named
    assert named <= {model['Name'] for _, model in MODEL_ROWS}


def _measured() -> dict[str, set[tuple[float, float]]]:
    """AUC and P20 of each config that was trained, from the tables with these columns; of two tables the later one counts."""
    text = (ROOT / 'docs/results.md').read_text(encoding='utf-8')
    found: dict[str, set[tuple[float, float]]] = {}
    for table in re.findall(r'(?:^\|.*\|\n)+', text, flags=re.MULTILINE):
        header, _, *rows = (
            [cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()
        )
        if not {'config', 'AUC', 'P20'} <= set(header):
            continue
        here: dict[str, set[tuple[float, float]]] = {}
        for cells in (dict(zip(header, row, strict=True)) for row in rows):
            values = (
                [float(value.strip(' *')) for value in cells[column].split('/')]
                for column in ('AUC', 'P20')
            )
            for name in re.findall(r'`([\w/.-]+)`', cells['config']):
                if cells.get('training, CPU minutes') != '0':
                    here.setdefault(name, set()).update(zip(*values, strict=True))
        found.update(here)
    return found


def test_numbers_are_those_of_the_results_page():
    measured = _measured()
    results = {model['Name']: model for _, model in MODEL_ROWS if 'Results' in model}
    for name, model in results.items():
        rows = measured[name] if name in measured else measured[str(Path(model['Config']).parent)]
        for result in model['Results']:
            assert (result['Metrics']['AUC'], result['Metrics']['P20']) in rows, name
    assert set(measured) & {model['Name'] for _, model in MODEL_ROWS} <= set(results)


@pytest.mark.parametrize('name', BUILT)
def test_numbers_of_parameters_are_those_of_the_configs(name):
    (row,) = (model for _, model in MODEL_ROWS if model['Name'] == name)
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(ROOT / row['Config']).model)
    assert row['Metadata']['Parameters'] == sum(
        parameter.numel() for parameter in model.parameters()
    )
    assert type(model).__name__ in row['Metadata']['Architecture']
