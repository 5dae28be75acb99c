"""Checkpoints of old PyTorch: what Python 2 wrote is read, code is not run, damage is named."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict

import pytest
import torch

from usot_plugin.utils.checkpoint import CheckpointError, extract_state_dict, load_checkpoint
from usot_plugin.utils.legacy_checkpoint import is_legacy_checkpoint, read_legacy_checkpoint

TENSORS = {
    'module.feature.0.weight': torch.arange(24, dtype=torch.float32).view(2, 3, 4),
    'module.feature.0.bias': torch.tensor([1.5, -2], dtype=torch.float64),
    'steps': torch.tensor(7),
    'view': torch.arange(10, dtype=torch.int32)[2:8:2],
    'empty': torch.zeros(0),
}


def saved(path, content=None):
    torch.save(TENSORS if content is None else content, path, _use_new_zipfile_serialization=False)
    return path


def with_python2_integer(path, state_dict=None):
    """A file that PyTorch's safe reader refuses: an integer key in the text form of Python 2."""
    data = saved(
        path, {'state': {77: 1}, 'state_dict': TENSORS if state_dict is None else state_dict}
    ).read_bytes()
    assert data.count(b'KMK\x01') == 1
    path.write_bytes(data.replace(b'KMK\x01', b'I139887847792880\nK\x01'))
    return path


def test_same_tensors_as_pytorch_reads(tmp_path):
    path = saved(tmp_path / 'old.pth')
    assert is_legacy_checkpoint(path)
    back = read_legacy_checkpoint(path)
    expected = torch.load(path, weights_only=True)
    assert back.keys() == expected.keys()
    for key, value in expected.items():
        assert back[key].dtype == value.dtype and torch.equal(back[key], value), key


def test_what_python_2_wrote_is_loaded(tmp_path):
    path = with_python2_integer(tmp_path / 'checkpoint.pth.tar')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    content = load_checkpoint(path)
    assert content['state'] == {139887847792880: 1}
    state = extract_state_dict(content, path)
    assert torch.equal(state['feature.0.weight'], TENSORS['module.feature.0.weight'])


def test_metadata_is_left_out(tmp_path):
    state = OrderedDict(a=torch.ones(1))
    state._metadata = {'version': 1}
    back = read_legacy_checkpoint(saved(tmp_path / 'old.pth', {'state_dict': state}))
    assert not hasattr(back['state_dict'], '_metadata') and back['state_dict']['a'].item() == 1


@pytest.mark.shared_data
def test_published_udt_checkpoint_is_loaded(shared_dir):
    path = shared_dir / 'golden' / 'udt' / 'udt_checkpoint.pth.tar'
    if not path.exists():
        pytest.skip('needs the published weights')
    state = extract_state_dict(load_checkpoint(path), path)
    assert sum(value.numel() for value in state.values()) == 10144


def legacy_file(path, main: bytes, keys: list = (), tail: bytes = b''):
    head = [
        pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True})
    ]
    path.write_bytes(b''.join(head) + main + pickle.dumps(list(keys), 2) + tail)
    return path


