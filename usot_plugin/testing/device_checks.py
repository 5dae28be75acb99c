"""Does everything give the same on this device as on the CPU, and how fast is it? The checks of
``tools/analysis/check_device.py``."""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from torch import Tensor

import usot_plugin  # noqa: F401  (registers everything)
from usot_plugin.apis import track_video
from usot_plugin.apis.inference import init_tracker
from usot_plugin.apis.packed_weights import pretrained_path
from usot_plugin.datasets.synthetic.clips import render_clip, write_clip, write_sequence
from usot_plugin.engine.training_run import compile_parts
from usot_plugin.registry import MODELS, OPTIM_WRAPPERS
from usot_plugin.utils.config import load_config
from usot_plugin.utils.packaged import packaged_folder

from .device_tools import (
    STEP_BOUNDS,
    STEPS,
    check_amp_tool,
    check_ddp,
    check_fsdp,
    check_resume_amp,
    relative,
)
from .groups import random_group, rendered_groups, rendered_table
from .isolated import Checks, NotHereError, Outcome, agreement
from .tools import load_tool

#: Largest difference that is still called equal: of a loss and of all gradients, relative to the
#: CPU in float64.
LOSS_BOUND, GRADIENT_BOUND = 1e-4, 1e-3
#: Of boxes, in pixels.
BOX_BOUND_PX = 0.05


@dataclass(frozen=True)
class Family:
    """A small network with its training groups: a config, changes to it, the epoch and the stage of
    the data."""

    config: str
    changes: Mapping[str, Any] | None = None
    epoch: int = 0
    stage: str = 'naive'
    part: str | None = None  # key of the config that is merged into it
    sampler: Mapping[str, Any] | None = None


#: Two frames of one object; what a stage that learns from mined pairs is given here.
_PAIRS = dict(type='WindowFrames', count=2, span=20, views=dict(template=[0], search=[1]))
FAMILIES = {
    'usot-naive': Family('configs/quick/usot_quick.py'),
    'usot-cycle': Family('configs/quick/usot_quick.py', epoch=6, stage='cycle'),
    'udt': Family('configs/quick/udt_quick.py'),
    'siamfc': Family('configs/quick/siamfc_quick_discovered.py'),
    's2siamfc': Family('configs/quick/s2siamfc_quick.py'),
    'siamrpn': Family(
        'configs/quick/cyclesiam_quick.py', {'model.train_cfg.cycle_start_epoch': None}
    ),
    'cyclesiam': Family('configs/quick/cyclesiam_quick.py', epoch=4),
    'pul-discrimination': Family('configs/quick/pul_quick.py', part='discrimination'),
    'pul': Family('configs/quick/pul_quick.py', {'model.loss.alpha_px2': 16.0}, sampler=_PAIRS),
}


@contextmanager
def tensor_float32(matmul: bool, convolution: bool) -> Iterator[None]:
    """Whether matrix products and convolutions in float32 may use TF32.

    PyTorch's own choice: convolutions only."""
    cuda, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = cuda.allow_tf32, cudnn.allow_tf32
    cuda.allow_tf32, cudnn.allow_tf32 = matmul, convolution
    try:
        yield
    finally:
        cuda.allow_tf32, cudnn.allow_tf32 = before


class Bench:
    """What the checks share.

    Args:
        folder: For rendered clips, configs and what trainings leave; a second bench finds there
            what the first has made.
        device: Where the networks run.
        batch: Groups of a step of ResNet-50.
        limit_s: A started process is ended after so many seconds.
    """

    def __init__(self, folder: Path, device: str, batch: int, limit_s: float) -> None:
        self.folder = folder
        self.device = torch.device(device)
        self.batch = batch
        self.limit_s = limit_s
        self._groups: dict[str, list[dict]] = {}
        self._float32_losses: dict[str, list[float]] = {}

    def synchronise(self) -> None:
        """Wait until the device has done its work."""
        if self.device.type != 'cpu':
            torch.accelerator.synchronize(self.device)

    def table(self) -> Path:
        """Table of the rendered clips."""
        return rendered_table(self.folder / 'rendered', clips=2, frames=30, size_wh=(320, 240))

    def model(self, family: str) -> Any:
        """The network of a family on the CPU, the same in each call."""
        about = FAMILIES[family]
        cfg = load_config(about.config)
        if about.part:
            cfg.merge_from_dict(cfg[about.part])
        cfg.merge_from_dict(dict(about.changes or {}))
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.set_epoch(about.epoch)
        return model.train()

    def batches(self, family: str, size: int = 4) -> list[dict]:
        """:data:`STEPS` batches of training groups of a family."""
        if family not in self._groups:
            about = FAMILIES[family]
            cfg = load_config(about.config)
            if about.part:
                cfg.merge_from_dict(cfg[about.part])
            dataset = cfg.train_dataloader.dataset.to_dict()
            groups = rendered_groups(
                self.table(),
                dataset['pipeline'],
                about.sampler or dataset['frame_sampler'],
                about.stage,
            )
            self._groups[family] = [
                pseudo_collate([groups[step * size + i] for i in range(size)])
                for step in range(STEPS)
            ]
        return copy.deepcopy(self._groups[family])

    def float32_losses(self, family: str) -> list[float]:
        """Losses of a short training on the device in plain float32."""
        if family not in self._float32_losses:
            with tensor_float32(False, False):
                self._float32_losses[family] = short_training(self, family, 'float32')
        return self._float32_losses[family]


