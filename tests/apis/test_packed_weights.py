"""Weights that carry their config: packed by the tool, loaded by name, and refused where they could
run code."""

from __future__ import annotations

import copy
import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from tests.apis.test_inference import MODEL
from tests.test_tools_tracking import ROOT, as_process, demo_tool, one_line
from usot_plugin.apis import init_tracker, load_pretrained, packed_weights
from usot_plugin.registry import MODELS
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.testing.tools import run_tool_main
from usot_plugin.utils.checkpoint import CheckpointError

PACK = ROOT / 'tools/pack_pretrained.py'


@pytest.fixture
def trained(tmp_path):
    """A training checkpoint with an optimizer and an average in it, and the table of its run."""
    torch.manual_seed(2)
    state, average = (MODELS.build(dict(MODEL)).state_dict() for _ in range(2))
    run = dict(
        model=MODEL,
        train_cfg=dict(by_epoch=True, max_epochs=3),
        load_from=str(tmp_path / 'start.pth'),
        own_variable=1,
    )
    meta = {
        'epoch': 3,
        'seed': 4,
        'cfg': Config(run).pretty_text,
        'mmengine_version': '0.10.12' + 'c0ffee' * 6 + 'abcd',
    }
    content = {
        'state_dict': average,
        'ema_state_dict': state,
        'optimizer': {'x': torch.ones(9)},
        'meta': meta,
    }
    torch.save(content, tmp_path / 'e.pth')
    (tmp_path / 'a.mp4').write_bytes(b'clip')
    write_table_part(
        tmp_path / 'table', 'a.mp4', tmp_path / 'a.mp4', pseudo_track([[10, 10, 40, 40]] * 5)
    )
    return [tmp_path / 'e.pth', '--table', tmp_path / 'table']


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """An empty folder in the place of the package's own."""
    monkeypatch.setattr(packed_weights, 'PRETRAINED_FOLDER', tmp_path / 'pretrained')
    return tmp_path / 'pretrained'


def test_packed_weights_track_as_the_checkpoint_does(tmp_path, trained, shipped):
    assert run_tool_main(PACK, *trained, '--out', shipped / 'usot_mobile.pth') == 0
    content = torch.load(shipped / 'usot_mobile.pth', weights_only=True)
    assert set(content) == {'packed', 'state_dict'}
    record = content['packed']
    assert record['trained'] == {'epoch': 3, 'seed': 4, 'code_when_saved': 'c0ffee' * 6 + 'abcd'}
    assert record['config'] == {
        'model': MODEL,
        'train_cfg': dict(by_epoch=True, max_epochs=3),
        'load_from': 'start.pth',
    }
    (data,) = record['data']
    assert (
        data['table'] == 'table'
        and data['rows'] == data['samplable'] == 1
        and len(data['sha256']) == 64
    )
    assert record['clips'] == {'a.mp4': hashlib.sha256(b'clip').hexdigest()}
    assert str(tmp_path) not in repr(record)
    frames, boxes = moving_square_frames(4)
    found = []
    config = Config(dict(model=MODEL))
    for tracker in (
        load_pretrained(device='cpu'),
        init_tracker(device='cpu'),
        init_tracker(config, trained[0], device='cpu'),
    ):
        prediction, _ = tracker.update(frames[1], tracker.init(frames[0], boxes[0]))
        found.append(prediction.boxes_xyxy)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_choice_of_weights_and_half_precision(tmp_path, trained):
    tuned = ('--cfg-options', 'model.test_cfg.memory_weight=0.25')
    assert (
        run_tool_main(
            PACK, *trained, '--weights', 'raw', '--half', *tuned, '--out', tmp_path / 'half.pth'
        )
        == 0
    )
    raw = torch.load(trained[0], weights_only=True)['ema_state_dict']
    packed = torch.load(tmp_path / 'half.pth', weights_only=True)['state_dict']
    tracker = init_tracker(checkpoint=tmp_path / 'half.pth', device='cpu')
    assert tracker.memory_weight == 0.25
    loaded = tracker.model.state_dict()
    for name, value in raw.items():
        assert packed[name].dtype == (torch.float16 if value.is_floating_point() else value.dtype)
        assert loaded[name].dtype == value.dtype
        torch.testing.assert_close(loaded[name], value, rtol=1e-3, atol=1e-6)


