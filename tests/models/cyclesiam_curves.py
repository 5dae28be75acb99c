"""Five training steps of each model of this family on made-up pictures, in double precision: in
float32 five steps of SGD turn rounding into per cents, and differ from processor to processor.

``python -m tests.models.cyclesiam_curves > tests/golden/cyclesiam/loss_curves.json`` writes the
golden file.
"""

from __future__ import annotations

import json

import torch

from tests.models.s2siamfc_curves import STEPS, formula_weights, picture
from tests.models.siamrpn_parts import MASKS, REFINED, RPN, samples
from usot_plugin.registry import MODELS

#: The supervised bases, both ways of the cycle, and the cycle with masks.
CURVES = {
    'siamrpn': {},
    'siammask': REFINED,
    'cyclesiam_121': dict(type='CycleSiam', train_cfg=dict(hops=(1, 2, 1))),
    'cyclesiam_12321': dict(type='CycleSiam', train_cfg=dict(hops=(1, 2, 3, 2, 1))),
    'cyclesiam_plus': dict(MASKS, type='CycleSiam', train_cfg=dict(hops=(1, 2, 1))),
}


def curve(name: str) -> list[float]:
    """Total loss of each step: two clips whose target moves a little from frame to frame."""
    model = MODELS.build({**RPN, **CURVES[name]}).double()
    formula_weights(model)
    model.train()
    search = torch.stack([picture(255, 7.5, n) for n in range(2)])
    inputs = {
        'template': torch.stack([picture(127, 0.0, n) for n in range(2)]),
        'search': search,
        'hops': torch.stack(
            [torch.stack([picture(255, shift, n) for shift in (4.0, -6.0)]) for n in range(2)]
        ),
    }
    inputs = {key: (crops.double() - 128) / 60 for key, crops in inputs.items()}
    groups = samples(2, (107.0, 100.0, 163.0, 155.0), masks=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9, weight_decay=1e-4)
    values = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        total = torch.stack(list(model.loss(inputs, groups).values())).sum()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        values.append(total.item())
    return values


if __name__ == '__main__':
    print(json.dumps({name: curve(name) for name in CURVES}, indent=1))
