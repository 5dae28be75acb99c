"""Scores of the got10k toolkit for a folder of arrays: the golden numbers that our own measures are
compared with.

``python tools/analysis/got10k_toolkit_scores.py --boxes tests/golden/otb/otb_toolkit_extract.npz
--out tests/golden/got10k/toolkit.npz``

Needs ``pip install got10k==0.1.3`` (an environment of its own does). Random sequences are made
besides the real ones; the toolkit reads everything from files in its own layouts, and its numbers
are stored beside the boxes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from usot_plugin.utils.cli import exit_status, tool_parser
from usot_plugin.utils.optional import require

TRACKER = 'Tracker'
SIZE_WH = (320, 240)


def random_sequence(seed: int, frames: int = 40, repetitions: int = 1) -> dict[str, np.ndarray]:
    """A target that leaves the image now and then, seen from the toolkit: 1-based ``x, y, w,
    h``."""
    random = np.random.default_rng(seed)
    size = random.uniform(20, 80, (frames, 2))
    corner = random.uniform(-20, 1, (frames, 2)) + random.uniform(0, 1, (frames, 2)) * SIZE_WH
    gt = np.round(np.concatenate([corner, size], 1), 4)
    noise = random.normal(0, [8, 8, 5, 5], (repetitions, frames, 4))
    results = np.round(gt + noise, 3)
    results[:, 0] = gt[0]
    return {
        'gt': gt,
        'results': results,
        'cover': random.integers(0, 9, frames) * (random.random(frames) > 0.2),
    }


def sequences_of(boxes: Path) -> dict[str, dict[str, np.ndarray]]:
    """Random sequences, and the real boxes and results of an archive with ``gt/<sequence>`` and
    ``res/<tracker>/<sequence>``."""
    found = {
        f'random_{seed}': random_sequence(seed, 30 + 7 * seed, 1 + 2 * (seed == 2))
        for seed in range(4)
    }
    with np.load(boxes) as archive:
        for key in sorted(archive.files):
            kind, *rest = key.split('/')
            gt = archive[f'gt/{rest[-1]}']
            if kind == 'res' and (gt > 0).all():
                results = np.round(archive[key], 3)
                results[0] = gt[0]
                found['_'.join(rest)] = {
                    'gt': gt,
                    'results': results[None],
                    'cover': np.full(len(gt), 8),
                }
    return found


def write_layout(root: Path, sequences: dict[str, dict[str, np.ndarray]]) -> None:
    """Annotation and results as ExperimentGOT10k reads them."""
    (root / 'val').mkdir(parents=True)
    (root / 'val' / 'list.txt').write_text('\n'.join(sequences))
    for name, parts in sequences.items():
        folder, out = root / 'val' / name, root / 'results' / 'GOT-10k' / TRACKER / name
        folder.mkdir()
        out.mkdir(parents=True)
        np.savetxt(folder / 'groundtruth.txt', parts['gt'], fmt='%.4f', delimiter=',')
        for label in ('cover', 'absence', 'cut_by_image'):
            np.savetxt(folder / f'{label}.label', parts['cover'], fmt='%d')
        (folder / 'meta_info.ini').write_text(f'[METAINFO]\nresolution: {SIZE_WH}\n')
        for index in range(len(parts['gt'])):
            (folder / f'{index + 1:08d}.jpg').touch()
        for repetition, boxes in enumerate(parts['results'], 1):
            np.savetxt(out / f'{name}_{repetition:03d}.txt', boxes, fmt='%.3f', delimiter=',')
        np.savetxt(
            out / f'{name}_time.txt',
            np.full((len(parts['gt']), len(parts['results'])), 0.02),
            fmt='%.8f',
            delimiter=',',
        )


def toolkit_scores(sequences: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """AO, SR and success curve of ExperimentGOT10k, success and precision curves of
    ExperimentOTB."""
    os.environ.setdefault('MPLBACKEND', 'agg')
    experiments = require('got10k.experiments', 'the comparison')

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_layout(root, sequences)
        experiment = experiments.ExperimentGOT10k(
            str(root), 'val', str(root / 'results'), str(root / 'reports')
        )
        report = experiment.report([TRACKER])[TRACKER]
    scores = {
        'got10k/overall': np.array(
            [report['overall']['ao'], report['overall']['sr'], report['overall']['succ_curve'][75]]
        )
    }
    one_pass = object.__new__(experiments.ExperimentOTB)  # its constructor fetches the data set
    one_pass.nbins_iou, one_pass.nbins_ce = 21, 51
    for name, parts in sequences.items():
        own = report['seq_wise'][name]
        scores[f'got10k/{name}'] = np.array([own['ao'], own['sr']])
        curves = one_pass._calc_curves(
            *one_pass._calc_metrics(parts['results'][0].copy(), parts['gt'].copy())
        )
        scores[f'success/{name}'], scores[f'precision/{name}'] = curves
    return scores


def main(argv: list[str] | None = None) -> int:
    """Run the tool; returns its exit status."""
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--boxes', type=Path, required=True, metavar='NPZ', help='archive of real boxes and results'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='NPZ', help='archive to write')
    return exit_status(lambda: run(parser.parse_args(argv)))


def run(args: argparse.Namespace) -> None:
    """Make the sequences, score them with the toolkit, store both."""
    sequences = sequences_of(args.boxes)
    arrays = {
        f'{kind}/{name}': values
        for name, parts in sequences.items()
        for kind, values in parts.items()
    }
    np.savez_compressed(args.out, **arrays, **toolkit_scores(sequences))
    print(f'wrote {args.out}: {len(sequences)} sequences')


if __name__ == '__main__':
    sys.exit(main())
