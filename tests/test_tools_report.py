"""tools/analysis/report.py as a process, and its page in a browser without a display."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.evaluation.tiny_benchmark import write_benchmark
from tests.test_tools_tracking import as_process, one_line
from usot_plugin.cli import report as report_tool
from usot_plugin.datasets.benchmarks import SequenceFolderDataset
from usot_plugin.evaluation import OnePassResults, SOTMetric
from usot_plugin.structures.trajectory import Trajectory

CHROMIUM = (
    shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
)
#: Nothing of the browser's own may reach for a network or a display.
FLAGS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
]
FLAGS += [
    '--disable-component-update',
    '--disable-sync',
    '--enable-logging=stderr',
    '--virtual-time-budget=3000',
]


def write_tracker(root: Path, out: Path, name: str, good_frames: int) -> None:
    """Results that follow the annotation for some frames and then leave it, and their scores."""
    dataset, folder = SequenceFolderDataset(root), OnePassResults(out / name)
    metric = SOTMetric(
        report_dir=folder.path, about={'hardware': 'a test', 'config': '<b>tiny</b>'}
    )
    metric.dataset_meta = {'dataset_name': 'OTB100', 'convention': 'got10k'}
    for index, sequence in enumerate(dataset):
        boxes = np.where(
            np.isnan(sequence.boxes_xyxy), sequence.boxes_xyxy[:1], sequence.boxes_xyxy
        )
        boxes[good_frames:] += 35
        count = len(boxes)
        folder.write(
            sequence.name,
            Trajectory(boxes, np.ones(count), np.zeros(count, bool), np.full(count, 0.01)),
        )
        sample = folder.sample(sequence)
        sample['attributes'] = ('OCC', 'FM')[: index + 1]
        metric.process([], [sample])
    metric.evaluate(len(dataset))


@pytest.fixture(scope='module')
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('report')
    data = write_benchmark(folder / 'OTB100')
    for name, good in (('Good', 9), ('Bad', 2)):
        write_tracker(data, folder / 'out', name, good)
    return folder


@pytest.fixture(scope='module')
def page(work) -> Path:
    arguments = ('out', '--sequences', 'OTB100', '--published', 'VOT2018', '--out', 'report.html')
    done = as_process('analysis/report', *arguments, cwd=work)
    assert done.returncode == 0, done.stderr
    assert one_line(done.stdout) == '2 result folders, 3 failures shown in report.html'
    return work / 'report.html'


class Outline(HTMLParser):
    """Tags with their attributes, and the cells of every table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == 'table':
            kind = dict(attrs)['class'] or ''
            self._rows = self.tables.setdefault(
                kind if kind not in self.tables else f'{kind} again', []
            )
        elif tag == 'tr':
            self._rows.append([])
        elif tag in ('td', 'th'):
            self._rows[-1].append('')

    def handle_endtag(self, tag):
        if tag == 'table':
            self._rows = []

    def handle_data(self, data):
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] += data.strip()


def check_content(outline: Outline) -> None:
    """What has to be on the page, whether read from the file or from the browser."""
    totals = outline.tables['totals']
    assert totals[0][:6] == ['tracker', 'AUC', 'P@20px', 'NP@0.2', 'NP-AUC', 'fps']
    assert [row[0] for row in totals[1:]][:2] == ['Good', 'DiMP'] and totals[-1][0] == 'Bad'
    assert [
        'USOT',
        '58.9',
        '80.6',
        '–',
        '–',
        '–',
        'unlabelled videos',
        'USOT (ICCV 2021), Table 3',
    ] in totals
    assert [row[0] for row in outline.tables['sequence']] == ['sequence', 'a', 'b', 'c']
    assert outline.tables['sequence'][0] == ['sequence', 'Bad', 'Good']
    assert [row[:2] for row in outline.tables['attribute']] == [
        ['attribute', 'sequences'],
        ['OCC', '3'],
        ['FM', '2'],
    ]
    assert ['Good', '100.0', '', 'a test'] in outline.tables['speed']
    assert any('<b>tiny</b>' in row for row in outline.tables['about'])
    published = outline.tables['totals again']
    assert [
        'USOT*',
        '0.578',
        '0.304',
        '0.344',
        '–',
        'unlabelled videos',
        'USOT (ICCV 2021), Table 1',
    ] in published
    kinds = [
        re.match(r'data:image/([a-z+]+);base64,', attrs['src'] or '')[1]
        for tag, attrs in outline.tags
        if tag == 'img'
    ]
    assert kinds.count('svg+xml') == 4 and kinds.count('jpeg') == 3