# --- losses and gradients -------------------------------------------------------------------------


def loss_and_gradient(
    model: Any, batch: dict, dtype: torch.dtype, device: torch.device
) -> tuple[float, Tensor]:
    """Sum of the losses of one batch, and all gradients in one vector; both come back to the CPU in
    float64."""
    model = copy.deepcopy(model).to(device)
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    inputs = {name: view.to(dtype) for name, view in data['inputs'].items()}
    torch.manual_seed(0)  # S2SiamFC draws what it masks
    losses = model.to(dtype)(inputs, data['data_samples'], mode='loss')
    total = torch.stack([value for name, value in losses.items() if 'loss' in name]).sum()
    total.backward()
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
    return float(total.detach()), torch.cat(
        [gradient.detach().cpu().double().flatten() for gradient in gradients]
    )


def check_losses(bench: Bench, family: str) -> Outcome:
    """Loss and gradient in float32 on the device against the CPU in float64, or in float32 where
    that is nearer."""
    model = bench.model(family)
    batch = bench.batches(family)[0]
    cpu = torch.device('cpu')
    exact, plain = (
        loss_and_gradient(model, batch, dtype, cpu) for dtype in (torch.float64, torch.float32)
    )
    with tensor_float32(False, False):
        found = loss_and_gradient(model, batch, torch.float32, bench.device)

    def difference(one: tuple[float, Tensor], other: tuple[float, Tensor]) -> tuple[float, float]:
        loss, gradient = other
        return abs(one[0] - loss) / max(abs(loss), 1e-12), float(
            (one[1] - gradient).norm() / gradient.norm().clamp(min=1e-12)
        )

    own = difference(plain, exact)
    there = difference(found, exact)
    # A network that chooses (the best cell, an anchor) may choose otherwise in float32: then the
    # CPU's own float32 is the measure.
    number = there[1] if there[1] <= GRADIENT_BOUND else min(there[1], difference(found, plain)[1])
    detail = (
        f'loss {there[0]:.1e}, gradient {there[1]:.1e} from float64; CPU float32 '
        f'{own[0]:.1e}, {own[1]:.1e}'
    )
    if there[0] > LOSS_BOUND:
        return agreement(there[0], LOSS_BOUND, '', detail)
    return agreement(number, GRADIENT_BOUND, '', detail)


# --- a few steps in another precision -------------------------------------------------------------


def optim_wrapper(bench: Bench, optimizer: torch.optim.Optimizer, precision: str) -> OptimWrapper:
    """MMEngine's wrapper for a precision.

    Raises:
        NotHereError: The device has no such precision.
    """
    if precision in ('float16', 'bfloat16'):
        if bench.device.type == 'cuda':
            scale = dict(loss_scale='dynamic') if precision == 'float16' else dict(loss_scale=1.0)
            return OPTIM_WRAPPERS.build(
                dict(type='AmpOptimWrapper', dtype=precision, optimizer=optimizer, **scale)
            )
        if precision == 'float16':
            raise NotHereError('float16 needs a GPU')
        return OPTIM_WRAPPERS.build(dict(type='AutocastOptimWrapper', optimizer=optimizer))
    if precision == 'tf32' and bench.device.type != 'cuda':
        raise NotHereError('TF32 needs a GPU')
    return OptimWrapper(optimizer)


def prepare(model: Any, device: torch.device, precision: str) -> Any:
    """The model on the device, in channels-last layout where that is asked for."""
    model = model.to(device)
    return (
        model.to(memory_format=torch.channels_last)
        if precision.endswith('channels-last')
        else model
    )


def short_training(bench: Bench, family: str, precision: str) -> list[float]:
    """The loss of each of a few steps of AdamW."""
    batches = bench.batches(family)
    model = prepare(bench.model(family), bench.device, precision)
    wrapper = optim_wrapper(
        bench,
        torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4),
        precision,
    )
    losses = []
    for number, batch in enumerate(batches):
        torch.manual_seed(number)
        losses.append(float(model.train_step(batch, wrapper)['loss'].detach()))
    return losses