def test_the_tracker_of_another_config(tmp_path, trained):
    (tmp_path / 'c.py').write_text(
        'model = dict(test_cfg=dict(type="USOTTracker", memory_size=6))\ntrain_cfg = '
        'dict(max_epochs=9)\n'
    )
    options = ('--config', tmp_path / 'c.py', '--cfg-options', 'model.test_cfg.memory_weight=0.5')
    assert run_tool_main(PACK, *trained, *options, '--out', tmp_path / 'x.pth') == 0
    config = packed_weights.packed_config(tmp_path / 'x.pth')
    assert config.model.test_cfg == dict(type='USOTTracker', memory_size=6, memory_weight=0.5)
    assert config.model.backbone == MODEL['backbone'] and config.train_cfg.max_epochs == 3


def test_the_weights_of_the_start_and_the_commit_of_the_start(tmp_path, trained):
    (tmp_path / 'start.pth').write_bytes(b'start')
    content = torch.load(trained[0], weights_only=True)
    content['meta']['code'] = 'commit'
    torch.save(content, trained[0])
    assert run_tool_main(PACK, *trained, '--out', tmp_path / 'x.pth') == 0
    record = packed_weights.packed_record(tmp_path / 'x.pth')['trained']
    assert record == {
        'epoch': 3,
        'seed': 4,
        'code': 'commit',
        'load_from_sha256': hashlib.sha256(b'start').hexdigest(),
    }


def test_a_clip_that_is_gone_has_no_hash(tmp_path, trained, capsys):
    (tmp_path / 'a.mp4').unlink()
    assert run_tool_main(PACK, *trained, '--out', tmp_path / 'x.pth') == 0
    assert '1 of 1 clips are not there any more and have no hash, e.g. a.mp4' in one_line(
        capsys.readouterr().err
    )
    assert packed_weights.packed_record(tmp_path / 'x.pth')['clips'] == {'a.mp4': None}


@pytest.mark.process
def test_the_hash_follows_the_data(tmp_path, trained):
    hashes = []
    sequences = tmp_path / 'sequences'
    write_frames(sequences / 's/img', [np.zeros((8, 8, 3), np.uint8)])
    for run, content in enumerate(['1,1,2,2', '1,1,2,2', '1,1,2,3']):
        (sequences / 's/groundtruth.txt').write_text(content)
        assert (
            run_tool_main(
                PACK, *trained, '--sequences', sequences, '--out', tmp_path / f'{run}.pth'
            )
            == 0
        )
        hashes.append(
            [
                entry['sha256']
                for entry in packed_weights.packed_record(tmp_path / f'{run}.pth')['data']
            ]
        )
    assert hashes[0] == hashes[1] and hashes[0][0] == hashes[2][0] and hashes[0][1] != hashes[2][1]


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--max-mb', '0.01'], 'more than 0.01 MB; --half stores it in half the size'),
        (['--table', 'nothing'], 'nothing: no such pseudo-box table'),
        (['--sequences', 'nothing'], 'nothing: no such folder'),
        (['--config', 'nothing.py'], 'nothing.py: no such config'),
    ],
)
def test_refusals_of_packing(tmp_path, trained, capsys, extra, message):
    assert run_tool_main(PACK, *trained, *extra, '--out', tmp_path / 'x.pth') == 2
    assert message in one_line(capsys.readouterr().err)
    assert not list(tmp_path.glob('*x.pth*'))


