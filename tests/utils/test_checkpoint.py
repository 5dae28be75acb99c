"""Reading checkpoints: what MMEngine saves is read, what could run code is not."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from usot_plugin.utils.checkpoint import (
    CheckpointError,
    check_fit,
    check_pretrained,
    check_resumable,
    describe_misfit,
    extract_state_dict,
    load_checkpoint,
    load_weights,
    try_safe_loader_first,
    use_safe_loader,
    weights_digest,
)


def test_what_the_runner_saves_is_read(tmp_path):
    hub = MessageHub.get_instance('test_checkpoint')
    hub.update_scalar('loss', 0.5)
    hub.update_scalar('loss', np.float32(0.25))
    hub.update_info('iter', np.int64(3))
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    content = {
        'state_dict': nn.Linear(2, 2).state_dict(),
        'message_hub': hub.state_dict(),
        'optimizer': optimizer.state_dict(),
    }
    content['meta'] = {
        'epoch': 1,
        'cfg': 'x = 1',
        'time': '2026',
        'dataset_meta': {'classes': ('a',)},
    }
    torch.save(content, tmp_path / 'epoch_1.pth')
    back = load_checkpoint(tmp_path / 'epoch_1.pth')
    assert back['message_hub']['log_scalars']['loss'].mean() == 0.375
    assert back['message_hub']['runtime_info']['iter'] == 3 and back['meta']['epoch'] == 1


class Call:
    """Calls a function when it is unpickled the unsafe way."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    'save',
    [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, protocol=2))],
    ids=['torch', 'pickle'],
)
def test_code_is_refused(tmp_path, save):
    save({'a': Call(os.mkdir, str(tmp_path / 'ran'))}, tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError, match='refused'):
        load_checkpoint(tmp_path / 'bad.pth')
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('attribute', ['__init__', 'update', '__class__', '_statistics_methods'])
def test_getattr_reaches_nothing_but_statistics(tmp_path, attribute):
    torch.save({'a': Call(getattr, HistoryBuffer, attribute)}, tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError, match='refused: it holds the Python object'):
        load_checkpoint(tmp_path / 'bad.pth')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'hello there', 'not a PyTorch checkpoint'),
        (b'', 'cut short or damaged'),
        (b'PK\x03\x04 no archive', 'cut short or damaged'),
        (pickle.dumps([1, 2], protocol=4), 'refused|not a PyTorch'),
        (bytes(range(256)), 'not a PyTorch checkpoint|refused'),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, message):
    (tmp_path / 'x.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(tmp_path / 'x.pth')
    assert '\n' not in str(caught.value)


def test_half_a_checkpoint(tmp_path):
    torch.save({'a': torch.zeros(1000)}, tmp_path / 'x.pth')
    (tmp_path / 'x.pth').write_bytes((tmp_path / 'x.pth').read_bytes()[:2000])
    with pytest.raises(CheckpointError, match='cut short'):
        load_checkpoint(tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='folder'):
        load_checkpoint(tmp_path)


def number(value: float) -> dict[str, torch.Tensor]:
    return {'w': torch.tensor(value)}


MMENGINE_EMA = {
    'state_dict': number(1),
    'ema_state_dict': {'module.w': torch.tensor(2.0), 'steps': torch.tensor(9)},
}
TIMM_EMA = {'state_dict': number(3), 'state_dict_ema': number(4)}


@pytest.mark.parametrize(
    ('content', 'which', 'value'),
    [
        (MMENGINE_EMA, 'saved', 1),
        (MMENGINE_EMA, 'ema', 1),
        (MMENGINE_EMA, 'raw', 2),
        (TIMM_EMA, 'saved', 3),
        (TIMM_EMA, 'ema', 4),
        (TIMM_EMA, 'raw', 3),
        ({'model': {'module.w': torch.tensor(5.0)}, 'epoch': 1}, 'saved', 5),
        (number(6), 'saved', 6),
    ],
)
def test_which_weights(content, which, value):
    state = extract_state_dict(content, 'x.pth', which)
    assert list(state) == ['w'] and state['w'] == value


@pytest.mark.parametrize(
    ('content', 'which', 'message'),
    [
        (number(1), 'ema', 'no averaged'),
        ({'epoch': 1}, 'saved', 'no tensors'),
        (torch.zeros(2), 'saved', 'holds a Tensor'),
    ],
)
def test_files_without_such_weights(content, which, message):
    with pytest.raises(CheckpointError, match=message):
        extract_state_dict(content, 'x.pth', which)


def test_nothing_is_changed_by_a_checkpoint_that_does_not_fit(tmp_path):
    model = nn.Linear(2, 3)
    before = model.weight.detach().clone()
    torch.save({'weight': torch.zeros(3, 2), 'bias': torch.zeros(4)}, tmp_path / 'x.pth')
    with pytest.raises(
        CheckpointError,
        match=r'1 have another shape \(bias \(4,\) in the file, \(3,\) in the model\)',
    ):
        load_weights(model, tmp_path / 'x.pth')
    assert torch.equal(model.weight, before)
    assert describe_misfit(model, model.state_dict()) is None


def test_the_runners_loader_is_replaced(tmp_path):
    torch.save({'a': Call(os.mkdir, str(tmp_path / 'ran'))}, tmp_path / 'bad.pth')
    try:
        use_safe_loader()
        with pytest.raises(CheckpointError):
            CheckpointLoader.load_checkpoint(str(tmp_path / 'bad.pth'))
    finally:
        try_safe_loader_first()
    assert not (tmp_path / 'ran').exists()


def _saved(path, module: nn.Module, *without: str):
    torch.save(
        {key: value for key, value in module.state_dict().items() if key not in without}, path
    )
    return path


def test_fine_tuning_may_start_from_a_part_but_not_from_other_shapes(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    part = _saved(tmp_path / 'part.pth', model, '1.weight')
    check_fit(model, part, partly=True)
    with pytest.raises(
        CheckpointError,
        match=r'part\.pth: does not fit Sequential: 1 of 7 weights are missing \(1\.weight\)',
    ):
        check_fit(model, part)
    wide = _saved(tmp_path / 'wide.pth', nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4)))
    stranger = _saved(tmp_path / 'stranger.pth', nn.ModuleDict({'a': nn.Linear(2, 3)}))
    for file, cause in ((wide, 'another shape'), (stranger, '7 of 7 weights are missing')):
        with pytest.raises(CheckpointError, match=cause):
            check_fit(model, file, partly=True)


