"""model-index.yml and the metafiles: what they name exists, and their numbers are those of
docs/runs.csv."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.registry import MODELS

from usot_plugin.cli.docs_tables import read_record

ROOT = Path(__file__).parents[1]
METAFILES = load(ROOT / 'model-index.yml')['Import']
MODEL_ROWS = [(file, model) for file in METAFILES for model in load(ROOT / file)['Models']]
#: What tests/test_model_index.py compares with the config itself; the others differ from one of
#: these in training only.
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


def test_numbers_are_those_of_the_record():
    runs = read_record(ROOT).runs
    measured = {(run['config'], run['sequences'], run['auc'], run['p20']) for run in runs}
    for _, model in MODEL_ROWS:
        for result in model.get('Results', ()):
            row = (
                model['Name'],
                result['Dataset'].split()[0],
                str(result['Metrics']['AUC']),
                str(result['Metrics']['P20']),
            )
            assert row in measured


def test_what_was_trained_and_is_shown_has_its_result_in_the_metafile():
    runs = read_record(ROOT).runs
    trained = {run['config'] for run in runs if run['tables'] and run['command'] != 'test'}
    rounds = {f'usot_small_round{number}' for number in (1, 2, 3)}  # stages of usot_small
    named = {model['Name'] for _, model in MODEL_ROWS if 'Results' in model}
    assert 'usot_quick' in trained
    assert trained - rounds - {''} == named


@pytest.mark.parametrize('name', BUILT)
def test_numbers_of_parameters_are_those_of_the_configs(name):
    (row,) = (model for _, model in MODEL_ROWS if model['Name'] == name)
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(ROOT / row['Config']).model)
    assert row['Metadata']['Parameters'] == sum(
        parameter.numel() for parameter in model.parameters()
    )
    assert type(model).__name__ in row['Metadata']['Architecture']
