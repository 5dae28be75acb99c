"""Which host stack is installed: OneDL, OpenMMLab, none, or (a broken mix of) both."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module, metadata
from importlib.util import find_spec

#: Distribution names of each stack, in the order mmengine, mmcv, mmdet. Both stacks provide the
#: same three modules.
STACKS = {
    'onedl': (('onedl-mmengine',), ('onedl-mmcv',), ('onedl-mmdetection',)),
    'openmmlab': (('mmengine', 'mmengine-lite'), ('mmcv', 'mmcv-lite'), ('mmdet',)),
}

#: What MMEngine says of its own code in every run; its user can do nothing about it.
HOST_NOTICES = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias of')

HOST_MODULES = ('mmengine', 'mmcv', 'mmdet')

#: Modules whose lines are the result of a run: tables of scores.
RESULT_MODULES = (
    'usot_plugin.evaluation.metrics.reporting',
    'usot_plugin.evaluation.metrics.submission_only',
)
#: What the host says of the checkpoint that a run begins with: shown unless only results are.
HOST_STARTS = ('resume', 'load_checkpoint')
#: Where the host writes the numbers of any metric: module and function.
HOST_RESULTS = (
    ('mmengine.hooks.logger_hook', 'after_val_epoch'),
    ('mmengine.hooks.logger_hook', 'after_test_epoch'),
)
#: Modules that show a bar on the terminal; their line for each sequence is for the log file.
FILE_ONLY_MODULES = ('usot_plugin.evaluation.running.runner_loops',)

_HOW_TO_INSTALL = (
    'install one of the two: `bash tools/install_stack.sh` in a clone of this repository (the '
    'tried set of versions), '
    "`pip install 'usot_plugin[onedl]'`, or `pip install 'usot_plugin[openmmlab]'`"
)


class HostError(ImportError):
    """No usable host stack; the message says what to install or to remove."""


def distribution_version(name: str) -> str | None:
    """Version of an installed distribution, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def installed_stacks() -> dict[str, dict[str, str]]:
    """The installed distributions of each stack: ``{'onedl': {'onedl-mmengine': '0.10.12', ...}}``;
    a stack without any is left out."""
    found: dict[str, dict[str, str]] = {}
    for stack, modules in STACKS.items():
        versions = {
            name: version
            for names in modules
            for name in names
            if (version := distribution_version(name)) is not None
        }
        if versions:
            found[stack] = versions
    return found


def describe_stacks() -> str:
    """What is installed of either stack, and where, in words."""
    versions = [
        f'{name} {version}'
        for found in installed_stacks().values()
        for name, version in found.items()
    ]
    return f'{", ".join(versions) or "nothing of a host"} in {sys.prefix}'


def check_host() -> None:
    """Refuse early, and in one line that says what was found, when the host cannot work.

    Raises:
        HostError: mmengine is missing, or two installed distributions provide the same module
            (their files overwrite each other).
    """
    stacks = installed_stacks()
    for module, onedl_names, openmmlab_names in zip(
        HOST_MODULES, STACKS['onedl'], STACKS['openmmlab'], strict=True
    ):
        providers = [
            name
            for name in (*onedl_names, *openmmlab_names)
            if any(name in versions for versions in stacks.values())
        ]
        if len(providers) > 1:
            raise HostError(
                f'{" and ".join(providers)} are both installed and both provide the module '
                f'{module!r} (found: {describe_stacks()}): '
                f'`pip uninstall {" ".join(providers)}`, then {_HOW_TO_INSTALL}'
            )
    if find_spec('mmengine') is None:
        raise HostError(
            "usot_plugin needs MMEngine, the module 'mmengine' is not installed (found: "
            f'{describe_stacks()}): {_HOW_TO_INSTALL}'
        )


def drop_host_notices(logger: logging.Logger) -> None:
    """Keep :data:`HOST_NOTICES` out of the log of a run."""
    logger.addFilter(lambda record: not record.getMessage().startswith(HOST_NOTICES))


