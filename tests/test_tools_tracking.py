"""tools/test.py and tools/demo.py on small real input: what they write, what a second run does, and
how they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.apis.test_inference import MODEL, Payload
from tests.evaluation.tiny_benchmark import TemplateMatcher, write_benchmark
from usot_plugin.cli import measure_speed as speed_tool
from usot_plugin.cli import test as test_tool
from usot_plugin.cli import track as demo_tool
from usot_plugin.registry import MODELS
from usot_plugin.structures.clip import open_clip
from usot_plugin.testing.media import moving_square_frames, write_frames, write_video
from usot_plugin.utils.atomic import whole_file

ROOT = Path(__file__).parents[1]
assert TemplateMatcher  # registered by its import


test_tool.__test__ = False  # not a test of pytest


def as_process(name: str, *args: object, cwd: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    environment.pop('DISPLAY', None)
    command = [sys.executable, str(ROOT / 'tools' / f'{name}.py'), *map(str, args)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def one_line(text: str) -> str:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.fixture
def config(tmp_path) -> Path:
    file = tmp_path / 'tiny.py'
    file.write_text(f"custom_imports = dict(imports=['usot_plugin'])\nmodel = {MODEL!r}\n")
    return file


@pytest.fixture
def benchmark(tmp_path) -> Path:
    return write_benchmark(tmp_path / 'data')


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    torch.manual_seed(1)
    torch.save(
        {'state_dict': MODELS.build(dict(MODEL)).state_dict(), 'meta': {}}, tmp_path / 'epoch_1.pth'
    )
    return tmp_path / 'epoch_1.pth'


@pytest.mark.process
def test_benchmark_as_a_command(tmp_path, config, benchmark, checkpoint):
    done = as_process(
        'test',
        config,
        checkpoint,
        '--sequences',
        benchmark,
        '--out',
        'out',
        '--threads',
        1,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / 'out' / 'USOTTracker'
    for name, frames in (('a', 6), ('b', 7), ('c', 8)):
        assert np.loadtxt(folder / f'{name}.txt', delimiter=',').shape == (frames, 4)
    assert {path.name for path in folder.iterdir()} >= {
        'report.json',
        'report.md',
        'success.png',
        'precision.png',
        'run.json',
        'a_time.txt',
    }
    report = json.loads((folder / 'report.json').read_text())
    assert report['about']['config'] == str(config) and list(report['sequences']) == ['a', 'b', 'c']
    assert 'AUC' in done.stdout and len(done.stdout.splitlines()) < 25, done.stdout
    log = next((tmp_path / 'work_dirs').rglob('*.log')).read_text()
    assert 'System environment' in log and 'System environment' not in done.stdout


def run_test(tmp_path, config, *args: object) -> int:
    return test_tool.main(
        [
            str(arg)
            for arg in (config, '--work-dir', tmp_path / 'work', '--out', tmp_path / 'out', *args)
        ]
    )


@pytest.mark.process
def test_second_run_and_scoring_alone(tmp_path, config, benchmark, monkeypatch):
    args = ('--sequences', benchmark, '--tracker', 'TemplateMatcher')
    assert run_test(tmp_path, config, *args) == 0
    folder = tmp_path / 'out' / 'TemplateMatcher'
    report = json.loads((folder / 'report.json').read_text())
    assert report['totals']['mean']['auc'] > 70
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.glob('?.txt')}
    monkeypatch.setattr(TemplateMatcher, 'update', lambda *_: pytest.fail('tracked again'))
    assert run_test(tmp_path, config, *args) == 0
    assert run_test(tmp_path, config, *args, '--score-only', '--convention', 'pysot') == 0
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob('?.txt')} == stamps
    again = json.loads((folder / 'report.json').read_text())
    assert again['rules'] == {'convention': 'pysot'}
    assert again['totals']['mean']['auc'] < report['totals']['mean']['auc']  # b has an absent frame


@pytest.mark.process
def test_scoring_alone_misses_a_result(tmp_path, config, benchmark, capsys):
    assert run_test(tmp_path, config, '--sequences', benchmark, '--tracker', 'StandStill') == 0
    (tmp_path / 'out' / 'StandStill' / 'b.txt').unlink()
    capsys.readouterr()
    assert (
        run_test(
            tmp_path, config, '--sequences', benchmark, '--tracker', 'StandStill', '--score-only'
        )
        == 2
    )
    assert capsys.readouterr().err.endswith(
        'StandStill/b: is not a finished result (no such result file)\n'
    )


@pytest.mark.process
def test_results_of_other_weights_are_not_mixed(tmp_path, config, benchmark, checkpoint, capsys):
    args = ('--sequences', benchmark, '--only', 'a')
    assert run_test(tmp_path, config, checkpoint, *args) == 0
    state = torch.load(checkpoint, weights_only=True)
    next(iter(state['state_dict'].values())).mul_(1.01)
    torch.save(state, tmp_path / 'epoch_2.pth')
    capsys.readouterr()
    assert run_test(tmp_path, config, tmp_path / 'epoch_2.pth', *args) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'holds results of another run (weights: there' in error
    assert run_test(tmp_path, config, tmp_path / 'epoch_2.pth', *args, '--overwrite') == 0
    assert run_test(tmp_path, config, tmp_path / 'epoch_2.pth', *args, '--name', 'second') == 0


@pytest.mark.process
@pytest.mark.parametrize(
    ('args', 'message'),
    [
        ((), 'no test_dataloader in it, and neither --sequences nor --benchmark was given'),
        (('--sequences', '{data}'), 'CHECKPOINT is missing: USOTTracker needs weights'),
        (('{tmp}/none.pth', '--sequences', '{data}'), 'none.pth: no such checkpoint'),
        (('none', '--sequences', '{data}', '--device', 'gpu'), "device 'gpu' cannot be used"),
        (
            ('{tmp}/bad.pth', '--sequences', '{data}'),
            'bad.pth: refused: it holds the Python object',
        ),
        (
            ('--sequences', '{tmp}/nowhere', '--tracker', 'StandStill'),
            'nowhere: no such folder',
        ),
        (('--sequences', '{data}', '--tracker', 'StandStil'), "'StandStil' is no tracker"),
        (('--sequences', '{data}', '--tracker', 'StandStill', '--only', 'A'), "no sequence 'A'"),
        (
            ('--sequences', '{data}', '--tracker', 'StandStill', '--convention', 'otb'),
            "unknown convention 'otb'",
        ),
    ],
)
def test_refusals_of_the_test_tool(tmp_path, config, benchmark, capsys, args, message):
    torch.save({'x': Payload(str(tmp_path / 'ran'))}, tmp_path / 'bad.pth')
    assert (
        run_test(tmp_path, config, *(arg.format(tmp=tmp_path, data=benchmark) for arg in args)) == 2
    )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ') and message in error
    assert not (tmp_path / 'out').exists() and not (tmp_path / 'ran').exists()


def test_a_broken_sequence_is_found_before_tracking(tmp_path, config, benchmark, capsys):
    (benchmark / 'c' / 'groundtruth.txt').write_text('1,2,3\n')
    assert run_test(tmp_path, config, '--sequences', benchmark, '--tracker', 'StandStill') == 2
    assert capsys.readouterr().err.strip().endswith('line 1: a box is x, y, w, h, got 3 numbers')
    assert not (tmp_path / 'out').exists()


def test_runner_drives_the_loop_from_a_config_alone(tmp_path, benchmark):
    from mmengine.config import Config
    from mmengine.runner import Runner

    cfg = Config(
        dict(
            model=MODEL,
            work_dir=str(tmp_path / 'work'),
            test_dataloader=dict(
                batch_size=2,
                num_workers=0,
                dataset=dict(type='SequenceFolderDataset', data_root=str(benchmark)),
                sampler=dict(type='DefaultSampler', shuffle=False),
            ),
            test_cfg=dict(type='SOTTestLoop'),
            test_evaluator=dict(type='SOTMetric'),
            experiment_name='runner_drives_the_loop',
        )
    )
    metrics = Runner.from_cfg(cfg).test()
    assert 0 <= metrics['sot/success'] <= 100
    assert (tmp_path / 'work' / 'results' / 'USOTTracker' / 'c.txt').exists()


@pytest.fixture
def video(tmp_path) -> tuple[Path, str]:
    frames, boxes = moving_square_frames(8, (97, 71))
    x1, y1, x2, y2 = boxes[0]
    return write_video(
        tmp_path / 'clip.mkv', frames, codec='ffv1', pixel_format='bgr0'
    ), f'{x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g}'


@pytest.mark.process
def test_demo_as_a_command(tmp_path, video, config, checkpoint):
    file, box = video
    done = as_process(
        'demo',
        file,
        '--config',
        config,
        '--checkpoint',
        checkpoint,
        '--box',
        box,
        '--box=-3,2,20,20',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert one_line(done.stdout).startswith(f'{file}: 8 frames')
    folder = tmp_path / 'demo_out'
    assert sorted(path.name for path in folder.iterdir()) == [
        'clip.json',
        'clip.mp4',
        'clip_target0.txt',
        'clip_target1.txt',
    ]
    clip = open_clip(folder / 'clip.mp4')
    assert clip.frame_count == 8 and clip.size_wh == (98, 72)
    content = json.loads((folder / 'clip.json').read_text())
    assert (
        content['frames'] == list(range(8))
        and content['size_wh'] == [97, 71]
        and len(content['targets']) == 2
    )
    target = content['targets'][0]
    assert len(target['boxes_xywh']) == len(target['scores']) == len(target['lost']) == 8
    np.testing.assert_allclose(
        np.loadtxt(folder / 'clip_target0.txt', delimiter=','), target['boxes_xywh'], atol=1e-4
    )


def run_demo(tmp_path, *args: object) -> int:
    return demo_tool.main([str(arg) for arg in ('--out', tmp_path / 'out', *args)])


def test_demo_finds_the_target_and_boxes_come_from_json(tmp_path, video):
    file, box = video
    (tmp_path / 'b.json').write_text(f'[[{box}]]')
    assert (
        run_demo(
            tmp_path,
            file,
            '--tracker',
            'TemplateMatcher',
            '--boxes',
            tmp_path / 'b.json',
            '--no-video',
        )
        == 0
    )
    _, boxes = moving_square_frames(8, (97, 71))
    found = json.loads((tmp_path / 'out' / 'clip.json').read_text())['targets'][0]['boxes_xywh']
    np.testing.assert_allclose([found[-1][:2]], [boxes[-1][:2]], atol=1.5)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'clip.json',
        'clip_target0.txt',
    ]


@pytest.mark.parametrize('video_too', [(), ('--no-video',)])
def test_the_sheet_shows_the_frames_of_the_video(tmp_path, video, video_too):
    file, box = video
    sheet = ('--sheet', tmp_path / 'sheets/s.png', '--sheet-frames', 3)
    assert (
        run_demo(tmp_path, file, '--tracker', 'TemplateMatcher', '--box', box, *sheet, *video_too)
        == 0
    )
    image = cv2.imread(str(tmp_path / 'sheets/s.png'))
    assert image.shape == (71, 3 * 97, 3)
    frames, _ = moving_square_frames(8, (97, 71))
    for place, index in enumerate((0, 4, 7)):
        tile = image[:, 97 * place : 97 * (place + 1)].astype(int)
        off = [
            np.abs(tile[:50] - frame[:50]).mean() for frame in frames
        ]  # below is the number of the frame
        assert int(np.argmin(off)) == index and off[index] > 0, 'this frame, with a box in it'
    assert (tmp_path / 'out/clip.mp4').exists() == (not video_too)


def test_demo_again_replaces_and_stops_early(tmp_path, video):
    file, box = video
    assert run_demo(tmp_path, file, '--tracker', 'StandStill', '--box', box) == 0
    assert run_demo(tmp_path, file, '--tracker', 'StandStill', '--box', box, '--max-frames', 3) == 0
    assert open_clip(tmp_path / 'out' / 'clip.mp4').frame_count == 3
    assert len((tmp_path / 'out' / 'clip_target0.txt').read_text().splitlines()) == 3


def test_demo_never_replaces_what_it_was_given(tmp_path, capsys):
    frames, _ = moving_square_frames(3, (96, 72))
    file = write_video(tmp_path / 'clip.mp4', frames)
    (tmp_path / 'clip.json').write_text('[[10, 10, 20, 20]]')
    before = file.read_bytes()
    for boxes, name in (
        (('--box', '10,10,20,20'), 'clip.mp4'),
        (('--boxes', tmp_path / 'clip.json', '--no-video'), 'clip.json'),
    ):
        assert (
            demo_tool.main(
                [str(arg) for arg in (file, '--tracker', 'StandStill', *boxes, '--out', tmp_path)]
            )
            == 2
        )
        assert (
            one_line(capsys.readouterr().err)
            == f'error: {tmp_path / name}: the result would replace it; choose another --out'
        )
    assert (
        file.read_bytes() == before and (tmp_path / 'clip.json').read_text() == '[[10, 10, 20, 20]]'
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ['clip.json', 'clip.mp4']
    assert (
        demo_tool.main(
            [
                str(arg)
                for arg in (
                    file,
                    '--tracker',
                    'StandStill',
                    '--box',
                    '10,10,20,20',
                    '--out',
                    tmp_path / 'out',
                )
            ]
        )
        == 0
    )
    named = one_line(capsys.readouterr().out).split('wrote ')[1].split(', ')
    assert sorted(named) == sorted(str(path) for path in (tmp_path / 'out').iterdir())


@pytest.mark.parametrize('kind', ['grey', 'grey 16 bit', 'alpha', '16 bit'])
def test_demo_reads_every_usual_image(tmp_path, kind):
    shape = {
        'grey': (40, 60),
        'grey 16 bit': (40, 60),
        'alpha': (40, 60, 4),
        '16 bit': (40, 60, 3),
    }[kind]
    dtype = np.uint16 if '16' in kind else np.uint8
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (3, *shape)).astype(dtype)
    write_frames(tmp_path / 'images', images)
    assert (
        run_demo(tmp_path, tmp_path / 'images', '--tracker', 'StandStill', '--box', '5,5,20,20')
        == 0
    )
    assert open_clip(tmp_path / 'out' / 'images.mp4').frame_count == 3


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('{tmp}/text.mp4', '--box', '1,1,5,5'), 'text.mp4: not a readable video'),
        (('{tmp}/empty.mp4', '--box', '1,1,5,5'), 'empty.mp4: not a readable video'),
        (('{tmp}/empty', '--box', '1,1,5,5'), 'empty: no image in this folder'),
        (('{tmp}/none.mp4', '--box', '1,1,5,5'), 'none.mp4: no such file or folder'),
        (('{clip}', '--box', '200,1,5,5'), 'clip.mkv: box 200,1,5,5 lies outside the 97x71 frame'),
        (
            ('{clip}', '--box=-200,1,400,5'),
            'clip.mkv: box -200,1,400,5 is more than 2 times the 97x71 frame',
        ),
        (('{clip}', '--box', 'nan,1,5,5'), '--box nan,1,5,5: the box has to be finite'),
        (('{clip}', '--box', '1,1,0,5'), 'positive, got 0 x 5'),
        (('{clip}', '--box', '1,1,five,5'), 'four numbers'),
        (('{clip}', '--boxes', '{tmp}/text.mp4'), 'text.mp4: not JSON'),
        (('{clip}',), 'no box given'),
        (('{clip}', '--box', '1,1,5,5', '--show'), '--show needs a display'),
        (
            ('{clip}', '--box', '1,1,5,5', '--out', '{tmp}/text.mp4'),
            'text.mp4: is a file, not an output folder',
        ),
        (
            ('{clip}', '--box', '1,1,5,5', '--out', '{tmp}/text.mp4/x'),
            'text.mp4/x: cannot be written',
        ),
        (
            ('{clip}', '--box', '1,1,5,5', '--sheet', '{tmp}/sheet.mp4'),
            'sheet.mp4: no image format that can be written',
        ),
        (
            ('{clip}', '--box', '1,1,5,5', '--sheet', '{clip}'),
            'clip.mkv: no image format that can be written',
        ),
        (
            ('{tmp}/mixed', '--box', '1,1,5,5', '--sheet', '{tmp}/mixed/00001.png'),
            '00001.png: would lie among the frames of the input',
        ),
        (('97', '--box', '1,1,5,5'), 'camera 97: cannot be opened'),
        (
            ('http://127.0.0.1:9/a.mp4', '--box', '1,1,5,5'),
            'http://127.0.0.1:9/a.mp4: cannot be opened',
        ),
        (
            (
                '{clip}',
                '--box',
                '1,1,5,5',
                '--config',
                '{config}',
                '--tracker',
                'USOTTracker',
                '--device',
                'gpu',
            ),
            "device 'gpu' cannot be used",
        ),
        (
            ('{clip}', '--box', '1,1,5,5', '--config', '{tmp}/none.py', '--tracker', 'USOTTracker'),
            'none.py: no such config',
        ),
    ],
)
def test_refusals_of_the_demo(tmp_path, video, config, capsys, monkeypatch, args, message):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    (tmp_path / 'text.mp4').write_text('this is text')
    (tmp_path / 'empty.mp4').touch()
    (tmp_path / 'empty').mkdir()
    write_frames(
        tmp_path / 'mixed', [np.zeros((40, 30, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)]
    )
    args = [arg.format(tmp=tmp_path, clip=video[0], config=config) for arg in args]
    status = run_demo(
        tmp_path, *args, *(() if '--tracker' in args else ('--tracker', 'StandStill'))
    )
    error = one_line(capsys.readouterr().err)
    assert status == 2 and error.startswith('error: ') and message in error
    assert not (tmp_path / 'out').exists() or not list((tmp_path / 'out').iterdir())


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('x.mp4', '--tracker', 'A', '--max-frames', '0'), 'at least 1'),
        (('x.mp4', '--tracker', 'A', '--sheet-frames', '0'), 'at least 1'),
        (('x.mp4', '--tracker', 'A', '--reconnect', '-1'), 'needs --reconnect >= 0'),
        (('x.mp4', '--tracker', 'A', '--stream-timeout', 'nan'), '--stream-timeout > 0'),
        ((), 'required'),
    ],
)
def test_refusals_of_the_demos_command_line(capsys, args, message):
    with pytest.raises(SystemExit) as caught:
        demo_tool.main(list(args))
    assert caught.value.code == 2 and message in one_line(capsys.readouterr().err)


def test_a_stream_that_breaks_off_keeps_what_was_tracked(tmp_path, capsys, monkeypatch):
    from usot_plugin.apis.sources import LiveSource, SourceError

    def camera():
        yield from moving_square_frames(4)[0]
        raise SourceError('cam', 'cable pulled')

    monkeypatch.setattr(
        demo_tool, 'open_source', lambda *_: LiveSource('cam', 'cam', camera, 10.0, drop=False)
    )
    assert run_demo(tmp_path, '0', '--tracker', 'StandStill', '--box', '1,1,9,9') == 0
    assert one_line(capsys.readouterr().err) == 'warning: cam: cable pulled; keeping 4 frames'
    assert open_clip(tmp_path / 'out' / 'cam.mp4').frame_count == 4


def test_a_stream_that_breaks_off_goes_on_where_the_user_wants_it(tmp_path, capsys, monkeypatch):
    from usot_plugin.apis import sources

    monkeypatch.setattr(sources, 'LONGEST_WAIT_S', 0.01)
    opened, frames = [], moving_square_frames(8)[0]

    def camera():
        opened.append(None)
        yield from frames[4 * len(opened) - 4 : 4 * len(opened)]
        if len(opened) == 1:
            raise sources.SourceError('cam', 'cable pulled')

    def open_camera(spec, drop, reconnect, timeout_s):
        assert timeout_s == 7
        return sources.LiveSource('cam', 'cam', camera, 10.0, False, timeout_s, reconnect)

    monkeypatch.setattr(demo_tool, 'open_source', open_camera)
    options = ('--reconnect', '1', '--stream-timeout', '7')
    assert run_demo(tmp_path, '0', '--tracker', 'StandStill', '--box', '1,1,9,9', *options) == 0
    assert 'cable pulled after 4 frames, opened again' in one_line(capsys.readouterr().err)
    result = json.loads((tmp_path / 'out' / 'cam.json').read_text())
    assert result['frames'] == list(range(8)) and len(opened) == 2


def test_a_clip_that_is_damaged_keeps_what_was_tracked(tmp_path, capsys):
    folder = write_frames(tmp_path / 'shots', moving_square_frames(8)[0])
    (folder / '00006.png').write_bytes(b'no picture')
    assert run_demo(tmp_path, str(folder), '--tracker', 'StandStill', '--box', '1,1,9,9') == 0
    line = one_line(capsys.readouterr().err)
    assert '00006.png, frame 5: not an image' in line and line.endswith('keeping 5 frames')
    assert open_clip(tmp_path / 'out' / 'shots.mp4').frame_count == 5
    assert len((tmp_path / 'out' / 'shots_target0.txt').read_text().split()) == 5


@pytest.mark.process
@pytest.mark.skipif(sys.platform == 'win32', reason='limits of POSIX')
def test_demo_without_room_leaves_no_part_of_a_video(tmp_path, video):
    import resource

    command = [
        sys.executable,
        str(ROOT / 'tools' / 'demo.py'),
        str(video[0]),
        '--tracker',
        'StandStill',
        '--box',
        video[1],
        '--out',
        'out',
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200)),
    )
    assert done.returncode == 2 and one_line(done.stderr).startswith(
        f'error: {Path("out", "clip.mp4")}: cannot be written ('
    )
    # The boxes are small enough and stay; of the video there is nothing.
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'clip.json',
        'clip_target0.txt',
    ]
    assert len(json.loads((tmp_path / 'out' / 'clip.json').read_text())['frames']) == 8


@pytest.mark.process
@pytest.mark.skipif(os.name != 'posix', reason='whether a process runs is asked on POSIX only')
def test_what_killed_runs_have_left_is_removed(tmp_path, video, config, benchmark):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    for folder in (tmp_path / 'out', tmp_path / 'results' / 'StandStill'):
        folder.mkdir(parents=True)
        with pytest.raises(KeyboardInterrupt), whole_file(folder / 'a.mp4') as temporary:
            raise KeyboardInterrupt
        (folder / temporary.name.replace(str(os.getpid()), str(dead.pid))).touch()
    assert (
        run_demo(tmp_path, video[0], '--tracker', 'StandStill', '--box', video[1], '--no-video')
        == 0
    )
    arguments = (
        config,
        '--sequences',
        benchmark,
        '--tracker',
        'StandStill',
        '--out',
        tmp_path / 'results',
        '--work-dir',
        tmp_path,
    )
    assert test_tool.main([str(argument) for argument in arguments]) == 0
    assert not list(tmp_path.glob('*/**/*.tmp*'))


def test_the_tracker_is_ready_before_a_camera_starts(tmp_path, monkeypatch):
    from usot_plugin.apis.sources import LiveSource

    order = []

    def camera():
        order.append('camera')
        yield from moving_square_frames(2)[0]

    build = demo_tool.build
    monkeypatch.setattr(demo_tool, 'build', lambda args: order.append('tracker') or build(args))
    monkeypatch.setattr(
        demo_tool, 'open_source', lambda *_: LiveSource('cam', 'cam', camera, 10.0, drop=False)
    )
    assert run_demo(tmp_path, '0', '--tracker', 'StandStill', '--box', '1,1,9,9', '--no-video') == 0
    assert order == ['tracker', 'camera']


@pytest.mark.process
@pytest.mark.shared_data
def test_standing_still_on_real_sequences(tmp_path, config, shared_dir):
    assert (
        run_test(
            tmp_path,
            config,
            '--sequences',
            shared_dir / 'data' / 'eval',
            '--tracker',
            'StandStill',
            '--workers',
            0,
        )
        == 0
    )
    report = json.loads((tmp_path / 'out' / 'StandStill' / 'report.json').read_text())
    assert (
        report['totals']['mean']['auc'] == pytest.approx(12.3, abs=5e-2)
        and len(report['sequences']) == 13
    )


@pytest.mark.process
def test_speed_of_training_and_tracking(tmp_path, config, capsys):
    args = [
        config,
        '--parts',
        'train',
        'track',
        '--seconds',
        0.05,
        '--train-batch',
        2,
        '--track-batch',
        1,
        2,
        '--json',
        tmp_path / 's.json',
    ]
    assert speed_tool.main([str(arg) for arg in args]) == 0
    content = json.loads((tmp_path / 's.json').read_text())
    assert [row['part'] for row in content['rows']] == 2 * ['train'] + 3 * ['track']
    assert all(row['value'] > 0 and row['peak_memory_mb'] > 10 for row in content['rows'])
    assert (
        content['rows'][0]['ratio'] == content['rows'][2]['ratio'] == 1
        and 'torch' in content['machine']
    )
    assert '8 targets' not in capsys.readouterr().out


def test_the_speed_baseline_gives_the_same_boxes():
    torch.manual_seed(0)
    model = MODELS.build(dict(MODEL))
    frames, boxes = moving_square_frames(12)
    tracks = []
    for tracker in (
        speed_tool.USOTTracker(speed_tool.EncodingAnew(model)),
        speed_tool.build_tracker(model, dict(type='USOTTracker')),
    ):
        state = tracker.init(frames[0], boxes[0])
        found = []
        for frame in frames[1:]:
            prediction, state = tracker.update(frame, state)
            found.append(prediction.boxes_xyxy[0])
        tracks.append(found)
    np.testing.assert_allclose(tracks[0], tracks[1], atol=1e-2)


def test_refusals_of_the_speed_tool(tmp_path, config, capsys):
    assert speed_tool.main([str(tmp_path / 'none.py')]) == 2
    assert 'no such config' in one_line(capsys.readouterr().err)
    assert speed_tool.main([str(config), '--device', 'gpu']) == 2
    assert "device 'gpu' cannot be used" in one_line(capsys.readouterr().err)
    assert (
        speed_tool.main([str(config), '--parts', 'discovery', '--clips', str(tmp_path / 'none')])
        == 2
    )
    assert str(tmp_path / 'none') in one_line(capsys.readouterr().err)


@pytest.mark.process
@pytest.mark.parametrize('family', ['usot', 'udt', 's2siamfc', 'cyclesiam', 'pul'])
def test_scoring_alone_builds_no_tracker(tmp_path, family, benchmark, monkeypatch):
    config = f'configs/quick/{family}_quick{"_bce" if family == "pul" else ""}.py'
    args = ('--sequences', benchmark, '--name', 'X')
    assert run_test(tmp_path, config, *args, '--tracker', 'StandStill') == 0
    monkeypatch.setattr(
        'usot_plugin.evaluation.running.runner_loops.build_tracker',
        lambda *_: pytest.fail('a tracker was built'),
    )
    assert run_test(tmp_path, config, *args, '--score-only') == 0


def test_a_bad_first_box_is_named_with_its_sequence(tmp_path, config, benchmark, capsys):
    (benchmark / 'b' / 'groundtruth.txt').write_text('0.1,0.2,0.3,0.4\n' * 7)
    assert run_test(tmp_path, config, '--sequences', benchmark, '--tracker', 'StandStill') == 2
    assert 'error: b: target box x1, y1, x2, y2' in capsys.readouterr().err


@pytest.mark.process
def test_odd_names_are_tracked_scored_and_shown(tmp_path, config):
    names = ['a\nb', 'tab\t', '-dash', 'x..y', 'pipe|', 'trail ', os.fsdecode(b'\xca\xd3'), 'mean']
    write_benchmark(tmp_path / 'odd', tuple(names))
    assert (
        run_test(tmp_path, config, '--sequences', tmp_path / 'odd', '--tracker', 'StandStill') == 0
    )
    table = (tmp_path / 'out/StandStill/report.md').read_text()
    for shown in (
        r'a\nb',
        r'tab\t',
        '-dash',
        'x..y',
        r'pipe\|',
        r'\xca\xd3',
        'mean (sequence)',
        'mean',
    ):
        assert f'| {shown} |' in table
