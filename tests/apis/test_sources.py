"""Files, cameras and streams as sources of frames."""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.apis.sources import LiveSource, SourceError, open_source
from usot_plugin.structures.clip import ClipError
from usot_plugin.testing.media import moving_square_frames, write_frames, write_video


@pytest.fixture(scope='module')
def frames() -> np.ndarray:
    return moving_square_frames(12)[0]


class RangeHandler(SimpleHTTPRequestHandler):
    """Python's own handler, plus byte ranges where ``ranges`` is set."""

    ranges = False

    def log_message(self, *arguments):
        """Quiet."""

    def end_headers(self):
        if self.ranges:
            self.send_header('Accept-Ranges', 'bytes')
        super().end_headers()

    def do_GET(self):
        wanted = self.headers.get('Range', '')
        file = Path(self.translate_path(self.path))
        if not self.ranges or not wanted.startswith('bytes=') or not file.exists():
            return super().do_GET()
        content = file.read_bytes()
        start, _, stop = wanted[len('bytes=') :].partition('-')
        part = content[int(start) : int(stop) + 1 if stop else None]
        self.send_response(206)
        self.send_header(
            'Content-Range', f'bytes {start}-{int(start) + len(part) - 1}/{len(content)}'
        )
        self.send_header('Content-Length', str(len(part)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the reader seeks elsewhere
            self.wfile.write(part)


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(ranges: bool) -> str:
        handler = partial(
            type('Handler', (RangeHandler,), {'ranges': ranges}), directory=str(tmp_path)
        )
        server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f'http://127.0.0.1:{server.server_address[1]}'

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_file_and_folder(frames, tmp_path):
    write_frames(tmp_path / 'shots', frames)
    with open_source(str(tmp_path / 'shots')) as source:
        assert not source.live and source.name == 'shots'
        assert [index for index, _ in source] == list(range(12))
    with open_source(str(write_video(tmp_path / 'v.mp4', frames, fps=10))) as source:
        assert source.fps == 10 and len(list(source)) == 12
    with pytest.raises(ClipError, match='no such file'):
        open_source(str(tmp_path / 'none'))


@pytest.mark.parametrize(
    'ranges', [True, False], ids=['server with ranges', 'server without ranges']
)
def test_http(frames, tmp_path, serve, ranges):
    write_video(tmp_path / 'v.mp4', frames)
    with open_source(f'{serve(ranges)}/v.mp4') as source:
        read = list(source)
    assert source.name == 'v' and source.label.startswith('http://')
    assert [index for index, _ in read] == list(range(12))
    np.testing.assert_allclose(read[5][1].astype(float).mean(), frames[5].mean(), atol=3)


@pytest.mark.parametrize('ranges', [True, False])
def test_http_errors_name_the_address(tmp_path, serve, ranges):
    (tmp_path / 'text.mp4').write_text('no video')
    base = serve(ranges)
    with pytest.raises(SourceError, match=r'text.mp4: cannot be opened'):
        open_source(f'{base}/text.mp4')
    with pytest.raises(SourceError, match=r'none.mp4: cannot be opened \(.*404'):
        open_source(f'{base}/none.mp4')


def test_no_server_and_no_password_in_the_message():
    with pytest.raises(SourceError) as caught:
        open_source('rtsp://user:secret@127.0.0.1:9/cam')
    assert 'secret' not in str(caught.value) and str(caught.value).startswith(
        'rtsp://127.0.0.1:9/cam: cannot be opened'
    )


def test_no_such_camera():
    with pytest.raises(SourceError, match='camera 97: cannot be opened'):
        open_source('97')


def live(generator, **options) -> LiveSource:
    return LiveSource('cam', 'cam', generator, **options)


def test_a_slow_reader_of_a_camera_gets_the_newest_frame():
    image = np.zeros((4, 4, 3), np.uint8)
    gate = threading.Event()

    def camera():
        yield image
        gate.wait(5)
        for _ in range(50):
            yield image
        time.sleep(0.05)

    with live(camera) as source:
        seen = []
        for index, _ in source:
            seen.append(index)
            gate.set()
            time.sleep(0.02 if index else 0.2)
    assert seen[0] == 0 and seen[-1] == 50 and len(seen) < 20
    assert seen == sorted(seen)


def test_without_dropping_every_frame_arrives():
    image = np.zeros((4, 4, 3), np.uint8)
    with live(lambda: iter([image] * 30), drop=False) as source:
        seen = []
        for index, _ in source:
            seen.append(index)
            time.sleep(0.001)
    assert seen == list(range(30))


def test_a_source_that_breaks_off_says_so():
    def camera():
        yield np.zeros((4, 4, 3), np.uint8)
        raise SourceError('cam', 'cable pulled')

    with live(camera, drop=False) as source, pytest.raises(SourceError, match='cable pulled'):
        assert len(list(source)) == 1


def test_a_silent_source_times_out():
    stop = threading.Event()

    def camera():
        stop.wait(5)
        yield np.zeros((4, 4, 3), np.uint8)

    with live(camera, timeout_s=0.05) as source:
        with pytest.raises(SourceError, match='no frame for 0.05 seconds'):
            next(iter(source))
        stop.set()


def test_a_source_that_breaks_off_is_opened_again(monkeypatch):
    monkeypatch.setattr('usot_plugin.apis.sources.LONGEST_WAIT_S', 0.01)
    opened = []

    def camera():
        opened.append(len(opened))
        if len(opened) == 2:
            raise SourceError('cam', 'cannot be opened (no route to host)')
        side = 4 if len(opened) == 1 else 8
        yield from [np.full((side, side, 3), len(opened), np.uint8)] * 2
        if len(opened) == 1:
            raise SourceError('cam', 'cable pulled')
        if len(opened) == 3:
            return
        time.sleep(1)

    source = live(camera, drop=False, timeout_s=0.1, reconnect=2, endless=True)
    seen = []
    with source, pytest.raises(SourceError, match='no frame for 0.1 seconds'):
        for index, frame in source:
            seen.append((index, frame.shape, int(frame[0, 0, 0])))
            if index == 5:
                source.reconnect = 0
    assert seen == [(index, (4, 4, 3), number) for index, number in enumerate([1, 1, 3, 3, 4, 4])]
    assert source.notes == (
        'cable pulled after 2 frames, opened again',
        'cannot be opened (no route to host) after 2 frames, opened again',
        'ended after 4 frames, opened again',
    )


def test_tries_in_a_row_are_counted_and_a_file_is_not_read_twice(monkeypatch):
    monkeypatch.setattr('usot_plugin.apis.sources.LONGEST_WAIT_S', 0.01)
    opened = []

    def gone():
        opened.append(None)
        raise SourceError('cam', 'cannot be opened (gone)')
        yield

    with live(gone, reconnect=3) as source, pytest.raises(SourceError, match='gone'):
        list(source)
    assert len(opened) == 4
    with live(lambda: iter([np.zeros((4, 4, 3), np.uint8)]), drop=False, reconnect=3) as source:
        assert len(list(source)) == 1


@pytest.mark.process
def test_a_server_that_stalls_ends_after_the_timeout_or_is_asked_again(
    tmp_path, frames, monkeypatch
):
    monkeypatch.setattr('usot_plugin.apis.sources.LONGEST_WAIT_S', 0.01)
    data = write_video(
        tmp_path / 'v.ts', moving_square_frames(60)[0], options={'g': '10'}
    ).read_bytes()
    asked, done = [], threading.Event()

    class Stalls(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            """Quiet."""

        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data[: len(data) * 2 // 3])
            self.wfile.flush()
            done.wait(20)

    server = ThreadingHTTPServer(('127.0.0.1', 0), Stalls)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_address[1]}/v.ts'
    try:
        with (
            open_source(url, timeout_s=1.0) as source,
            pytest.raises(SourceError, match=r'no frame for 1 seconds|broke off'),
        ):
            list(source)
        assert len(asked) == 1
        with open_source(url, reconnect=1, timeout_s=1.0) as source:
            for _index, _frame in source:
                if len(asked) == 3:
                    break
        assert len(source.notes) == 1
    finally:
        done.set()
        server.shutdown()
        server.server_close()


def test_closing_ends_the_thread():
    def camera():
        while True:
            yield np.zeros((4, 4, 3), np.uint8)

    source = live(camera)
    next(iter(source))
    source.close()
    assert source._connection is not None and not source._connection.thread.is_alive()
    with pytest.raises(RuntimeError, match='can be read once'):
        next(iter(source))
