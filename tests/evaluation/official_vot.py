"""A workspace of the official VOT toolkit around our result files, so that its own analyses can
score them.

Results lie where the toolkit looks for them without any conversion:
``<workspace>/results/<tracker>/baseline/<sequence>/``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.evaluation.results.vot_files import annotated_regions
from usot_plugin.structures.regions import format_region


def write_workspace(
    root: Path, sequences: Sequence[AnnotatedSequence], experiment: dict[str, Any]
) -> Path:
    """Sequences and configuration of a workspace with the experiment ``baseline``; results go to
    the returned folder."""
    for sequence in sequences:
        folder = root / 'sequences' / sequence.name
        (folder / 'color').mkdir(parents=True)
        width, height = sequence.clip.size_wh
        image = cv2.imencode('.jpg', np.zeros((height, width, 3), np.uint8))[1].tobytes()
        for index in range(len(sequence)):
            (folder / 'color' / f'{index + 1:08d}.jpg').write_bytes(image)
        lines = [format_region(region, decimals=6) for region in annotated_regions(sequence)]
        (folder / 'groundtruth.txt').write_text('\n'.join(lines) + '\n')
        if sequence.anchors is not None:
            (folder / 'anchor.value').write_text(
                '\n'.join(str(int(value)) for value in sequence.anchors) + '\n'
            )
        (folder / 'sequence').write_text(
            f'name={sequence.name}\nfps=30\nformat=default\nchannels.color=color/%08d.jpg\n'
        )
    (root / 'sequences' / 'list.txt').write_text(
        '\n'.join(sequence.name for sequence in sequences) + '\n'
    )
    (root / 'trackers.ini').write_text('')
    config = {
        'registry': ['./trackers.ini'],
        'stack': {'title': 'test', 'experiments': {'baseline': experiment}},
    }
    (root / 'config.yaml').write_text(json.dumps(config))  # JSON is YAML
    return root / 'results'


def official_analysis(root: Path, tracker: str, analysis: Any) -> tuple:
    """What an analysis of the toolkit says about a tracker over all sequences of the workspace."""
    from vot.workspace import Workspace

    workspace = Workspace.load(str(root))
    (experiment,) = workspace.stack
    trackers = [SimpleNamespace(reference=tracker, identifier=tracker, storage=None)]
    grid = _compute(analysis, experiment, trackers, list(workspace.dataset))
    return tuple(grid[0, 0])


def _compute(analysis: Any, experiment: Any, trackers: list, sequences: list) -> Any:
    dependencies = [
        _compute(other, experiment, trackers, sequences) for other in analysis.dependencies()
    ]
    return analysis.compute(experiment, trackers, sequences, dependencies)
