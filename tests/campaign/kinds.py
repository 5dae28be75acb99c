"""What is done to the tools, case by case, from the seed and the case's number; '' is right."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .processes import Child, Limits, run_in_child
from .tools import TOOLS, Tool, differences, main_of, make_material, output_of

NO_ROOM = re.compile(r'no space left|disk is full', re.IGNORECASE)
#: Lies in a folder that a campaign has made.
MARKER = '.campaign'
#: A clock that is to kill a run in its course is set anew so often, when the run was faster.
TRIES = 5


#: Tools of the kills, in turn; a training takes ten times as long as the others.
ORDER = ('discover', 'crops', 'crops --frames', 'test', 'relabel', 'export-boxes') * 2 + ('train',)


class NotHereError(RuntimeError):
    """This kind cannot be tried on this machine."""


@dataclass
class Undisturbed:
    """A run to compare with: what it wrote, how long it took, how many files it changed."""

    content: dict[str, Any]
    seconds: float
    changes: int


class Campaign:
    """A folder with the material, and the undisturbed runs.

    Args:
        place: Folder; made anew.
        seed: Of all cases.

    Raises:
        FileExistsError: The folder holds something else.
    """

    def __init__(self, place: Path, seed: int) -> None:
        self.place, self.seed = place.resolve(), seed
        if self.place.exists() and any(self.place.iterdir()) and not (self.place / MARKER).exists():
            raise FileExistsError(f'{place}: not replaced, because no campaign has made it')
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        (self.place / MARKER).touch()
        self.material = self.place / 'material'
        run_in_child(lambda: make_material(self.material), self.place / 'log/material')
        self._whole: dict[str, Undisturbed] = {}

    def rng(self, kind: str, case: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *kind.encode(), case])

    def log(self, kind: str, case: int) -> Path:
        return self.place / 'log' / f'{kind}_{case}'

    def whole(self, tool: Tool) -> Undisturbed:
        """The undisturbed run of a tool."""
        if tool.name not in self._whole:
            out, counter = self.fresh(tool), self.place / 'changes'
            child = Child(
                tool.call(self.material, out),
                self.place / 'log' / f'undisturbed {tool.name}',
                Limits(below=out.parent),
                counter,
            )
            status = child.wait()
            if status:
                raise RuntimeError(
                    f'{tool.name}, undisturbed, ended with {status}:\n{child.said()[-3000:]}'
                )
            seconds = time.monotonic() - child.begin
            self._whole[tool.name] = Undisturbed(
                tool.content(out), seconds, int(counter.read_text())
            )
        return self._whole[tool.name]

    def fresh(self, tool: Tool) -> Path:
        """An output that is not there yet."""
        out = output_of(self.place, tool)
        shutil.rmtree(out.parent)
        return output_of(self.place, tool)

    def keep(self, kind: str, case: int) -> None:
        """Keep the files of a case that went wrong."""
        if (self.place / 'run').exists():
            target = self.place / 'wrong' / f'{kind}_{case}'
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(self.place / 'run', target, symlinks=True)

    def finish(self, tool: Tool, out: Path, log: Path, workers: int = 0) -> str:
        """The same command again: it has to end well, with what an undisturbed run gives."""
        child = Child(tool.call(self.material, out, workers), log)
        status = child.wait()
        if status:
            return f'the same command again ended with {status}: {last_line(child.said())}'
        try:
            found = tool.content(out)
        except Exception as error:  # a half-written file fails in any way
            return f'its output cannot be read: {type(error).__name__}: {error}'
        return differences(found, self.whole(tool).content)


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else '(nothing was printed)'


def error_lines(text: str) -> str:
    """What is wrong with the report of an error; '' for one line without a traceback."""
    if 'Traceback (most recent call last)' in text:
        return f'a traceback: {last_line(text)}'
    return ''


def kill(campaign: Campaign, case: int) -> tuple[str, str]:
    """Kill one tool, then let the same command finish; ('what was tried', 'what is wrong')."""
    rng = campaign.rng('kill', case)
    tool = TOOLS[ORDER[case % len(ORDER)]]
    whole, log = campaign.whole(tool), campaign.log('kill', case)
    workers = int(rng.choice([0, 0, 0, 0, 0, 0, 1, 2]))
    # What is written in C (LMDB) changes files that Python does not see.
    by_clock = bool(workers or whole.changes < 5 or rng.random() < 0.5)
    moment = float(rng.uniform(0.02, 0.98))
    out, child, shown = campaign.fresh(tool), None, ''
    for attempt in range(TRIES):
        out = campaign.fresh(tool)
        if by_clock:
            share = moment * 0.7**attempt  # the run was over before: earlier
            limits = Limits(kill_after_s=share * whole.seconds * (1 if workers == 0 else 3))
            shown = f'{tool.name}, {workers} workers, after {limits.kill_after_s:.3f} s'
        else:
            number = 1 + int(moment * whole.changes)
            limits = Limits(kill_at_change=number, below=out.parent)
            shown = f'{tool.name}, before change {number} of {whole.changes} of a file'
        child = Child(tool.call(campaign.material, out, workers), log, limits)
        status = child.wait()
        if status == -9:
            break
        if status:
            return shown, f'ended with {status} before it was killed: {last_line(child.said())}'
    else:
        return shown, f'was never killed in {TRIES} tries'
    assert child is not None
    if orphans := child.orphans():
        return shown, f'left the processes {orphans}'
    again = int(rng.choice([0, 0, workers]))
    return shown, campaign.finish(tool, out, log, again)


def two_processes(campaign: Campaign, case: int) -> tuple[str, str]:
    """The same command twice at once; each ends well or is refused in one line, nothing is lost."""
    rng = campaign.rng('pair', case)
    tool = list(TOOLS.values())[case % len(TOOLS)]
    whole, out, log = campaign.whole(tool), campaign.fresh(tool), campaign.log('pair', case)
    delay = float(rng.uniform(0, whole.seconds)) * float(rng.choice([0, 0.3, 1]))
    shown = f'{tool.name} twice, {delay:.3f} s apart'
    first = Child(tool.call(campaign.material, out), log.with_name(log.name + '_first'))
    time.sleep(delay)
    overlap = first.runs() and delay < whole.seconds / 2
    second = Child(tool.call(campaign.material, out), log.with_name(log.name + '_second'))
    statuses = [(child, child.wait()) for child in (first, second)]
    for child, status in statuses:
        if status and (wrong := error_lines(child.said())):
            return shown, wrong
    if all(status for _, status in statuses):
        return shown, f'both ended with an error: {last_line(first.said())}'
    if tool.name == 'train' and overlap and not any(status for _, status in statuses):
        return shown, 'two trainings ran in one folder'
    return shown, campaign.finish(tool, out, log)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A disk of so many bytes; gives the function that changes its size."""
    folder.mkdir(parents=True, exist_ok=True)

    def mount(options: str) -> None:
        done = subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotHereError(f'mounting a small disk is not allowed here ({done.stderr.strip()})')

    mount(f'size={size}')
    try:
        yield lambda more: mount(f'remount,size={more}')
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=True)


