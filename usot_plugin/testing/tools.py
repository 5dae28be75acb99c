"""Running a command-line tool inside the test's own process, for what needs no process of its
own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def load_tool(path: str | Path) -> Any:
    """A tool's file as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool_main(path: str | Path, *args: object) -> int:
    """Exit status of a tool's ``main``, its arguments turned into text.

    Args:
        path: The tool's file.
        args: Its command line.
    """
    try:
        return load_tool(path).main([str(arg) for arg in args])
    except SystemExit as stop:
        return int(stop.code or 0)
