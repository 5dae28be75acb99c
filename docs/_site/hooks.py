"""What MkDocs does not do itself: files of the repository's root as pages, and a place for every
document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PAGES = {
    'index.md': 'README.md',
    'contributing.md': 'CONTRIBUTING.md',
    'changelog.md': 'CHANGELOG.md',
}


def _named(nav: Any) -> set[str]:
    """Files of a navigation, at any depth."""
    if isinstance(nav, str):
        return {nav}
    return set().union(*map(_named, nav.values() if isinstance(nav, dict) else nav))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Documents that the navigation does not name come at its end."""
    left = sorted({path.name for path in Path(config.docs_dir).glob('*.md')} - _named(config.nav))
    if left:
        config.nav.append({'More': left})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages from files of the root, their links turned to where the documents are on the site."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding='utf-8')
        text = re.sub(r'(\]\(|src=")docs/', r'\1', text)
        files.append(File.generated(config, page, content=text))
    return files