def full_disk(campaign: Campaign, case: int) -> tuple[str, str]:
    """A disk without room for the output: one line says so; with room the same command goes on."""
    rng = campaign.rng('disk', case)
    tool = list(TOOLS.values())[case % len(TOOLS)]
    campaign.whole(tool)
    log, out = campaign.log('disk', case), campaign.fresh(tool)
    # How much an undisturbed run occupies, from one on a large disk.
    with small_disk(out.parent, 1 << 30):
        Child(tool.call(campaign.material, out), log).wait()
        used = shutil.disk_usage(out.parent).used
    size = 4096 * int(1 + rng.uniform(0.02, 0.9) * used / 4096)
    shown = f'{tool.name} on a disk of {size} bytes of {used}'
    with small_disk(out.parent, size) as resize:
        child = Child(tool.call(campaign.material, out), log)
        status, said = child.wait(), child.said()
        if status == 0:
            wrong = f'ended well: {last_line(said)}'
        elif status < 0:
            wrong = f'died with signal {-status}'
        elif not NO_ROOM.search(last_line(said)):
            wrong = f'does not say that there is no room: {last_line(said)}'
        else:
            wrong = error_lines(said)
        resize(1 << 30)
        return shown, wrong or campaign.finish(tool, out, log)


#: ``{place}`` is the folder of the case, where ``users/work.txt`` lies.
NAMES = (
    '{place}/users',
    '../users',
    'a/../../users',
    '..',
    '.',
    'line\nbreak',
    'right-to-left \u202egpj.exe',
    'long_' + 'x' * 300,
    'long_' + 'x' * 240,
    'not_utf8_\udcca\udcd3',
    '<script>alert(1)<script>',
    '"quote" \'and\' $(touch pwned)',
    'nul\0byte',
    'C:\\users',
    ' ',
    'pipe|`tick`',
    '-rf',
)


