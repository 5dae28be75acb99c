"""The documents: links lead somewhere, and MkDocs makes a site of them without a warning."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md'), *(ROOT / 'usot_plugin').rglob('*.md')]
)


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(path):
    text = re.sub(r'```.*?```', '', path.read_text(encoding='utf-8'), flags=re.DOTALL)
    targets = re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', text)
    local = [
        target.partition('#')[0]
        for pair in targets
        for target in pair
        if target and '://' not in target and target[0] != '#'
    ]
    assert not [target for target in local if not (path.parent / target).exists()]


@pytest.fixture(scope='module')
def site(tmp_path_factory) -> Path:
    for module in ('mkdocs', 'mkdocstrings'):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp('site')
    command = [
        sys.executable,
        '-m',
        'mkdocs',
        'build',
        '--strict',
        '--quiet',
        '--site-dir',
        str(folder),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.mark.process
@pytest.mark.slow
def test_every_document_is_a_page_in_the_navigation(site):
    front = (site / 'index.html').read_text(encoding='utf-8')
    assert 'Learn a single-object tracker from' in front
    for path in (ROOT / 'docs').glob('*.md'):
        assert (site / f'{path.stem}.html').is_file()
        assert f'href="{path.stem}.html"' in front, 'not in the navigation'
    assert not list(site.rglob('*.py')), 'what makes the site is no part of it'


@pytest.mark.slow
def test_docstrings_are_there_without_their_roles(site):
    page = (site / 'api.html').read_text(encoding='utf-8')
    assert 'id="usot_plugin.apis.inference.init_tracker"' in page
    assert 'Follow targets through a clip, a video file or a folder of images.' in page
    assert not re.search(r':(class|func|meth):', page)


@pytest.mark.slow
def test_pages_fetch_nothing_from_elsewhere(site):
    for page in ('index.html', 'api.html'):
        text = (site / page).read_text(encoding='utf-8')
        assert not re.findall(r'<(?:script|link)[^>]+(?:src|href)="(?:https?:)?//[^"]+"', text)
