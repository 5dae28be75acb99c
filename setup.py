"""Packaging: everything is declared in setup.cfg; here the configs and tools are put into the
wheel, where MIM looks for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithConfigs(build_py):
    """Copies ``configs/``, ``tools/`` and ``model-index.yml`` to ``usot_plugin/.mim``, where
    OpenMMLab's ``mim`` and ``Config`` look."""

    def run(self) -> None:
        super().run()
        if getattr(self, 'editable_mode', False):  # a clone has them beside the package
            return
        inside = Path(self.build_lib) / 'usot_plugin' / '.mim'
        for folder in ('configs', 'tools'):
            shutil.copytree(
                ROOT / folder,
                inside / folder,
                ignore=shutil.ignore_patterns('__pycache__', '*.pyc'),
                dirs_exist_ok=True,
            )
        shutil.copy2(ROOT / 'model-index.yml', inside)


setup(cmdclass={'build_py': BuildWithConfigs})