def _table(place: Path, name: str) -> str:
    """A table with one clip of that name; '' where the form itself cannot hold it."""
    from usot_plugin.testing.media import moving_square_frames, write_frames
    from usot_plugin.testing.tables import pseudo_track, write_table_part

    frames, boxes = moving_square_frames(8, (128, 96), 28)
    write_frames(place / 'clip', frames)
    write_table_part(place / 'table', name, place / 'clip', pseudo_track(boxes), True, (128, 96))
    return ''


def _listed(place: Path, name: str) -> str:
    """A VOT folder whose list names a sequence so."""
    from usot_plugin.testing.benchmarks import write_vot

    write_vot(place / 'vot', ('bag',), frames=4)
    (place / 'vot/list.txt').write_bytes(os.fsencode(f'bag\n{name}\n'))
    return ''


def _file(place: Path, name: str) -> str:
    """A clip whose folder has that name."""
    from usot_plugin.testing.media import moving_square_frames, write_frames

    write_frames(place / 'clips' / name, moving_square_frames(8, (128, 96), 28)[0])
    return ''


def _sequence(place: Path, name: str) -> str:
    """An annotated sequence of that name."""
    from tests.evaluation.tiny_benchmark import write_benchmark

    write_benchmark(place / 'sequences', ('a', name), frames=4)
    return ''


def _results(place: Path, name: str) -> str:
    """Result files of a sequence of that name."""
    (place / 'results').mkdir()
    (place / f'results/{name}.txt').write_text('1,2,3,4\n' * 4)
    (place / 'results/run.json').write_text('{}')
    return ''


STILL = ('--tracker', 'StandStill')
#: Writer -> what it is given, its tool and its command line.
WRITERS: dict[str, tuple[Callable[[Path, str], str], str, Callable[[Path, Path, Path], list]]] = {
    **{
        f'export-boxes {kind}': (
            _table,
            'export_annotations',
            lambda p, out, _m, kind=kind, more=more: [
                *(p / 'table', '--format', kind, '--out', out),
                *more,
            ],
        )
        for kind, more in (
            ('usot-json', ['--crops']),
            ('got10k', []),
            ('mmtrack', []),
            ('coco-video', []),
        )
    },
    'crops': (_table, 'crops', lambda p, out, _: [p / 'table', '--out', out, '--workers', 0]),
    'crops --frames': (
        _table,
        'crops',
        lambda p, out, _: [p / 'table', '--frames', '--out', out, '--workers', 0],
    ),
    'browse': (_table, 'browse', lambda p, out, _: [p / 'table', '--out', out, '--no-maps']),
    'relabel': (
        _table,
        'relabel',
        lambda p, out, m: [m / 'tracker.py', 'none', p / 'table', '--out', out, *STILL],
    ),
    'test, vot list': (
        _listed,
        'test',
        lambda p, out, m: [
            *(m / 'tracker.py', '--benchmark', 'vot2016', '--data-root', p / 'vot'),
            *('--out', out, '--work-dir', out / 'log', *STILL),
        ],
    ),
    'test': (
        _sequence,
        'test',
        lambda p, out, m: [
            *(m / 'tracker.py', '--sequences', p / 'sequences'),
            *('--out', out, '--work-dir', out / 'log', *STILL),
        ],
    ),
    'discover': (
        _file,
        'discover',
        lambda p, out, m: [m / 'discovery.py', p / 'clips', '--out', out, '--workers', 0],
    ),
    'track': (
        _file,
        'track',
        lambda p, out, _: [
            *(next((p / 'clips').iterdir()), *STILL, '--box', '1,1,20,20', '--out', out)
        ],
    ),
    'convert-results': (
        _results,
        'convert_results',
        lambda p, out, _: [p / 'results', '--to', 'got10k', '--out', out],
    ),
}


def name_cases() -> list[tuple[str, str]]:
    """Every writer with every name."""
    return [(writer, name) for writer in WRITERS for name in NAMES]


