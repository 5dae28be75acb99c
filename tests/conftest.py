"""What all tests share: repeatable single-threaded torch, and the reasons for skips."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from usot_plugin.utils.host import distribution_version, has_full_host

#: Reference videos and numbers that are not part of the repository.
SHARED = Path(os.environ.get('USOT_SHARED_DIR', Path(__file__).parents[2] / 'shared'))

SKIPS = {
    'shared_data': (not SHARED.is_dir(), f'no reference folder at {SHARED} (set USOT_SHARED_DIR)'),
    'full_host': (not has_full_host(), 'mmcv has no compiled ops'),
    'ray': (distribution_version('ray') is None, 'Ray is not installed'),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and the campaign where it was not asked for."""
    if 'campaign' not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker('campaign')]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        for marker, (missing, reason) in SKIPS.items():
            if missing and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder of reference videos and numbers; use it in tests marked ``shared_data``."""
    return SHARED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a disk of so many KiB, or gives the one that is there another size; returns its folder.

    Skips where the system does not let a disk be mounted.
    """
    disk = tmp_path / 'small_disk'

    def of_size(kibibytes: int) -> Path:
        there = os.path.ismount(disk)
        disk.mkdir(exist_ok=True)
        options = f'size={kibibytes}k' + (',remount' if there else '')
        command = ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(disk)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip('mounting a small disk is not allowed here')
        return disk

    yield of_size
    if os.path.ismount(disk):
        subprocess.run(['umount', '-l', str(disk)], check=True)


@pytest.fixture(autouse=True)
def _same_start_for_every_test() -> None:
    torch.manual_seed(0)