@pytest.mark.process
def test_what_is_on_the_page(page):
    text = page.read_text()
    check_content(Outline(text))
    assert 'Published numbers are over 100 sequences, ours over 3: they cannot be compared.' in text
    assert 'frames 2 to 7, 6 of 8 annotated frames missed in a row' in text


def test_nothing_comes_from_elsewhere(page):
    outline = Outline(page.read_text())
    for tag, attrs in outline.tags:
        assert tag != 'link' and all(
            (attrs[key] or '').startswith(('data:', '#')) for key in ('src', 'href') if key in attrs
        ), (tag, attrs)
    assert not re.search(r'@import|url\((?!data:)', page.read_text())


@pytest.mark.process
@pytest.mark.skipif(
    CHROMIUM is None, reason='no chromium in the path (Debian: apt-get install chromium)'
)
def test_the_page_in_a_browser(page, tmp_path):
    def browse(*arguments: str) -> subprocess.CompletedProcess:
        command = [
            str(CHROMIUM),
            *FLAGS,
            f'--user-data-dir={tmp_path / arguments[0].strip("-").split("=")[0]}',
            *arguments,
            page.as_uri(),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    dumped = browse('--dump-dom')
    assert dumped.returncode == 0 and 'CONSOLE' not in dumped.stderr, dumped.stderr
    outline = Outline(dumped.stdout)
    check_content(outline)
    assert (
        'html',
        {'lang': 'en', 'data-ready': 'yes'},
    ) in outline.tags  # the script ran to its end
    shot = browse(
        f'--screenshot={tmp_path / "shot.png"}', '--window-size=1400,2400', '--hide-scrollbars'
    )
    image = cv2.imread(str(tmp_path / 'shot.png'))
    assert shot.returncode == 0 and image.shape == (2400, 1400, 3)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 300  # plots and pictures are drawn


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('nowhere',), 'nowhere: no such folder of results'),
        (('OTB100',), 'OTB100: no scores in it or in its folders'),
        (
            ('out', '--published', 'VOT2081'),
            "--published VOT2081: no such benchmark, did you mean 'VOT2018'",
        ),
        (('out', '--data-root', 'OTB100'), '--data-root needs --benchmark NAME'),
        (('out', '--sequences', 'other'), "no results on 'other'; there are results on OTB100"),
    ],
)
def test_refusals(work, monkeypatch, capsys, args, message):
    monkeypatch.chdir(work)
    if 'other' in args:
        write_benchmark(work / 'other')
    assert report_tool.main([*args, '--out', 'no.html']) == 2
    assert message in one_line(capsys.readouterr().err)
    assert not (work / 'no.html').exists()


def test_a_result_of_another_sequence_is_named(work, tmp_path, capsys):
    shutil.copytree(work / 'out', tmp_path / 'out')
    shutil.copy(tmp_path / 'out' / 'Bad' / 'a.txt', tmp_path / 'out' / 'Bad' / 'b.txt')
    assert (
        report_tool.main(
            [
                str(tmp_path / 'out'),
                '--sequences',
                str(work / 'OTB100'),
                '--out',
                str(tmp_path / 'no.html'),
            ]
        )
        == 2
    )
    assert re.search(
        r'Bad/b: is not a finished result \(\d+ lines? (beside|for)',
        one_line(capsys.readouterr().err),
    )
