"""tools/migrate_mmtrack_config.py as a process; what it writes is used by tools/test.py and builds
its data."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.registry import DATASETS

from tests.utils.mmtrack_configs import write_configs
from usot_plugin.testing import benchmarks
from usot_plugin.testing.media import moving_square_frames, write_frames
from usot_plugin.testing.tables import pseudo_track, write_table_part
from usot_plugin.utils.config import load_config

ROOT = Path(__file__).parents[1]
QUICK = ROOT / 'configs/_base_/models/usot_quick_net.py'


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder as MMTracking's users have it: ``configs/`` and ``data/``."""
    root = tmp_path_factory.mktemp('mm')
    write_configs(root / 'configs')
    benchmarks.write_otb(root / 'data/OTB100/data', ['Deer'])
    benchmarks.write_got10k(root / 'data/G', 'train')
    benchmarks.write_got10k(root / 'data/G', 'val')
    benchmarks.write_vot(root / 'data/VOT2018/data', color_folder=True, regions='polygon')
    return root


def run(tool: str, place: Path, *arguments: object) -> subprocess.CompletedProcess:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get('PYTHONPATH')) if part)
    environment = {
        **os.environ,
        'PYTHONPATH': path,
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.process
def test_benchmark_config_is_translated_whole_and_runs(place, tmp_path):
    done = run(
        'migrate_mmtrack_config.py', place, 'configs/_base_/otb100.py', '--out', tmp_path / 'new.py'
    )
    assert (done.returncode, done.stderr) == (0, '')
    tracked = run(
        'test.py',
        place,
        tmp_path / 'new.py',
        'none',
        '--tracker',
        'StandStill',
        '--only',
        'Deer',
        '--out',
        tmp_path / 'out',
    )
    assert tracked.returncode == 0, tracked.stderr[-2000:]
    assert 'OTB-100' in (tmp_path / 'out/StandStill/report.md').read_text()


@pytest.mark.process
def test_config_of_a_tracker_names_what_is_left_and_its_reset_test_runs(place, tmp_path):
    new = tmp_path / 'new.py'
    done = run('migrate_mmtrack_config.py', place, 'configs/sot/siamese_vot2018.py', '--out', new)
    assert done.returncode == 1
    assert done.stdout.startswith(
        f'{new}: custom_imports, val_dataloader, val_cfg, val_evaluator, test_dataloader'
    )
    left = [line for line in done.stderr.splitlines() if line.startswith('left: ')]
    assert (
        left[0]
        == 'left: model: SiamRPN: models are not translated; --model FILE builds on one of this '
        'package'
    )
    assert 'Traceback' not in done.stderr and len(left) == 7
    assert [line.removeprefix('left: ') for line in left] == [
        line.removeprefix('#   ') for line in new.read_text().splitlines()[2 : 2 + len(left)]
    ]
    assert load_config(new).test_evaluator.eao_high == 356
    tracked = run(
        'test.py', place, new, 'none', '--tracker', 'StandStill', '--out', tmp_path / 'out'
    )
    assert tracked.returncode == 0, tracked.stderr[-2000:]


@pytest.mark.process
def test_model_of_ours_and_training_data(place, tmp_path, monkeypatch):
    new = tmp_path / 'new.py'
    done = run(
        'migrate_mmtrack_config.py',
        place,
        'configs/sot/stark_got10k_val.py',
        '--out',
        new,
        '--model',
        QUICK,
    )
    assert done.returncode == 1 and 'left: model' not in done.stderr
    assert f'note: model: Stark is replaced by that of {QUICK}' in done.stderr
    cfg = load_config(new)
    assert (
        cfg.model.type == 'USOT'
        and cfg.model.head.memory is None
        and cfg.model.train_cfg.cycle_start_epoch is None
    )
    assert cfg.optim_wrapper.optimizer.type == 'AdamW'
    monkeypatch.chdir(place)
    part = cfg.train_dataloader.dataset.datasets[0]
    group = DATASETS.build({**part, 'pipeline': []})[0]
    assert (
        group['clip'].startswith('GOT-10k_Train_')
        and {'template', 'search'} <= group['views'].keys()
    )
    assert (
        len(DATASETS.build(cfg.test_dataloader.dataset)) == 2
        and cfg.test_evaluator.type == 'GOT10kMetric'
    )


@pytest.fixture(scope='module')
def migrated(place, tmp_path_factory) -> tuple[Path, list[str]]:
    """A training config as migrated, and the options that give it boxes exported from a table."""
    folder = tmp_path_factory.mktemp('migrated')
    frames, boxes = moving_square_frames(8, (160, 120), 30)
    write_frames(folder / 'clips/a', frames, '{:06d}.jpg', first=0)
    write_table_part(folder / 'table', 'a', folder / 'clips/a', pseudo_track(boxes))
    exported = run(
        'export_annotations.py',
        place,
        *(folder / 'table', '--format', 'mmtrack', '--out', folder / 'boxes.json'),
    )
    assert exported.returncode == 0, exported.stderr[-2000:]
    config = folder / 'new.py'
    written = run(
        'migrate_mmtrack_config.py',
        place,
        *('configs/sot/siamese_otb100.py', '--out', config, '--model', QUICK),
    )
    assert written.returncode < 2, written.stderr[-2000:]
    data = 'train_dataloader.dataset.datasets'
    return config, [
        *(f'{data}.{n}.annotation={folder}/boxes.json' for n in (0, 1)),
        *(f'{data}.{n}.image_root={folder}/clips' for n in (0, 1)),
        'train_dataloader.dataset.quotas=[3,1]',
        'train_dataloader.batch_size=2',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.dataset.sequences=[Deer]',
        'default_hooks.logger.interval=1',
    ]


@pytest.mark.process
def test_export_and_migrated_config_train_together(place, migrated, tmp_path):
    """Boxes of a table go out in MMTracking's form, and MMTracking's config for such a file trains
    a model of ours on them."""
    config, options = migrated
    words = [config, '--work-dir', tmp_path / 'work', '--cfg-options', *options]
    trained = run('train.py', place, *words, 'train_cfg.max_epochs=1')
    said = trained.stdout + trained.stderr
    assert trained.returncode == 0, said[-2000:]
    assert '[1][2/2]' in said and 'loss_cls' in said


@pytest.mark.process
def test_migrated_config_trains_and_resumes_under_the_hosts_own_tool(place, migrated, tmp_path):
    found = importlib.util.find_spec('mmdet')
    assert found is not None and found.origin is not None
    tool = Path(found.origin).parent / '.mim/tools/train.py'
    if not tool.is_file():
        pytest.skip('this mmdet brings no tools/train.py')
    config, options = migrated
    for epochs, more in ((1, []), (2, ['--resume'])):
        words = [config, '--work-dir', tmp_path / 'work', *more, '--cfg-options', *options]
        trained = run(tool, place, *words, f'train_cfg.max_epochs={epochs}')
        said = trained.stdout + trained.stderr
        assert trained.returncode == 0, said[-2000:]
        assert f'[{epochs}][2/2]' in said and (epochs == 1 or '[1][2/2]' not in said)
        assert (tmp_path / f'work/epoch_{epochs}.pth').is_file()


@pytest.fixture
def migrate(place, monkeypatch, capsys):
    """The tool in this process, where the import of the host is paid already."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    monkeypatch.chdir(place)
    import migrate_mmtrack_config

    def call(*arguments: object) -> tuple[int, str, str]:
        status = migrate_mmtrack_config.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_prints_without_out_and_replaces_only_when_told(migrate, tmp_path):
    status, printed, _ = migrate('configs/_base_/otb100.py')
    assert status == 0 and printed.startswith('# Made from otb100.py (MMTracking 1.x)')
    (tmp_path / 'new.py').write_text('mine = 1\n')
    refused = migrate('configs/_base_/otb100.py', '--out', tmp_path / 'new.py')
    assert refused == (
        2,
        '',
        f'error: {tmp_path}/new.py: is there already (--overwrite replaces it)\n',
    )
    assert (tmp_path / 'new.py').read_text() == 'mine = 1\n'
    assert migrate('configs/_base_/otb100.py', '--out', tmp_path / 'new.py', '--overwrite')[0] == 0
    assert load_config(tmp_path / 'new.py').test_dataloader.dataset.data_root == 'data/OTB100/data'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['gone.py'], 'error: gone.py: no such config'),
        (
            ['configs/_base_/runtime.py'],
            'error: configs/_base_/runtime.py: neither training nor test data in it',
        ),
        (['configs/_base_/otb100.py', '--model', 'gone.py'], 'error: gone.py: no such config'),
    ],
)
def test_unreadable_input_is_one_line(migrate, arguments, message):
    status, _, error = migrate(*arguments)
    assert status == 2 and error.startswith(message) and error.count('\n') == 1


def test_worked_example_of_the_guide_is_what_the_tool_says(migrate, tmp_path, monkeypatch):
    guide = (ROOT / 'docs/migration.md').read_text(encoding='utf-8')
    blocks = re.findall(r'```(\w+)\n(.*?)```', guide, re.DOTALL)
    example, shell, part = (text for language, text in blocks[-3:])
    (tmp_path / 'siamese_lasot.py').write_text(example)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    monkeypatch.chdir(tmp_path)
    command, *said = shell.split('\n$ ')[0].splitlines()
    status, out, error = migrate(*command.split()[3:])
    assert status == 1 and (out + error).splitlines() == said
    assert part in (tmp_path / 'usot_lasot.py').read_text()
