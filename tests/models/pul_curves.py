"""Five training steps of each loss of this family on made-up pairs, in double precision: in float32
five steps of SGD turn rounding into per cents, and differ from processor to processor.

``python -m tests.models.pul_curves > tests/golden/pul/loss_curves.json`` writes the golden file.
"""

from __future__ import annotations

import json

from tests.models.s2siamfc_curves import BACKBONE, five_steps

CIRESNET = dict(type='CIResNet', base_channels=8)
NOISE = dict(type='NoiseRobustLoss', alpha_px2=36.0, beta_px2=64.0, ridge=0.01, loss_weight=0.02)
#: Both stages that learn, both networks, and the loss without noise.
CURVES = {
    'discrimination': dict(type='BackgroundDiscriminator', backbone=BACKBONE),
    'noise_robust': dict(type='NoiseRobustSiamFC', backbone=BACKBONE, loss=NOISE),
    'squared_error': dict(
        type='NoiseRobustSiamFC', backbone=BACKBONE, loss=dict(NOISE, alpha_px2=0.0)
    ),
    'discrimination_ciresnet': dict(type='BackgroundDiscriminator', backbone=CIRESNET),
    'noise_robust_ciresnet': dict(type='NoiseRobustSiamFC', backbone=CIRESNET, loss=NOISE),
}
#: Places of the target, pixels right of the middle of the search crop.
SHIFTS_PX = (0.0, 16.0, -24.0, 5.0)


def curve(name: str) -> list[float]:
    """Total loss of each step."""
    return five_steps(CURVES[name], SHIFTS_PX)


if __name__ == '__main__':
    print(json.dumps({name: curve(name) for name in CURVES}, indent=1))