def test_pretrained_files_may_have_more_but_not_less(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    larger = nn.Sequential(*model, nn.Linear(3, 1))
    check_pretrained(
        model,
        dict(
            type='Pretrained',
            checkpoint=_saved(tmp_path / 'old.pth', larger, '1.num_batches_tracked'),
        ),
    )
    check_pretrained(
        model, [dict(type='Xavier'), dict(type='Pretrained', checkpoint='https://nowhere/a.pth')]
    )
    check_pretrained(model, None)
    less = dict(
        type='Pretrained', checkpoint=_saved(tmp_path / 'less.pth', larger, '1.weight', '0.bias')
    )
    with pytest.raises(
        CheckpointError, match=r'less\.pth: does not fit Sequential: 2 of 7 .*0\.bias, 1\.weight'
    ):
        check_pretrained(model, less)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_digest_of_weights_tells_networks_apart_in_every_precision(dtype):
    network = torch.nn.BatchNorm2d(3).to(dtype)  # has a tensor without dimensions, too
    digest = weights_digest(network)
    assert digest == weights_digest(network) and len(digest) == 16
    with torch.no_grad():
        network.weight[1] = 2
    assert weights_digest(network) != digest


def renamed_modules(source, target):
    """The checkpoint as NumPy 1 would have written it."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, 'w') as out:
        for name in archive.namelist():
            out.writestr(
                name,
                archive.read(name).replace(b'numpy._core.multiarray', b'numpy.core.multiarray'),
            )
    return target


@pytest.mark.parametrize(
    'value',
    [
        np.float64(2.5),
        np.bool_(True),
        np.arange(3),
        np.zeros(0),
        np.array([None, 'x', [1, 2]], object),
        np.ones((2, 1), np.float16),
    ],
    ids=repr,
)
def test_arrays_of_either_numpy_are_read(tmp_path, value):
    torch.save({'x': value}, tmp_path / 'new.pth')
    for file in (tmp_path / 'new.pth', renamed_modules(tmp_path / 'new.pth', tmp_path / 'old.pth')):
        np.testing.assert_array_equal(load_checkpoint(file)['x'], value)


def test_numbers_in_the_other_byte_order_are_refused(tmp_path):
    torch.save({'x': np.arange(3, dtype='>i4')}, tmp_path / 'big.pth')
    with pytest.raises(CheckpointError, match='big-endian'):
        load_checkpoint(tmp_path / 'big.pth')


class EvilDtype:
    """A dtype of integers whose flags say that they are objects: freeing such an array frees
    whatever they point to."""

    def __reduce__(self):
        return np.dtype, ('i8', False, True), (3, '<', None, None, None, -1, -1, 63)


def test_a_pickle_cannot_make_objects_of_numbers(tmp_path):
    torch.save({'x': EvilDtype()}, tmp_path / 'evil.pth')
    assert not load_checkpoint(tmp_path / 'evil.pth')['x'].hasobject


@pytest.mark.parametrize('number', [float('nan'), float('inf'), float('-inf')])
@pytest.mark.parametrize('kind', [torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2])
def test_weights_that_are_not_finite_are_named(tmp_path, number, kind):
    state = {
        'a': torch.ones(2),
        'steps': torch.tensor(3),
        'running_var': torch.tensor([1.0, number]).to(kind),
    }
    for content, which in (
        ({'state_dict': state}, 'saved'),
        ({'model': {'b': torch.ones(1)}, 'ema': state}, 'ema'),
        (state, 'saved'),
    ):
        torch.save(content, tmp_path / 'w.pth')
        if (
            kind == torch.float8_e5m2
            and not torch.isinf(state['running_var'].float()).any()
            and np.isinf(number)
        ):
            continue
        with pytest.raises(
            CheckpointError, match=r'w.pth: 1 of 3 weights are not finite \(running_var\)'
        ):
            extract_state_dict(load_checkpoint(tmp_path / 'w.pth'), tmp_path / 'w.pth', which)


def test_a_loss_that_was_nan_is_no_weight(tmp_path):
    content = {
        'state_dict': {'a': torch.ones(2)},
        'message_hub': {'log_scalars': {'loss': float('nan')}},
    }
    assert list(extract_state_dict(content, 'w.pth')) == ['a']


TRAINING = {
    'meta': {'epoch': 1, 'iter': 9},
    'message_hub': {},
    'optimizer': {},
    'state_dict': {'a': torch.ones(1)},
}


@pytest.mark.parametrize('lacks', ['meta', 'message_hub', 'optimizer'])
def test_weights_alone_are_no_training_to_go_on_with(lacks):
    check_resumable(TRAINING, 'w.pth')
    for content in (
        {key: value for key, value in TRAINING.items() if key != lacks},
        {'a': torch.ones(1)},
        [1],
    ):
        with pytest.raises(CheckpointError, match='w.pth: holds weights only, .*load_from=w.pth'):
            check_resumable(content, 'w.pth')


def test_averaged_weights_that_are_not_finite_end_a_resume():
    with pytest.raises(CheckpointError, match='1 of 1 weights are not finite'):
        check_resumable(
            {**TRAINING, 'ema_state_dict': {'module.a': torch.tensor(float('nan'))}}, 'w.pth'
        )


def test_the_config_in_a_checkpoint_is_not_handed_to_a_runner_that_would_run_it(tmp_path):
    torch.save(
        {'meta': {'epoch': 1, 'config': 'import os', 'cfg': 'import os'}, 'state_dict': {}},
        tmp_path / 'w.pth',
    )
    use_safe_loader()
    try:
        assert CheckpointLoader.load_checkpoint(str(tmp_path / 'w.pth'))['meta'] == {'epoch': 1}
    finally:
        try_safe_loader_first()
    assert load_checkpoint(tmp_path / 'w.pth')['meta']['cfg'] == 'import os'


def test_a_flipped_bit_is_seen(tmp_path):
    torch.save({'w': torch.zeros(1000)}, tmp_path / 'w.pth')
    data = bytearray((tmp_path / 'w.pth').read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / 'w.pth').write_bytes(data)
    with pytest.raises(
        CheckpointError, match='w.pth: damaged: record .* does not have its checksum'
    ):
        load_checkpoint(tmp_path / 'w.pth')


def test_files_that_would_fill_the_memory_are_refused(tmp_path):
    torch.save({'w': torch.ones(1).expand(10**12)}, tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match='larger than what is stored'):
        extract_state_dict(load_checkpoint(tmp_path / 'w.pth'), tmp_path / 'w.pth')
    torch.save({'w': torch.zeros(10**6)}, tmp_path / 'w.pth')
    with (
        zipfile.ZipFile(tmp_path / 'w.pth') as source,
        zipfile.ZipFile(tmp_path / 'z.pth', 'w', zipfile.ZIP_DEFLATED) as out,
    ):
        for name in source.namelist():
            out.writestr(name, source.read(name))
    with pytest.raises(CheckpointError, match='out of proportion'):
        load_checkpoint(tmp_path / 'z.pth')