def hostile_name(campaign: Campaign, case: int) -> tuple[str, str]:
    """An odd name, or one that leads elsewhere: nothing outside the writer's output changes."""
    writer, name = name_cases()[case % len(name_cases())]
    place, log = campaign.place / 'run', campaign.log('name', case)
    shutil.rmtree(place, ignore_errors=True)
    (place / 'users').mkdir(parents=True)
    (place / 'users/work.txt').write_text('years of it')
    name = name.replace('{place}', str(place))
    give, tool, arguments = WRITERS[writer]
    shown = f'{writer}: {ascii(name)[:60]}'
    out = place / 'deep/er/out'
    out.parent.mkdir(parents=True)
    made = Child(lambda: _made(give, place, name), log)
    if (status := made.wait()) == NO_SUCH_INPUT:
        return shown, SKIPPED
    if status:
        return shown, f'the material cannot be made: {last_line(made.said())}'
    before = _outside(campaign.place, out)
    child = Child(lambda: main_of(tool, *arguments(place, out, campaign.material))(), log)
    status, said = child.wait(), child.said()
    after = _outside(campaign.place, out)
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if changed:
        return shown, f'changed {changed[:3]}'
    if status not in (0, 1, 2, 3):
        return shown, f'ended with {status}: {last_line(said)}'
    if wrong := error_lines(said):
        return shown, wrong
    for page in (*out.rglob('*.html'), *out.rglob('*.md'), *out.rglob('*.svg')):
        if '<script>alert' in page.read_text(encoding='utf-8', errors='replace'):
            return shown, f'{page.name} holds the name as code'
    return shown, ''


#: Exit status of a child that could not make an input: no file can have the name.
NO_SUCH_INPUT = 77
SKIPPED = 'skipped'


def _made(give: Callable[[Path, str], str], place: Path, name: str) -> int:
    by_path = give in (_file, _sequence, _results)
    if by_path and ('/' in name or name in ('.', '..')):
        return NO_SUCH_INPUT
    try:
        give(place, name)
    except (OSError, ValueError) as error:
        if by_path and (isinstance(error, ValueError) or error.errno == errno.ENAMETOOLONG):
            return NO_SUCH_INPUT
        if isinstance(error, UnicodeEncodeError):  # Parquet cannot hold such a text
            return NO_SUCH_INPUT
        raise
    return 0


def _outside(root: Path, out: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file outside of an output; caches of tables and the logs aside."""
    found = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [
            one for one in folders if here / one not in (out, root / 'log', root / 'wrong')
        ]
        if here == out.parent:
            files = [one for one in files if not one.startswith(out.name)]
        for file in files:
            if '.arrow' not in file:
                about = (here / file).lstat()
                found[str(here / file)] = (about.st_size, about.st_mtime_ns)
        for one in folders:
            found[str(here / one)] = (0, 0)
    return found


#: Damaged inputs that one process reads: starting one for each would take most of the time.
BATCH = 250


def fuzz_batch(campaign: Campaign, first: int, count: int) -> list[tuple[int, str, str]]:
    """So many damaged inputs from ``first`` on: (case, 'what', 'what is wrong') of each."""
    folder, log = campaign.place / 'fuzz', campaign.log('input', first)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    report = folder / 'report.txt'
    done: list[tuple[int, str, str]] = []
    while len(done) < count:
        start = first + len(done)
        report.unlink(missing_ok=True)
        child = Child(
            lambda start=start: _read_damaged(
                campaign, folder, report, start, first + count - start
            ),
            log,
        )
        try:
            status = child.wait()
            problem = f'the reader ended with {status}: {last_line(child.said())}'
        except TimeoutError as error:
            problem = str(error)
        lines = report.read_text().splitlines() if report.exists() else []
        for line in lines:
            case, shown, wrong = line.split('\t')
            done.append((int(case), shown, wrong))
        if len(done) < count:  # the one after the last line ended the process
            done.append((first + len(done), 'damaged input', problem))
    return done


def _read_damaged(campaign: Campaign, folder: Path, report: Path, first: int, count: int) -> None:
    import warnings

    from tests.test_fuzz_readers import FORMS, SHARE, mutated, outcome

    warnings.simplefilter('ignore')
    names = sorted(FORMS)
    shares = np.array([SHARE.get(name, 1.0) for name in names])
    rest = (1 - sum(SHARE.values())) / (len(names) - len(SHARE))
    shares = np.array([SHARE.get(name, rest) for name in names])
    whole: dict[str, bytes] = {}
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        FORMS[name][0](folder / name / name)
        whole[name] = (folder / name / name).read_bytes()
    with report.open('a', buffering=1) as lines:
        for case in range(first, first + count):
            rng = campaign.rng('input', case)
            name = names[int(rng.choice(len(names), p=shares))]
            wrong = outcome(name, folder / name / name, mutated(whole[name], rng))
            lines.write(f'{case}\t{name}\t{" ".join(wrong.split())}\n')
