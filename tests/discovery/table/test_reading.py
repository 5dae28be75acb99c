"""The pseudo-box table: what is written is what is read, whole or not at all, and the same from
parts and from one file."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing as mp
import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from usot_plugin.discovery.table.format import (
    COLUMNS,
    FRAME_COLUMNS,
    SCHEMA_VERSION,
    TableError,
    TableInfo,
    part_bytes,
    part_name,
    track_columns,
)
from usot_plugin.discovery.table.parts import PartFolder
from usot_plugin.discovery.table.reading import PseudoBoxTable, read_table
from usot_plugin.structures import PseudoTrack
from usot_plugin.utils import atomic

INFO = TableInfo(
    {
        'frames': {'eval_gap': 3},
        'flow': {'type': 'DISFlow'},
        'candidates': {'gate_mean_px': float('inf')},
    }
)


def make_track(
    length: int = 7, object_id: int = 0, first_frame: int = 0, seed: int = 0
) -> PseudoTrack:
    random = np.random.default_rng(seed)
    return PseudoTrack(
        object_id=object_id,
        first_frame=first_frame,
        boxes_xyxy=random.random((length, 4), np.float32) * 100,
        evaluated=random.random(length) < 0.5,
        picked=random.random(length) < 0.3,
        frame_quality=random.random(length, np.float32),
        centrality=random.random(length, np.float32),
        fragment_first=first_frame + np.arange(length, dtype=np.int32),
        fragment_last=first_frame + np.minimum(np.arange(length, dtype=np.int32) + 3, length - 1),
        sequence_quality=0.5,
        corner_share=0.125,
    )


def make_row(
    clip: str,
    track: PseudoTrack | None,
    status: str = 'kept',
    samplable: bool = True,
    fingerprint: str = 'f',
) -> dict:
    return {
        'clip': clip,
        'path': f'/videos/{clip}',
        'fingerprint': fingerprint,
        'width': 64,
        'height': 48,
        'fps': 25.0,
        'frame_count': 7 if track is None else max(7, track.first_frame + len(track)),
        'status': status,
        'reason': '' if track is not None else 'unreadable',
        'detail': '',
        'samplable': samplable and track is not None,
        **track_columns(track),
    }


def assert_same_track(a: PseudoTrack, b: PseudoTrack) -> None:
    for name in PseudoTrack.__dataclass_fields__:
        left, right = getattr(a, name), getattr(b, name)
        np.testing.assert_array_equal(left, right, err_msg=name)
        if isinstance(right, np.ndarray):
            assert left.dtype == right.dtype and left.shape == right.shape, name


@pytest.fixture
def tracks() -> dict[str, PseudoTrack]:
    return {
        'b/two.mp4': make_track(5, seed=1),
        'a.mp4': make_track(9, seed=2),
        'c': make_track(1, first_frame=40, seed=3),
    }


@pytest.fixture
def folder(tmp_path, tracks) -> PartFolder:
    parts = PartFolder(tmp_path / 'table', INFO)
    parts.open(tracks)
    for clip, track in tracks.items():
        parts.save(clip, part_bytes([make_row(clip, track)], INFO))
    parts.save('bad.mp4', part_bytes([make_row('bad.mp4', None, 'skipped')], INFO))
    return parts


@pytest.mark.parametrize('form', ['folder', 'file'])
def test_what_is_written_is_read(folder, tracks, form):
    table = read_table(folder.folder if form == 'folder' else folder.merge())
    assert [row.clip for row in table.rows] == ['a.mp4', 'b/two.mp4', 'bad.mp4', 'c']
    for row in table.rows:
        count = 7 if row.track is None else max(7, row.track.first_frame + len(row.track))
        assert (row.width, row.height, row.fps, row.frame_count) == (64, 48, 25.0, count)
        if row.clip == 'bad.mp4':
            assert row.track is None and row.reason == 'unreadable' and not row.samplable
        else:
            assert_same_track(row.track, tracks[row.clip])
    assert table.info.config == INFO.config and table.info.config_hash == INFO.config_hash


def test_parts_and_merged_file_hold_the_same_rows(folder):
    merged = pq.read_table(folder.merge())
    parts = pa.concat_tables(
        pq.read_table(file) for file in sorted(folder.folder.glob('[!.]*.parquet'))
    )
    assert merged.schema.equals(COLUMNS, check_metadata=False)
    assert merged.to_pylist() == sorted(parts.to_pylist(), key=lambda row: row['clip'])
    first = folder.merged_path.read_bytes()
    assert folder.merge().read_bytes() == first


def test_many_objects_are_sorted_within_a_clip(tmp_path):
    rows = [
        make_row('a', make_track(3, object_id, first))
        for object_id, first in [(1, 0), (0, 180), (0, 0)]
    ]
    parts = PartFolder(tmp_path / 't', INFO)
    parts.open(['a'])
    parts.save('a', part_bytes(rows, INFO))
    table = read_table(parts.folder)
    assert [(row.track.object_id, row.track.first_frame) for row in table.rows] == [
        (0, 0),
        (0, 180),
        (1, 0),
    ]


def test_views_select_rows_over_the_same_memory(tmp_path):
    parts = PartFolder(tmp_path / 't', INFO)
    parts.open([])
    for clip, status, samplable in [
        ('a', 'kept', True),
        ('b', 'dropped', False),
        ('c', 'kept', False),
    ]:
        parts.save(clip, part_bytes([make_row(clip, make_track(), status, samplable)], INFO))
    parts.save('d', part_bytes([make_row('d', None, 'skipped')], INFO))
    table = read_table(parts.folder)
    assert [row.clip for row in table.kept().rows] == ['a', 'c']
    assert [row.clip for row in table.samplable()] == ['a'] and len(table.kept().samplable()) == 1
    np.testing.assert_array_equal(
        table.column('sequence_quality'), np.float32([0.5, 0.5, 0.5, np.nan])
    )
    assert table.column('status').tolist() == ['kept', 'dropped', 'kept', 'skipped']
    assert table[-1].clip == 'd' and [row.clip for row in table.rows[1:3]] == ['b', 'c']
    with pytest.raises(IndexError):
        table[4]
    with pytest.raises(KeyError, match='no column with one value per row'):
        table.column('boxes_xyxy')
    assert pickle.loads(pickle.dumps(table.kept()))[1].clip == 'c'


@pytest.mark.process
def test_rows_are_mapped_not_decoded(tmp_path):
    # 24 MB of boxes: opening the table and reading one row must not bring them into this process's
    # heap.
    parts = PartFolder(tmp_path / 't', INFO)
    parts.open([])
    track = make_track(250_000)
    for clip in 'abc':
        parts.save(clip, part_bytes([make_row(clip, track)], INFO))
    path = parts.merge()
    read_table(path)  # makes the Arrow copy
    before = pa.total_allocated_bytes()
    table = read_table(path)
    got = table[1].track
    assert pa.total_allocated_bytes() - before < 1 << 20
    assert not got.boxes_xyxy.flags.owndata and not got.boxes_xyxy.flags.writeable
    np.testing.assert_array_equal(got.boxes_xyxy, track.boxes_xyxy)


def _sum_of_boxes(table: PseudoBoxTable) -> float:
    return float(sum(row.track.boxes_xyxy.sum() for row in table.rows))


@pytest.mark.process
def test_a_table_goes_to_another_process_as_its_path(folder):
    table = read_table(folder.folder).kept()
    assert len(pickle.dumps(table)) < 2000
    with mp.get_context('spawn').Pool(1) as pool:
        assert pool.apply(_sum_of_boxes, (table,)) == _sum_of_boxes(table)


def test_a_table_that_changed_underneath_is_refused(folder):
    frozen = pickle.dumps(read_table(folder.folder))
    folder.save('new', part_bytes([make_row('new', make_track())], INFO))
    with pytest.raises(TableError, match='was changed while'):
        pickle.loads(frozen)
    assert len(read_table(folder.folder)) == 5


def test_table_in_a_folder_that_cannot_be_written_is_read_through_the_temporary_folder(
    folder, tmp_path, monkeypatch
):
    path, elsewhere = folder.merge(), tmp_path / 'tmp'
    elsewhere.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(elsewhere))
    real = atomic.whole_file

    def refuse_beside(target):
        if target.parent == path.parent:
            raise PermissionError(errno.EACCES, 'read-only')
        return real(target)

    monkeypatch.setattr('usot_plugin.discovery.table.reading.whole_file', refuse_beside)
    assert len(read_table(path)) == 4
    assert len(list(elsewhere.rglob('*.arrow'))) == 1


def test_damaged_copy_is_made_anew(folder):
    assert len(read_table(folder.folder)) == 4
    (copy,) = folder.folder.glob('.*.arrow')
    copy.write_bytes(b'damaged')
    assert len(read_table(folder.folder)) == 4


def test_old_copies_do_not_pile_up(folder):
    for clip in 'xyz':
        folder.save(clip, part_bytes([make_row(clip, make_track())], INFO))
        read_table(folder.folder)
    assert len(list(folder.folder.glob('.*.arrow'))) == 1


def test_pandas_and_plain_parquet_readers_see_plain_columns(folder):
    table = pq.read_table(folder.merge())
    assert not any(
        pa.types.is_dictionary(kind) or isinstance(kind, pa.ExtensionType)
        for kind in table.schema.types
    )
    row = table.to_pylist()[0]
    assert row['clip'] == 'a.mp4' and len(row['boxes_xyxy']) == 9 and len(row['boxes_xyxy'][0]) == 4
    duckdb = pytest.importorskip('duckdb')
    query = (
        f"select clip, len(boxes_xyxy) from '{folder.merged_path}' where status = 'kept' "
        'order by clip'
    )
    assert duckdb.sql(query).fetchall() == [('a.mp4', 9), ('b/two.mp4', 5), ('c', 1)]


# --- what is refused ---


def test_reading_what_is_no_table_names_file_and_cause(tmp_path):
    with pytest.raises(TableError, match='no such pseudo-box table'):
        read_table(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(TableError, match='no part of a pseudo-box table'):
        read_table(tmp_path / 'empty')
    (tmp_path / 'words.parquet').write_text('not parquet at all')
    with pytest.raises(TableError, match=r'words\.parquet: not a whole Parquet file'):
        read_table(tmp_path / 'words.parquet')
    pq.write_table(pa.table({'a': [1]}), tmp_path / 'other.parquet')
    with pytest.raises(
        TableError, match=r'other\.parquet: a Parquet file, but not a pseudo-box table'
    ):
        read_table(tmp_path / 'other.parquet')


def test_another_schema_version_is_refused(tmp_path):
    schema = COLUMNS.with_metadata(
        {**INFO.to_metadata(), b'usot_plugin.schema_version': str(SCHEMA_VERSION + 1).encode()}
    )
    pq.write_table(schema.empty_table(), tmp_path / 't.parquet')
    with pytest.raises(
        TableError,
        match=f'schema version {SCHEMA_VERSION + 1}, but usot_plugin .* reads version '
        f'{SCHEMA_VERSION}',
    ):
        read_table(tmp_path / 't.parquet')


def test_other_columns_are_refused(tmp_path):
    schema = COLUMNS.remove(COLUMNS.get_field_index('picked')).with_metadata(INFO.to_metadata())
    pq.write_table(schema.empty_table(), tmp_path / 't.parquet')
    with pytest.raises(TableError, match=r"\['picked'\]"):
        read_table(tmp_path / 't.parquet')


@pytest.mark.parametrize('share', [0.3, 0.9])
def test_truncated_table_is_refused(folder, share):
    path = folder.merge()
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(TableError, match=r'table\.parquet: not a whole Parquet file'):
        read_table(path)


def test_damage_inside_a_file_is_named(folder):
    path = folder.merge()
    data = bytearray(path.read_bytes())
    data[8:400] = bytes(392)
    path.write_bytes(data)
    with pytest.raises(TableError, match=r'table\.parquet: damaged'):
        read_table(path)


def test_parts_of_two_configs_are_refused(folder):
    other = TableInfo({**INFO.config, 'frames': {'eval_gap': 1}})
    folder.save('other', part_bytes([make_row('other', make_track())], other))
    with pytest.raises(TableError, match='frames.eval_gap: (1 != 3|3 != 1)'):
        read_table(folder.folder)


def test_two_parts_of_one_clip_are_refused(folder):
    (folder.folder / 'copy.parquet').write_bytes((folder.folder / part_name('c')).read_bytes())
    with pytest.raises(TableError, match="two parts of the same clip 'c'"):
        read_table(folder.folder)


def test_a_part_holds_one_clip():
    with pytest.raises(ValueError, match='exactly one clip'):
        part_bytes([make_row('a', make_track()), make_row('b', make_track())], INFO)


def test_a_track_with_uneven_columns_is_refused():
    track = make_track()
    object.__setattr__(track, 'picked', track.picked[:-1])
    with pytest.raises(ValueError, match="'picked': 6"):
        track_columns(track)


# --- going on with a table ---


def test_opening_again_tells_what_is_finished(folder, tracks):
    again = PartFolder(folder.folder, INFO)
    finished = again.open([*tracks, 'bad.mp4', 'new'])
    assert set(finished) == set(tracks)  # what failed, and what was never done, is to do
    assert (
        finished['c'].status,
        finished['c'].kept,
        finished['c'].samplable,
        finished['c'].fingerprint,
    ) == ('kept', 1, 1, 'f')


def test_another_config_is_refused_unless_overwritten(folder, tracks):
    other = TableInfo({**INFO.config, 'flow': {'type': 'ARFlow'}})
    with pytest.raises(TableError, match=r'flow.type: DISFlow != ARFlow.*--overwrite'):
        PartFolder(folder.folder, other).open(tracks)
    assert PartFolder(folder.folder, other).open(tracks, overwrite=True) == {}
    assert not list(folder.folder.glob('[!.]*.parquet'))


def test_overwriting_a_shard_leaves_the_other_shards_alone(folder):
    PartFolder(folder.folder, INFO).open(['a.mp4'], overwrite=True)
    assert {file.name for file in folder.folder.glob('[!.]*.parquet')} == {
        part_name(c) for c in ('b/two.mp4', 'c', 'bad.mp4')
    }


def test_merged_table_of_another_config_is_refused_too(folder):
    folder.merge()
    for file in folder.folder.glob('*.parquet'):
        file.unlink()
    with pytest.raises(TableError, match='another discovery config'):
        PartFolder(folder.folder, TableInfo({'frames': {'eval_gap': 1}})).open([])


def test_damaged_part_is_done_again(folder, tracks):
    os.truncate(folder.folder / part_name('c'), 100)
    assert 'c' not in PartFolder(folder.folder, INFO).open(tracks)


def test_a_foreign_parquet_file_in_the_folder_stops_the_run(folder, tracks):
    pq.write_table(pa.table({'a': [1]}), folder.folder / 'mine.parquet')
    with pytest.raises(TableError, match=r'mine\.parquet'):
        PartFolder(folder.folder, INFO).open(tracks)


def test_leftovers_of_a_killed_process_are_cleared_and_never_read(folder, tracks):
    dead = mp.get_context('fork').Process(target=int)
    dead.start()
    dead.join()
    leftovers = [
        folder.folder / f'.{part_name("x")}.{atomic._host()}-{dead.pid}.tmp.parquet',
        folder.folder.parent
        / f'.{folder.merged_path.name}.{atomic._host()}-{dead.pid}.tmp.parquet',
    ]
    theirs = folder.folder / f'.{part_name("y")}.elsewhere-12.tmp.parquet'
    for file in [*leftovers, theirs]:
        file.write_bytes(b'half')
    assert len(read_table(folder.folder)) == 4
    PartFolder(folder.folder, INFO).open(tracks)
    assert not any(file.exists() for file in leftovers)
    assert theirs.exists()  # another machine may be writing it right now


@pytest.mark.parametrize('fails', ['fsync', 'replace'])
def test_full_disk_leaves_nothing_half_written(folder, monkeypatch, fails):
    before = sorted(folder.folder.iterdir())

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(atomic.os, fails, full)
    with pytest.raises(OSError, match='No space'):
        folder.save('z', part_bytes([make_row('z', make_track())], INFO))
    with pytest.raises(OSError, match='No space'):
        folder.merge()
    assert sorted(folder.folder.iterdir()) == before and not folder.merged_path.exists()


def test_saving_the_same_part_again_does_not_touch_the_file(folder):
    file = folder.folder / part_name('bad.mp4')
    before = file.stat().st_mtime_ns
    folder.save('bad.mp4', part_bytes([make_row('bad.mp4', None, 'skipped')], INFO))
    assert file.stat().st_mtime_ns == before


def test_part_names_differ_where_clips_do():
    names = {
        part_name(clip)
        for clip in ['a/b.mp4', 'a_b.mp4', 'a b.mp4', 'ä_b.mp4', 'x' * 500, 'x' * 501]
    }
    assert len(names) == 6 and all(len(name) < 110 and '/' not in name for name in names)


def test_a_table_given_as_file_name_keeps_its_parts_beside(tmp_path):
    parts = PartFolder(tmp_path / 'boxes.parquet', INFO)
    assert parts.folder == tmp_path / 'boxes' and parts.merged_path == tmp_path / 'boxes.parquet'


def test_metadata_is_json_anyone_can_read(folder):
    metadata = pq.read_schema(folder.merge()).metadata
    assert json.loads(metadata[b'usot_plugin.discovery']) == INFO.config
    assert set(FRAME_COLUMNS) < set(pq.read_schema(folder.merged_path).names)


@pytest.mark.parametrize(
    ('column', 'value', 'message'),
    [
        ('boxes_xyxy', [[0.0, 0, 1, 1]], 'has another length than boxes_xyxy'),
        ('frame_quality', [0.5], 'frame_quality has another length'),
        ('boxes_xyxy', [[0.0, 0, 1e6, 1e6]] * 7, 'boxes_xyxy: a box is far outside any frame'),
        ('first_frame', -5, 'impossible frame numbers'),
        ('frame_count', 3, 'impossible frame numbers'),
        ('frame_count', 2_000_000_000, 'impossible frame numbers'),
        ('fragment_last', [99] * 7, 'fragment_last: a passage leaves the track'),
        ('path', None, 'path is null'),
        ('sequence_quality', None, 'sequence_quality is null'),
        ('width', 1 << 30, 'impossible frame size'),
    ],
)
def test_rows_that_no_discovery_has_written_are_named(tmp_path, column, value, message):
    table = pq.read_table(io.BytesIO(part_bytes([make_row('a.mp4', make_track())], INFO)))
    rows = [{**row, column: value} for row in table.to_pylist()]
    file = tmp_path / 't.parquet'
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    with pytest.raises(TableError, match=f'{file}: row 0: .*{message}'):
        read_table(file)


@pytest.mark.parametrize('text', [b'[]', b'null', b'5', b'[' * 100_000])
@pytest.mark.parametrize('key', [b'usot_plugin.discovery', b'usot_plugin.relabelled'])
def test_metadata_of_another_shape_is_named(tmp_path, text, key):
    if (key, text) == (b'usot_plugin.relabelled', b'[]'):
        pytest.skip('no round')
    table = pq.read_table(io.BytesIO(part_bytes([make_row('a.mp4', make_track())], INFO)))
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, key: text}), tmp_path / 't.parquet'
    )
    with pytest.raises(
        TableError, match='t.parquet: the discovery config in the metadata is damaged'
    ):
        read_table(tmp_path / 't.parquet')


def test_a_flipped_bit_in_a_page_is_seen_and_old_tables_without_checksums_are_read(tmp_path):
    data = part_bytes([make_row('a.mp4', make_track(400))], INFO)
    table = pq.read_table(io.BytesIO(data))
    pq.write_table(table, tmp_path / 'old.parquet')
    whole = [row.track.boxes_xyxy.tobytes() for row in read_table(tmp_path / 'old.parquet')]
    rng, named = np.random.default_rng(0), 0
    for number in range(40):
        damaged = bytearray(data)
        damaged[int(rng.integers(4, len(data) // 2))] ^= 1 << int(rng.integers(8))
        file = tmp_path / f'{number}.parquet'
        file.write_bytes(damaged)
        try:
            assert [row.track.boxes_xyxy.tobytes() for row in read_table(file)] == whole
        except TableError as error:
            assert str(file) in str(error)
            named += 1
    assert named > 10