def test_only_the_tracker_may_be_chosen_after_the_training(tmp_path, trained, capsys):
    assert (
        run_tool_main(
            PACK, *trained, '--cfg-options', 'randomness.seed=9', '--out', tmp_path / 'x.pth'
        )
        == 2
    )
    assert '--cfg-options randomness.seed: only model.test_cfg.* can be chosen' in one_line(
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            None,
            'e.pth: meta.cfg is missing: only checkpoints of tools/train.py say how they were '
            'trained',
        ),
        (
            "model = open('ran', 'w')",
            "meta.cfg cannot be read as plain values: line 1: open('ran', 'w')",
        ),
        (
            "model = dict(type='os.system', command='touch ran', test_cfg=dict())",
            "'os.system' is not the name of a registered part",
        ),
    ],
)
def test_the_config_in_a_checkpoint_is_read_and_never_run(
    tmp_path, monkeypatch, trained, capsys, text, message
):
    monkeypatch.chdir(tmp_path)
    content = torch.load(trained[0], weights_only=True)
    content['meta']['cfg'] = text
    torch.save(content, trained[0])
    assert run_tool_main(PACK, *trained, '--out', 'x.pth') == 2
    assert (
        message in one_line(capsys.readouterr().err)
        and not Path('ran').exists()
        and not Path('x.pth').exists()
    )


def test_weights_that_are_not_finite_are_not_packed(tmp_path, trained, capsys):
    content = torch.load(trained[0], weights_only=True)
    content['state_dict']['head.cls_conv.bias'].fill_(1e6)
    torch.save(content, trained[0])
    assert run_tool_main(PACK, *trained, '--half', '--out', tmp_path / 'x.pth') == 2
    assert one_line(capsys.readouterr().err).endswith(
        'e.pth: head.cls_conv.bias is not finite in float16'
    )
    assert run_tool_main(PACK, *trained, '--out', tmp_path / 'x.pth') == 0


@pytest.mark.parametrize(
    ('name', 'seed', 'epoch', 'clips'), [('usot_mobile', 0, 33, 106), ('usot_small', 3, 12, 46)]
)
def test_the_shipped_record_names_its_run_and_its_clips(name, seed, epoch, clips):
    path = packed_weights.pretrained_path(name)
    record = packed_weights.packed_record(path)
    assert (
        record['config']['randomness']['seed'] == record['trained']['seed'] == seed
        and record['trained']['epoch'] == epoch
    )
    read_me = path.with_name('README.md').read_text(encoding='utf-8')
    if name == 'usot_small':  # the mobile tracker has learnt from its clips, too
        read_me = read_me[read_me.index('## `usot_small`') :]
    listed = [
        line.split('|')[1].strip()
        for line in read_me.splitlines()
        if line.startswith('| ') and not line.startswith('| clip |')
    ]
    assert sorted(listed) == sorted(record['clips']) and len(listed) == clips
    assert all(len(digest) == 64 for digest in record['clips'].values())
    assert path.stat().st_size < 4e6


