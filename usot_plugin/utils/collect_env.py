"""What a bug report needs to name: ``python -m usot_plugin.utils.collect_env``; works without a
host and with two of them, too."""

from __future__ import annotations

import os
import platform
import sys
from importlib.util import find_spec

import torch
from torch import distributed

from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.host import (
    HostError,
    check_host,
    distribution_version,
    has_full_host,
    host_level,
    installed_stacks,
)
from usot_plugin.version import __version__

#: Distributions of OpenCV, each as good as the others here.
OPENCV = (
    'opencv-python',
    'opencv-python-headless',
    'opencv-contrib-python',
    'opencv-contrib-python-headless',
)
#: Distributions whose version decides about behaviour, besides the host stack.
DISTRIBUTIONS = ('numpy', 'av', 'pyarrow', 'scipy', 'lap', 'lmdb', 'ray', 'onnx', 'onnxruntime')


def collect_env() -> dict[str, str]:
    """Versions of this package, the host stack, torch and the devices, in the order in which they
    are worth reading."""
    info = {
        'usot_plugin': __version__,
        'Python': f'{platform.python_version()} ({sys.executable})',
        'Platform': platform.platform(),
        'CPU threads': f'{torch.get_num_threads()} of {os.cpu_count()}',
        'torch': torch.__version__,
    }
    stacks = installed_stacks()
    for stack, versions in stacks.items():
        info[f'Host ({stack})'] = ', '.join(
            f'{name} {version}' for name, version in versions.items()
        )
    if not stacks:
        info['Host'] = 'none'
    try:
        check_host()
    except HostError as error:
        info['Problem'] = str(error)
    info['Compiled mmcv ops'] = 'yes' if has_full_host() else 'no (not needed by this package)'
    info['Level'], info['It allows'] = host_level()
    info['CUDA'] = (
        f'{torch.version.cuda}, {_cuda_devices()}' if torch.cuda.is_available() else 'not available'
    )
    backends = [
        name
        for name in ('gloo', 'nccl', 'mpi')
        if distributed.is_available() and distributed.is_backend_available(name)
    ]
    info['Distributed'] = (
        f'{", ".join(backends)} (processes: {_processes()})' if backends else 'not available'
    )
    info['MPS'] = 'available' if torch.backends.mps.is_available() else 'not available'
    info['OpenCV'] = _opencv()
    for name in DISTRIBUTIONS:
        info[name] = distribution_version(name) or 'not installed'
    return info


def _opencv() -> str:
    """The distribution that provides ``cv2``; several of them write the same files."""
    found = [
        f'{name} {version}'
        for name in OPENCV
        if (version := distribution_version(name)) is not None
    ]
    if len(found) > 1:
        return f'{" and ".join(found)}: the same files, keep one of them'
    if found:
        return found[0]
    if find_spec('cv2') is None:
        return 'not installed'
    return 'not from a distribution of PyPI'


def _processes() -> str:
    """Where several processes of a training can run here."""
    if not torch.cuda.is_available():
        return 'on the CPU over Gloo'
    return f'up to {torch.cuda.device_count()} on GPUs' + (
        ' over NCCL' if distributed.is_nccl_available() else ' over Gloo'
    )


def _cuda_devices() -> str:
    return ', '.join(
        torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
    )


USAGE = """Print the versions that a bug report needs, and what is missing.

    usot doctor
    usot doctor --brief
"""


def main(argv: list[str] | None = None) -> int:
    """Print the environment, one item a line, and return the exit status."""
    parser = tool_parser(USAGE)
    parser.add_argument(
        '--brief', action='store_true', help='one line: this package, Python, torch and the host'
    )
    args = parser.parse_args(argv)
    return exit_status(lambda: show(args.brief or args.quiet))


def show(brief: bool) -> None:
    """Print the environment; ``brief`` in one line."""
    info = collect_env()
    if brief:
        host = ' and '.join(value for key, value in info.items() if key.startswith('Host'))
        versions = f'Python {platform.python_version()}, torch {info["torch"]}'
        print(f'usot_plugin {info["usot_plugin"]}, {versions}, {host}')
        return
    width = max(map(len, info))
    for name, value in info.items():
        print(f'{name:<{width}}  {value}')


if __name__ == '__main__':
    sys.exit(main())
