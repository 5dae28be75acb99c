"""Writes the golden files of UDT beside itself; see ORIGIN.md."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.models.udt_parts import LOSSES, loss_curve, track_synthetic

HERE = Path(__file__).parent


def main() -> None:
    boxes, scores = track_synthetic()
    np.savez_compressed(HERE / 'track_synthetic_formula.npz', boxes_cxcywh=boxes, scores=scores)
    (HERE / 'loss_curve.json').write_text(
        json.dumps({name: loss_curve(name) for name in LOSSES}, indent=1) + '\n', encoding='utf-8'
    )


if __name__ == '__main__':
    main()
