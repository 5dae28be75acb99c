"""Discovery on a Ray cluster: one Ray task per clip, at most a few in flight per CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

from ...utils.optional import require
from ...utils.worker_pool import LostJob
from ..config import DiscoveryConfig
from .local_engine import WorkerStartError, prepare_worker
from .one_clip import ClipResult, ClipTask, guarded, lost

#: Tasks handed to Ray ahead of the CPUs, so that none waits for the driver; results stay few in the
#: object store.
IN_FLIGHT_PER_CPU = 2


def _remote_clip(task: ClipTask, config: DiscoveryConfig, imports: Sequence[str]) -> ClipResult:
    prepare_worker(imports)
    return guarded(task, config)


def run_ray(
    tasks: Iterable[ClipTask],
    config: DiscoveryConfig,
    workers: int | None = None,
    imports: Sequence[str] = (),
    address: str | None = None,
) -> Generator[ClipResult, None, None]:
    """Do all tasks on Ray; results come in the order in which they are finished.

    The clips must have the same paths on all machines. The table is written by the driver alone.

    Args:
        tasks: The clips.
        config: Discovery config.
        workers: Most clips at once; every CPU of the cluster by default. Without ``address``, the
            size of the local instance.
        imports: Modules every worker imports first.
        address: Of a running cluster (``'auto'``, ``'ray://host:10001'``); None starts a local
            instance and ends it afterwards.

    Raises:
        MissingPackageError: Ray is not installed.
        WorkerStartError: The cluster cannot be reached, or it cannot run a task at all.
    """
    ray = require('ray', "the engine 'ray'")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address, workers)
    try:
        cpus = max(int(ray.cluster_resources().get('CPU', 1)), 1)
        # A task that kills its worker would kill the next one too: no retries, the clip is written
        # off.
        remote = ray.remote(max_retries=0, num_cpus=1)(_remote_clip)
        yield from _drive(
            ray,
            remote,
            deque(tasks),
            config,
            imports,
            IN_FLIGHT_PER_CPU * cpus if workers is None else workers,
        )
    finally:
        if ours:
            ray.shutdown()


def _connect(ray, address: str | None, workers: int | None) -> None:
    try:
        if address is None:
            ray.init(
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level='warning',
                configure_logging=True,
            )
        else:
            # The other machines get this very package, so that driver and workers cannot differ.
            package = str(Path(__file__).resolve().parents[2])
            ray.init(
                address=address,
                runtime_env={'py_modules': [package]},
                log_to_driver=False,
                logging_level='warning',
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise WorkerStartError(
            f'Ray at {address or "this machine"} cannot be used: {str(error).splitlines()[0]}'
        ) from error


def _drive(
    ray,
    remote,
    waiting: deque[ClipTask],
    config: DiscoveryConfig,
    imports: Sequence[str],
    in_flight: int,
) -> Generator[ClipResult, None, None]:
    running: dict = {}
    while waiting or running:
        while waiting and len(running) < in_flight:
            task = waiting.popleft()
            running[remote.remote(task, config, tuple(imports))] = task
        done, _ = ray.wait(list(running), num_returns=1)
        task = running.pop(done[0])
        try:
            yield ray.get(done[0])
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.NodeDiedError,
        ):
            yield lost(task, config, LostJob('died'))
        except ray.exceptions.RayTaskError as error:
            raise WorkerStartError(
                f'a Ray task failed before its clip was opened: {str(error.cause).splitlines()[0]}'
            ) from error
        except ray.exceptions.RuntimeEnvSetupError as error:
            raise WorkerStartError(
                f'a Ray worker cannot be set up: {str(error).splitlines()[0]}'
            ) from error