class ToolLines(logging.Filter):
    """The lines of MMEngine's log that a tool shows on the terminal; the log file has all of them.

    Shown are warnings and errors, the lines of this package and of the user's own modules, and
    the host's progress (its hooks, the checkpoint that it begins with). Left out are the
    environment, the config, the table of hooks and what else the host says of itself.

    Args:
        only_results: Show no progress either.
    """

    def __init__(self, only_results: bool = False) -> None:
        super().__init__()
        self.only_results = only_results

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is shown."""
        if record.levelno >= logging.WARNING:
            return not record.getMessage().startswith(HOST_NOTICES)
        module, function = _speaker()
        if module in RESULT_MODULES or (module, function) in HOST_RESULTS:
            return True
        if self.only_results or module in FILE_ONLY_MODULES:
            return False
        if module.startswith(('mmengine.runner.', 'mmengine._strategy.')):
            return function in HOST_STARTS
        return module.partition('.')[0] not in HOST_MODULES or module.startswith('mmengine.hooks.')


def _speaker() -> tuple[str, str]:
    """Module and function that wrote the current line of the log.

    The record itself names ``print_log``, through which most of the host's code writes.
    """
    frame = sys._getframe(1)
    while True:
        module = frame.f_globals.get('__name__', '')
        passed = module == __name__ or module.startswith(('logging', 'mmengine.logging'))
        if not passed or frame.f_back is None:
            return module, frame.f_code.co_name
        frame = frame.f_back


@contextmanager
def tool_log(only_results: bool = False) -> Iterator[None]:
    """Show only :class:`ToolLines` on the terminal, whichever logger of MMEngine writes.

    A Runner makes its logger and writes the environment and the config to it in one step, so the
    filter has to be there from the logger's first line.

    Args:
        only_results: See :class:`ToolLines`.
    """
    try:
        from mmengine.logging import MMLogger
    except ImportError:  # no host: nothing writes to its log
        yield
        return
    lines = ToolLines(only_results)
    make = MMLogger.__init__

    def terminals() -> Iterator[logging.Handler]:
        for logger in MMLogger._instance_dict.values():
            yield from filter(_is_terminal, logger.handlers)

    @wraps(make)
    def make_with_filter(self: MMLogger, *args, **kwargs) -> None:
        make(self, *args, **kwargs)
        for handler in filter(_is_terminal, self.handlers):
            handler.addFilter(lines)

    for handler in terminals():
        handler.addFilter(lines)
    MMLogger.__init__ = make_with_filter
    try:
        yield
    finally:
        MMLogger.__init__ = make
        for handler in terminals():
            handler.removeFilter(lines)


def _is_terminal(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and not isinstance(
        handler, logging.FileHandler
    )


def has_full_host() -> bool:
    """True where mmcv has its compiled ops, so that ``mmdet.models`` imports."""
    try:
        return find_spec('mmcv._ext') is not None and find_spec('mmdet') is not None
    except ModuleNotFoundError:  # no mmcv at all
        return False


def host_level() -> tuple[str, str]:
    """Which of the tried kinds of host this is, and what it allows, both in words."""
    stacks = installed_stacks()
    if not stacks:
        return 'none', 'nothing: ' + _HOW_TO_INSTALL
    name = {'onedl': 'OneDL', 'openmmlab': 'official OpenMMLab'}[next(iter(stacks))]
    if has_full_host():
        return (
            f'{name} with compiled ops',
            "everything, and default_scope = 'mmdet': backbones, losses, detectors and ByteTrack "
            'of mmdet (configs/mixed)',
        )
    if find_spec('mmdet') is None:
        return (
            f'{name} without mmdet',
            'the whole of this package; no structures, visualizers or models of mmdet',
        )
    return (
        f'{name} without compiled ops',
        "the whole of this package, and mmdet's structures and visualizers; not mmdet.models, so "
        "no default_scope = 'mmdet'",
    )


def import_scope(scope: str | None) -> None:
    """Import the registries of another OpenMMLab package, so that names with its prefix
    (``mmdet.ResNet``) are found.

    Args:
        scope: ``default_scope`` of a config; nothing is done for None and ``'mmengine'``.

    Raises:
        HostError: That package is not installed, or cannot work in this environment.
    """
    if scope in (None, 'mmengine'):
        return
    if scope == 'mmdet' and not has_full_host():
        level, allowed = host_level()
        raise HostError(
            "default_scope = 'mmdet' needs mmdet and mmcv with compiled ops; this host "
            f'({level}) allows {allowed}'
        )
    try:
        import_module(f'{scope}.registry')
    except ImportError as error:
        raise HostError(
            f'default_scope = {scope!r}: its registries cannot be imported ({error})'
        ) from error