STORAGE = (
    b'(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02NtQ'
)
GOOD = b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(' + STORAGE + b'K\x00%s%stR.'
TWO = struct.pack('<q2f', 2, 1.0, 2.0)


#: A NumPy float64 as Python 2 pickles it.
SCALAR = (
    b'\x80\x02cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb'
    b'U\x08' + struct.pack('<d', 0.5) + b'tR.'
)


def test_numpy_scalars_are_left_out(tmp_path):
    assert read_legacy_checkpoint(legacy_file(tmp_path / 'x.pth', SCALAR)) is None


def test_hand_made_file_is_read(tmp_path):
    path = legacy_file(tmp_path / 'x.pth', GOOD % (b'K\x02\x85', b'K\x01\x85'), ['0'], TWO)
    assert read_legacy_checkpoint(path).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ('main', 'keys', 'tail', 'error', 'message'),
    [
        (
            b'\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.',
            (),
            b'',
            pickle.UnpicklingError,
            'posix.system',
        ),
        (
            b'\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.',
            (),
            b'',
            pickle.UnpicklingError,
            'builtins.eval',
        ),
        (b'\x80\x02ctorch\nload\n.', (), b'', pickle.UnpicklingError, 'torch.load'),
        (
            b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00K\x01\x85K\x01\x85tR.',
            (),
            b'',
            pickle.UnpicklingError,
            'no storage',
        ),
        (
            GOOD % (b'K\x03\x85', b'K\x01\x85'),
            ['0'],
            TWO,
            pickle.UnpicklingError,
            'larger than its storage',
        ),
        (
            GOOD % (b'K\x02\x85', b'K\x05\x85'),
            ['0'],
            TWO,
            pickle.UnpicklingError,
            'beyond its storage',
        ),
        (
            GOOD % (b'J\xff\xff\xff\x7f\x85', b'K\x00\x85'),
            ['0'],
            TWO,
            pickle.UnpicklingError,
            'larger than its storage',
        ),
        (
            GOOD % (b'K\x02\x85', b'K\x01\x85'),
            ['1'],
            TWO,
            pickle.UnpicklingError,
            'list of storages',
        ),
        (GOOD % (b'K\x02\x85', b'K\x01\x85'), ['0'], TWO[:-1], EOFError, 'cut short'),
        (
            GOOD % (b'K\x02\x85', b'K\x01\x85'),
            ['0'],
            struct.pack('<q', 9) + TWO,
            pickle.UnpicklingError,
            'another length',
        ),
        (b'\x80\x02X\x01\x00\x00\x00xQ.', (), b'', pickle.UnpicklingError, 'persistent id'),
    ],
)
def test_anything_else_is_refused(tmp_path, main, keys, tail, error, message):
    path = legacy_file(tmp_path / 'bad.pth', main, keys, tail)
    with pytest.raises(error, match=message):
        read_legacy_checkpoint(path)
    with pytest.raises(CheckpointError, match='bad.pth'):
        load_checkpoint(path)


def test_a_pickle_cannot_change_what_it_names(tmp_path):
    # BUILD with a slot state would set attributes; it is dropped, and the allowed names are as
    # before.
    main = b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x06\x00\x00\x00_buildK\x01s\x86b.'
    read_legacy_checkpoint(legacy_file(tmp_path / 'x.pth', main))
    assert read_legacy_checkpoint(
        legacy_file(tmp_path / 'y.pth', GOOD % (b'K\x02\x85', b'K\x01\x85'), ['0'], TWO)
    ).tolist() == [1.0, 2.0]


def test_the_refusal_names_the_object(tmp_path):
    path = legacy_file(tmp_path / 'evil.pth', b'\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.')
    with pytest.raises(CheckpointError, match=r'refused: it holds the Python object posix\.system'):
        load_checkpoint(path)


def test_other_files_are_not_legacy(tmp_path):
    buffer = io.BytesIO()
    torch.save(TENSORS, buffer)
    (tmp_path / 'new.pth').write_bytes(buffer.getvalue())
    assert not is_legacy_checkpoint(tmp_path / 'new.pth')
    (tmp_path / 'text.pth').write_text('hello')
    assert not is_legacy_checkpoint(tmp_path / 'text.pth')


def shared_lists(levels):
    value: list = []
    for _ in range(levels):
        value = [value, value]
    return value


def lists_in_themselves():
    value: list = []
    value.append(value)
    return value


def deep_lists():
    value: list = []
    for _ in range(400):
        value = [value]
    return value


@pytest.mark.parametrize(
    'content',
    [shared_lists(40), lists_in_themselves(), deep_lists()],
    ids=['shared', 'circle', 'deep'],
)
@pytest.mark.parametrize('legacy', [True, False])
def test_small_files_that_no_reader_comes_to_the_end_of(tmp_path, content, legacy):
    file = tmp_path / 'endless.pth'
    if legacy:
        legacy_file(file, pickle.dumps(content, 2))
    else:
        torch.save({'state_dict': content}, file)
    with pytest.raises(CheckpointError, match='endless.pth: refused: .*(its containers|nested)'):
        load_checkpoint(file)


def test_what_is_shared_a_few_times_is_read(tmp_path):
    assert load_checkpoint(
        legacy_file(tmp_path / 'x.pth', pickle.dumps(shared_lists(3), 2))
    ) == shared_lists(3)
