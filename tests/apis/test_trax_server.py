"""The TraX server as a process, spoken to by the toolkit's own client library; and the registry
entry that starts it."""

from __future__ import annotations

import configparser
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from usot_plugin.apis.trax_server import write_registry
from usot_plugin.testing.media import moving_square_frames, write_frames

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'vot_tracker.py'
CONFIG = ROOT / 'configs' / 'quick' / 'usot_quick.py'

TRACKERS = """
import numpy as np
from usot_plugin.tracking import StandStill
from usot_plugin.structures.regions import MaskRegion
from usot_plugin.structures.trajectory import Prediction

def shift(frame, box, memory):
    print('a tracker that prints must not break the channel')
    if box is not None:
        memory['box'] = box
        return box
    memory['box'] = memory['box'] + [2, 1, 2, 1]
    return memory['box'] if memory['box'][0] < 18 else np.full(4, np.nan)

class Masks(StandStill):
    def update(self, frames, state):
        prediction, state = super().update(frames, state)
        masks = [MaskRegion(np.tri(6, dtype=bool), int(box[0]), int(box[1])) for box in state]
        scores = prediction.scores * 0.5
        return Prediction(prediction.boxes_xyxy, scores, prediction.lost, masks), state
"""


@pytest.fixture
def trackers(tmp_path) -> Path:
    path = tmp_path / 'my trackers.py'
    path.write_text(TRACKERS)
    return path


@pytest.fixture
def images(tmp_path) -> list[Path]:
    return sorted(write_frames(tmp_path / 'frames', moving_square_frames(4)[0]).iterdir())


@contextmanager
def client_of(tracker: str, *options: str):
    """A client connected to a fresh server process."""
    trax = pytest.importorskip('trax')
    from trax.client import Client

    command = [sys.executable, str(TOOL), str(CONFIG), '--tracker', tracker, *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        # PyTorch's loaders leave a handler for dead children behind, and libtrax takes a read that
        # is interrupted by one for a lost server.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        try:
            client = Client(
                (process.stdin.fileno(), process.stdout.fileno()), log=lambda fragment: None
            )  # it cannot do without a log
            try:
                yield trax, client, process
            finally:
                client.quit()
                process.stdin.close()
                process.wait(60)
                process.log = process.stderr.read().decode()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def image(trax, path):
    return {trax.ImageChannel.COLOR: trax.FileImage.create(str(path))}


@pytest.mark.process
def test_rectangles_polygons_and_masks_in_boxes_out(trackers, images):
    with client_of(f'{trackers}:shift', '--name', 'Shift') as (trax, client, process):
        assert client.tracker_name == 'Shift' and client.get('multiobject') is True
        assert {'rectangle', 'polygon', 'mask'} <= set(client.region_formats)
        mask = np.zeros((30, 40), np.uint8)
        mask[5:15, 12:20] = 1
        starts = [
            trax.Rectangle.create(10, 20, 30, 15),
            trax.Polygon.create([(4.0, 2.0), (14.0, 6.0), (8.0, 22.0)]),
            trax.Mask.create(mask),
        ]
        objects, _ = client.initialize(
            image(trax, images[0]), [(region, {}) for region in starts], {}
        )
        assert [type(region).__name__ for region, _ in objects] == ['Rectangle', 'Polygon', 'Mask']
        objects, _ = client.frame(image(trax, images[1]), {}, [])
        boxes = [region.bounds() for region, _ in objects]
        np.testing.assert_allclose(boxes, [[12, 21, 30, 15], [6, 3, 10, 20], [14, 6, 8, 10]])
        assert all(float(properties['confidence']) == 1 for _, properties in objects)
        # A new start forgets the others.
        client.initialize(image(trax, images[0]), [(trax.Rectangle.create(14, 0, 5, 5), {})], {})
        ((region, _),), _ = client.frame(image(trax, images[1]), {}, [])
        assert region.bounds()[0] == 16
        ((region, _),), _ = client.frame(image(trax, images[2]), {}, [])
        assert isinstance(region, trax.Special), 'the target is nowhere'
    assert process.returncode == 0
    assert 'must not break' in process.log


@pytest.mark.process
def test_masks_out_and_images_from_memory(trackers, images):
    frame = cv2.imread(str(images[0]))
    with client_of(f'{trackers}:Masks') as (trax, client, process):
        encoded = trax.BufferImage.create(cv2.imencode('.png', frame)[1].tobytes())
        client.initialize(
            {trax.ImageChannel.COLOR: encoded}, [(trax.Rectangle.create(10, 3, 6, 6), {})], {}
        )
        memory = trax.MemoryImage.create(np.ascontiguousarray(frame[..., ::-1]))
        ((region, properties),), _ = client.frame({trax.ImageChannel.COLOR: memory}, {}, [])
        expected = np.zeros((9, 16), bool)
        expected[3:, 10:] = np.tri(6, dtype=bool)
        np.testing.assert_array_equal(region.array(normalize=True) > 0, expected)
        assert float(properties['confidence']) == 0.5
    assert process.returncode == 0


@pytest.mark.process
def test_what_goes_wrong_is_told_to_both_sides(trackers, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    with (
        client_of(f'{trackers}:shift') as (trax, client, process),
        pytest.raises(trax.TraxException, match='broken.png'),
    ):
        client.initialize(
            image(trax, tmp_path / 'broken.png'), [(trax.Rectangle.create(1, 1, 5, 5), {})], {}
        )
    lines = process.log.splitlines()
    assert process.returncode == 2 and lines[-1].startswith('error: ') and 'broken.png' in lines[-1]


@pytest.mark.process
def test_a_box_that_cannot_be_used_is_told(trackers, images):
    with (
        client_of(f'{trackers}:shift') as (trax, client, process),
        pytest.raises(trax.TraxException, match='lies outside the 96x72 frame'),
    ):
        client.initialize(image(trax, images[0]), [(trax.Rectangle.create(500, 1, 5, 5), {})], {})


def run_tool(*options: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *options], capture_output=True, text=True, timeout=120, cwd=cwd
    )


@pytest.mark.process
def test_registry_entry(trackers, tmp_path):
    ini = tmp_path / 'trackers.ini'
    ini.write_text('[Other]\ncommand = other\nprotocol = trax\n')
    options = (
        '--tracker',
        f'{trackers.name}:shift',
        '--write-ini',
        str(ini),
        '--name',
        'Shift',
        '--cfg-options',
        'a.b=50%',
    )
    done = run_tool(str(CONFIG), *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    registry = configparser.ConfigParser()  # as the toolkit reads it
    registry.read(ini)
    assert registry.sections() == ['Other', 'Shift'] and registry['Shift']['protocol'] == 'trax'
    command = shlex.split(registry['Shift']['command'])
    assert command[:3] == [sys.executable, str(TOOL), str(CONFIG)]
    assert command[3:7] == ['--tracker', f'{trackers}:shift', '--cfg-options', 'a.b=50%']
    assert command[-2:] == ['--name', 'Shift'] and '--write-ini' not in command


def test_bad_registries_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'a b' is no identifier"):
        write_registry(tmp_path / 'trackers.ini', 'a b', ['x'])
    (tmp_path / 'trackers.ini').write_text('no section\n')
    with pytest.raises(ValueError, match='not a registry of trackers'):
        write_registry(tmp_path / 'trackers.ini', 'a', ['x'])
    assert (tmp_path / 'trackers.ini').read_text() == 'no section\n'


@pytest.mark.process
def test_bad_config_ends_in_one_line(tmp_path):
    done = run_tool('no_such_config.py', cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith(
        'error: no_such_config.py: no such config'
    )