def check_steps(bench: Bench, family: str, precision: str) -> Outcome:
    """The losses of a few steps in a precision against those in float32."""
    plain = np.array(bench.float32_losses(family))
    with tensor_float32(precision == 'tf32', precision == 'tf32'):
        losses = np.array(short_training(bench, family, precision))
    difference = float(np.abs(losses - plain).max() / np.abs(plain).max())
    detail = f'loss {losses[0]:.4f} .. {losses[-1]:.4f}, float32 {plain[0]:.4f} .. {plain[-1]:.4f}'
    return agreement(difference, STEP_BOUNDS[precision], '', detail)


# --- tracking -------------------------------------------------------------------------------------


def check_tracking(bench: Bench, what: str, plain_float32: bool = True) -> Outcome:
    """Boxes over a rendered clip on the device against those of the CPU."""
    frames, boxes = render_clip(7, 20, (320, 240), occluders=0)
    clip = write_clip(bench.folder / 'tracked.mp4', frames)
    arguments: dict[str, Any] = {'config': None}
    if what != 'usot':
        torch.manual_seed(0)
        arguments = {'config': FAMILIES[what].config, 'checkpoint': random_weights(bench, what)}
    found = {}
    for device in (torch.device('cpu'), bench.device):
        tracker = init_tracker(**arguments, device=device)
        with tensor_float32(False, not plain_float32):
            (trajectory,) = track_video(tracker, clip, boxes[0, 0])
        found[device.type] = trajectory
    here, there = found['cpu'], found[bench.device.type]
    difference = float(np.abs(here.boxes_xyxy - there.boxes_xyxy).max())
    rate = (len(frames) - 1) / float(np.sum(there.seconds[1:]))
    return agreement(difference, BOX_BOUND_PX, 'px', f'{rate:.0f} frames/s on the device')


def random_weights(bench: Bench, family: str) -> Path:
    """A checkpoint of the network as it begins."""
    path = bench.folder / f'{family}.pth'
    torch.save({'state_dict': bench.model(family).state_dict()}, path)
    return path


def check_batches(bench: Bench) -> Outcome:
    """``tools/test.py`` with and without ``--batch-sequences``, with the weights that ship with the
    package."""
    sequences = bench.folder / 'sequences'
    for number in range(3):
        frames, boxes = render_clip(100 + number, 12, (320, 240), occluders=0)
        write_sequence(sequences / f's{number}', frames, boxes[0])
    tool = load_tool(packaged_folder('tools') / 'test.py')
    found = []
    for name, more in (('single', []), ('batched', ['--batch-sequences', '3'])):
        out = bench.folder / 'results' / name
        common = [
            'configs/pretrained/usot_small.py',
            str(pretrained_path('usot_small')),
            '--sequences',
            str(sequences),
        ]
        status = tool.main(
            [
                *common,
                '--out',
                str(out),
                '--work-dir',
                str(bench.folder / 'work' / name),
                '--overwrite',
                *more,
            ]
        )
        if status:
            raise RuntimeError(f'tools/test.py ended with status {status}')
        files = sorted(out.glob('*/s?.txt'))
        found.append([np.loadtxt(file, delimiter=',') for file in files])
    difference = max(float(np.abs(one - other).max()) for one, other in zip(*found, strict=True))
    return agreement(difference, 0.0, 'px', f'{len(found[0])} sequences')


# --- speed ----------------------------------------------------------------------------------------

#: How the steps of ResNet-50 are timed: TF32 of matrix products and of convolutions, and the
#: precision.
SPEED_MODES = {
    'float32': (False, False, 'float32'),
    'torch-default': (False, True, 'float32'),
    'tf32': (True, True, 'tf32'),
    'float16': (True, True, 'float16'),
    'bfloat16': (True, True, 'bfloat16'),
    'bfloat16-channels-last': (True, True, 'bfloat16'),
    'tf32-channels-last': (True, True, 'tf32'),
}