def test_missing_weights_are_named(shipped):
    with pytest.raises(
        CheckpointError,
        match=r"no pretrained weights 'usot_mobile' in this package \(there: none\)",
    ):
        load_pretrained()
    shipped.mkdir()
    (shipped / 'usot_mobile.pth').touch()
    with pytest.raises(
        CheckpointError,
        match=r"'usot_mobil' in this package, did you mean 'usot_mobile'\? \(there: usot_mobile\)",
    ):
        load_pretrained('usot_mobil')
    with pytest.raises(CheckpointError, match="did you mean 'usot_mobile'"):
        init_tracker(checkpoint='usot_mobil')


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What is logged about configs."""
    lines: list[str] = []
    monkeypatch.setattr(packed_weights, 'print_log', lambda line, logger: lines.append(line))
    return lines


def test_a_checkpoint_of_a_training_brings_its_config(trained, tmp_path, said):
    for name in ('a.py', 'b.py'):
        (tmp_path / name).write_text(f'model = {dict(MODEL, test_cfg=dict(type="None"))!r}\n')
    tracker = init_tracker(checkpoint=trained[0], device='cpu')
    assert tracker.memory_size == MODEL['test_cfg']['memory_size']
    assert said == [f'{trained[0]}: its config is the one of its training, kept in it']


def weights_alone(trained, folder) -> Path:
    """The same weights without meta."""
    folder.mkdir()
    content = torch.load(trained[0], weights_only=True)
    torch.save({'state_dict': content['state_dict']}, folder / 'w.pth')
    return folder / 'w.pth'


def test_the_config_beside_a_checkpoint_is_taken(trained, tmp_path, said):
    weights = weights_alone(trained, tmp_path / 'work')
    (tmp_path / 'work/tiny.py').write_text(f'model = {MODEL!r}\n')
    (tmp_path / 'work/script.py').write_text("import os\nopen('ran', 'w')\nmodel = 1\n")
    tracker = init_tracker(checkpoint=weights, device='cpu')
    assert tracker.memory_size == MODEL['test_cfg']['memory_size']
    assert said == [f'{weights}: its config is {tmp_path / "work/tiny.py"}']
    assert not Path('ran').exists() and not (tmp_path / 'work/ran').exists()


def test_several_configs_beside_a_checkpoint_are_named(trained, tmp_path):
    weights = weights_alone(trained, tmp_path / 'work')
    for name in ('a.py', 'b.py'):
        (tmp_path / 'work' / name).write_text(f'model = {MODEL!r}\n')
    with pytest.raises(CheckpointError, match=r'Give one of them: .*a\.py, .*b\.py') as caught:
        init_tracker(checkpoint=weights)
    assert '\n' not in str(caught.value)


def test_a_checkpoint_without_config(trained, tmp_path):
    weights = weights_alone(trained, tmp_path / 'work')
    with pytest.raises(CheckpointError, match='carries no config of its own, and none lies beside'):
        init_tracker(checkpoint=weights)


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        (
            dict(type='os.system', command='touch ran'),
            "model.type = 'os.system' is not the name of a registered part",
        ),
        (
            dict(MODEL, backbone=dict(type='code.USOT')),
            "model.backbone.type = 'code.USOT' is not the name",
        ),
        (dict(MODEL, test_cfg=dict(type='mine.py:follow')), "'mine.py:follow' is not the name"),
        (
            dict(MODEL, test_cfg=dict(type='FunctionTracker', function='mine.py:follow')),
            'FunctionTracker',
        ),
        (dict(MODEL, test_cfg=dict(type='USOTTraker')), "did you mean 'USOTTracker'"),
        (dict(MODEL, heads=1), "USOT has no argument 'heads'"),
        (None, 'it has no model with a tracker'),
    ],
)
def test_a_config_in_a_weights_file_only_names_what_is_registered(
    tmp_path, monkeypatch, model, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine.py').write_text(
        "open('ran', 'w')\ndef follow(frame, box, memory): return box\n"
    )
    if model and 'test_cfg' not in model:
        model['test_cfg'] = MODEL['test_cfg']
    torch.save({'packed': {'config': {'model': model}}, 'state_dict': {}}, tmp_path / 'x.pth')
    with pytest.raises(CheckpointError) as caught:
        init_tracker(checkpoint=tmp_path / 'x.pth')
    assert message in str(caught.value) and str(caught.value).startswith(
        f'{tmp_path}/x.pth: its config cannot be used: '
    )
    assert not (tmp_path / 'ran').exists()


@pytest.mark.process
def test_demo_without_config(tmp_path, trained, shipped, capsys):
    frames, _ = moving_square_frames(3)
    write_frames(tmp_path / 'clip', frames)
    arguments = [
        str(tmp_path / 'clip'),
        '--box',
        '20,20,20,20',
        '--no-video',
        '--device',
        'cpu',
        '--out',
        str(tmp_path / 'out'),
    ]
    assert demo_tool.main(arguments) == 2
    assert "no pretrained weights 'usot_mobile'" in one_line(capsys.readouterr().err)
    assert (
        as_process(
            'pack_pretrained', *trained, '--out', shipped / 'usot_mobile.pth', cwd=tmp_path
        ).returncode
        == 0
    )
    assert demo_tool.main(arguments) == 0
    first = (tmp_path / 'out/clip.json').read_bytes()
    for checkpoint in (str(shipped / 'usot_mobile.pth'), 'usot_mobile'):
        assert demo_tool.main([*arguments, '--checkpoint', checkpoint]) == 0
        assert (tmp_path / 'out/clip.json').read_bytes() == first and b'USOTTracker' in first


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A package that leaves a mark when it is imported."""
    (tmp_path / 'planted').mkdir()
    for name in ('__init__', 'registry'):
        (tmp_path / f'planted/{name}.py').write_text(
            f"open({str(tmp_path / 'ran')!r}, 'w')\nclass USOT: pass\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / 'ran'


@pytest.mark.parametrize(
    'change',
    [
        {'_scope_': 'planted'},
        {'type': 'planted.USOT'},
        {'type': 'planted.registry.USOT'},
        {'type': 'mmengine.mkdir_or_exist', 'dir_name': 'ran'},
        {'type': 'mmengine.Runner'},
        {'custom_imports': {'imports': ['planted']}},
        {'_delete_': True},
        {'_base_': 'planted/__init__.py'},
        {'_module_': 'planted'},
        {
            'init_cfg': {
                'type': 'Pretrained',
                'checkpoint': 'x',
                '_scope_': 'planted',
                'prefix': 'planted',
            }
        },
        {'type': 'FunctionTracker', 'function': 'planted/__init__.py:USOT'},
    ],
    ids=str,
)
@pytest.mark.parametrize('place', ['model', 'head', 'test_cfg'])
def test_a_weights_file_never_imports_or_runs_anything(
    tmp_path, planted, monkeypatch, change, place
):
    monkeypatch.chdir(tmp_path)
    model = copy.deepcopy(MODEL)
    node = model if place == 'model' else model[place]
    node.update(change)
    config = {
        'model': model,
        'custom_imports': {'imports': ['planted']},
        'default_scope': 'planted',
        '_base_': 'planted/__init__.py',
    }
    torch.save(
        {'packed': {'config': config}, 'state_dict': {'a': torch.ones(1)}}, tmp_path / 'x.pth'
    )
    with pytest.raises(CheckpointError) as caught:
        init_tracker(checkpoint=tmp_path / 'x.pth')
    assert str(caught.value).startswith(f'{tmp_path}/x.pth: ') and '\n' not in str(caught.value)
    assert not planted.exists() and 'planted' not in sys.modules


def test_shipped_weights_have_their_digest(tmp_path, monkeypatch):
    copied = tmp_path / 'pretrained'
    shutil.copytree(packed_weights.PRETRAINED_FOLDER, copied)
    monkeypatch.setattr(packed_weights, 'PRETRAINED_FOLDER', copied)
    assert packed_weights.pretrained_path() == copied / 'usot_mobile.pth'
    with (copied / 'usot_mobile.pth').open('ab') as stream:
        stream.write(b'x')
    with pytest.raises(CheckpointError, match='usot_mobile.pth: damaged: its SHA-256'):
        packed_weights.pretrained_path()


def test_clips_without_a_table_are_recorded(trained, tmp_path):
    (tmp_path / 'clips').mkdir()
    (tmp_path / 'clips/one.mp4').write_bytes(b'one')
    assert (
        run_tool_main(PACK, trained[0], '--clips', tmp_path / 'clips', '--out', tmp_path / 'x.pth')
        == 0
    )
    record = packed_weights.packed_record(tmp_path / 'x.pth')
    assert (
        record['clips'] == {'one.mp4': hashlib.sha256(b'one').hexdigest()} and record['data'] == []
    )
