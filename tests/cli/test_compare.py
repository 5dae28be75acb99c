"""``usot compare``: totals side by side, and videos of the sequences that were asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from tests.test_tools_report import write_tracker
from usot_plugin.cli.compare import choose_sequences, main
from usot_plugin.evaluation.reports.comparison import read_results
from usot_plugin.structures import open_clip


@pytest.fixture(scope='module')
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('compare')
    data = write_benchmark(folder / 'OTB100')
    for name, good in (('Bad', 2), ('Good', 9)):
        write_tracker(data, folder / 'out', name, good)
    return folder


def test_table_of_totals(work, monkeypatch, capsys):
    monkeypatch.chdir(work)
    assert main(['out/Bad', 'out/Good']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'OTB100 (convention got10k)'
    assert lines[1].split() == ['tracker', 'AUC', 'P@20px', 'NP@0.2', 'NP-AUC', 'fps', 'sequences']
    assert [line.split()[0] for line in lines[3:5]] == ['Good', 'Bad']  # best first
    assert 'AUC: mean of the success curve' in lines[5] and not (work / 'work_dirs').exists()


def test_videos_of_two_trackers(work, tmp_path, capsys):
    args = [
        str(work / 'out'),
        '--video',
        '--sequences',
        str(work / 'OTB100'),
        '--out',
        str(tmp_path),
    ]
    assert main([*args, '--only', 'a', 'c']) == 0
    assert {path.name for path in tmp_path.iterdir()} == {'a.mp4', 'c.mp4'}
    assert open_clip(tmp_path / 'a.mp4').frame_count == len(list((work / 'OTB100/a/img').iterdir()))
    assert f'wrote {tmp_path / "a.mp4"}' in capsys.readouterr().out
    assert main(args) == 0
    group = read_results([work / 'out'])
    (widest,) = choose_sequences(group, ['a', 'b', 'c'], None)
    assert (tmp_path / f'{widest}.mp4').exists()


def test_the_sequence_on_which_trackers_differ_most():
    scores = read_results_of({'a': (50, 60), 'b': (20, 60), 'c': (90, 90)})
    assert choose_sequences(scores, ['c', 'b', 'a'], None) == ['b']
    assert choose_sequences(scores, ['a', 'b'], ['a', 'a']) == ['a']
    with pytest.raises(ValueError, match='--only ab: no such sequence'):
        choose_sequences(scores, ['a', 'b'], ['ab'])
    with pytest.raises(ValueError, match='no sequence of toy was scored for all trackers'):
        choose_sequences(scores, ['d'], None)


def read_results_of(auc: dict[str, tuple[float, float]]):
    from usot_plugin.evaluation import Scores

    rows = [{name: {'auc': values[index]} for name, values in auc.items()} for index in (0, 1)]
    return [
        Scores(f'T{i}', 'toy', 'one_pass', ['auc'], row, {'mean': row['a']})
        for i, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['nowhere'], 'error: nowhere: no such folder of results'),
        (
            ['out', '--video', '--sequences', 'other'],
            "no results on 'other'; there are results on OTB100",
        ),
        (
            ['out', '--video', '--sequences', 'OTB100', '--only', 'z'],
            'error: --only z: no such sequence',
        ),
        (['out', '--data-root', 'OTB100'], '--data-root needs --benchmark NAME'),
    ],
)
def test_refusals(work, monkeypatch, capsys, args, message):
    monkeypatch.chdir(work)
    if 'other' in args:
        write_benchmark(work / 'other')
    assert main([*args, '--out', 'no']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not (work / 'no').exists()


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--video'], '--video needs the data'),
        (['--only', 'a'], '--only chooses the sequences of --video'),
    ],
)
def test_arguments_that_need_each_other(capsys, args, message):
    with pytest.raises(SystemExit) as caught:
        main(['out', *args])
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_a_damaged_result_leaves_no_video(work, tmp_path, capsys):
    shutil.copytree(work / 'out', tmp_path / 'out')
    (tmp_path / 'out/Bad/a.txt').write_text('1,2\n')
    data = ['--sequences', str(work / 'OTB100'), '--only', 'a', '--out', str(tmp_path / 'videos')]
    assert main([str(tmp_path / 'out'), '--video', *data]) == 2
    assert 'Bad/a' in capsys.readouterr().err and not list(tmp_path.glob('videos/*'))