def check_speed(bench: Bench, stage: str, mode: str, seconds: float = 2.0) -> Outcome:
    """Steps a second of the paper's ResNet-50 with random weights, all of them learning, on
    noise."""
    matmul, convolution, precision = SPEED_MODES[mode]
    cfg = load_config('configs/usot_r50.py').model
    cfg.backbone.pop('init_cfg', None)
    torch.manual_seed(0)
    model = prepare(MODELS.build(cfg), bench.device, mode).train()
    model.set_epoch(model.train_cfg['cycle_start_epoch'] if stage == 'cycle' else 0)
    wrapper = optim_wrapper(
        bench, torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9), precision
    )
    data = pseudo_collate(
        [random_group(seed, 4 if stage == 'cycle' else 0) for seed in range(bench.batch)]
    )
    with tensor_float32(matmul, convolution):
        for _ in range(3 if bench.device.type == 'cuda' else 1):
            model.train_step(data, wrapper)
        bench.synchronise()
        done, begin = 0, time.perf_counter()
        while done < 2 or time.perf_counter() - begin < seconds:
            loss = model.train_step(data, wrapper)['loss']
            done += 1
            bench.synchronise()
        rate = done / (time.perf_counter() - begin)
    peak = (
        f'{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB'
        if bench.device.type == 'cuda'
        else 'of a CPU not counted'
    )
    detail = f'{bench.batch} groups a step, peak memory {peak}, loss {float(loss.detach()):.3f}'
    return Outcome(
        'ok' if bool(torch.isfinite(loss)) else 'failed: the loss is not finite',
        rate,
        'steps/s',
        detail,
    )


def check_compile(bench: Bench, whole: bool) -> Outcome:
    """Seconds until the first step of the quick USOT is done, compiled as a whole (MMEngine's
    ``compile``) or as tools/train.py does.

    On a CPU the graphs are traced and not turned into C++, which takes many minutes there.
    """
    batches = bench.batches('usot-naive')
    plain = bench.float32_losses('usot-naive')
    backend = 'inductor' if bench.device.type == 'cuda' else 'aot_eager'
    model = bench.model('usot-naive').to(bench.device)
    wrapper = optim_wrapper(bench, torch.optim.AdamW(model.parameters(), lr=1e-4), 'float32')
    wrapper.update_params = torch.compiler.disable(wrapper.update_params)
    step = torch.compile(model.train_step, backend=backend) if whole else model.train_step
    if not whole:
        compile_parts(model, backend=backend)
    marks, losses = [], []
    with tensor_float32(False, False):
        for number, batch in enumerate(batches):
            torch.manual_seed(number)
            begin = time.perf_counter()
            losses.append(float(step(batch, wrapper)['loss'].detach()))
            bench.synchronise()
            marks.append(time.perf_counter() - begin)
    difference = relative(np.array(losses), np.array(plain))
    later = ', '.join(f'{seconds:.2f}' for seconds in marks[1:])
    detail = f'{backend}; the next steps {later} s; losses differ by {difference:.1e}'
    return Outcome(
        agreement(difference, STEP_BOUNDS['channels-last']).result,
        marks[0],
        's to the first step',
        detail,
    )


def _steps(
    families: tuple[str, ...], precisions: tuple[str, ...]
) -> dict[str, Callable[[Bench], Outcome]]:
    return {
        f'steps-{f}-{p}': partial(check_steps, family=f, precision=p)
        for f in families
        for p in precisions
    }


#: All checks by name, the most informative first.
CHECKS: dict[str, Callable[[Bench], Outcome]] = {
    **{f'losses-{family}': partial(check_losses, family=family) for family in FAMILIES},
    **_steps(('usot-naive', 'usot-cycle'), tuple(STEP_BOUNDS)),
    'train-amp': check_amp_tool,
    'train-resume-amp': check_resume_amp,
    'train-ddp-syncbn': check_ddp,
    **{
        f'r50-{s}-{m}': partial(check_speed, stage=s, mode=m)
        for s in ('cycle', 'naive')
        for m in SPEED_MODES
    },
    'test-batch-sequences': check_batches,
    'track-usot': partial(check_tracking, what='usot'),
    'track-usot-torch-default': partial(check_tracking, what='usot', plain_float32=False),
    **{
        f'track-{family}': partial(check_tracking, what=family)
        for family in ('udt', 'siamfc', 'siamrpn')
    },
    'train-fsdp': check_fsdp,
    **_steps(('udt', 'cyclesiam', 'siamfc', 's2siamfc', 'pul'), ('float16', 'bfloat16')),
    'compile-parts': partial(check_compile, whole=False),
    'compile-whole': partial(check_compile, whole=True),
}


def checks_of(folder: str | Path, device: str, batch: int, limit_s: float) -> Checks:
    """All checks of one bench, see :class:`Bench`; GPU memory is given back after each."""
    bench = Bench(Path(folder), device, batch, limit_s)

    def run(check: Callable[[Bench], Outcome]) -> Outcome:
        try:
            return check(bench)
        finally:
            gc.collect()
            if bench.device.type == 'cuda':
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()

    return {name: partial(run, check) for name, check in CHECKS.items()}
