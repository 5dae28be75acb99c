"""Published SiamRPN++ and SiamMask checkpoints under this project's names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .published_weights import UnknownCheckpointError

#: Name in pysot or in SiamMask's release -> ours; levels are still counted as there.
PART_RULES: tuple[tuple[str, str], ...] = (
    (r'^(?:features\.features|backbone)\.', 'backbone.'),
    (r'^(?:features|neck)\.downsample\.downsample\.', 'necks.2.adjust.'),
    (r'^neck\.downsample(\d)\.downsample\.', r'necks.\1.adjust.'),
    (r'^rpn_head\.(cls|loc)_weight$', r'rpn_head.\1_weight'),
    (r'^rpn_(?:head|model)\.(cls|loc)\.', r'rpn_head.\1.2.'),
    (r'^rpn_head\.rpn(\d)\.(cls|loc)\.', r'rpn_head.\2.\1.'),
    (r'^(?:mask_head|mask_model\.mask)\.', 'mask_head.branch.'),
    (r'^refine_(?:head|model)\.', 'refine_head.'),
)
#: Parts of the correlation branches and of the refinement.
INNER_RULES: tuple[tuple[str, str], ...] = (
    (r'\.conv_kernel\.', '.template.'),
    (r'\.conv_search\.', '.search.'),
    (r'^((?:rpn|mask)_head\..*)\.head\.([01])\.', r'\1.hidden.\2.'),
    (r'^((?:rpn|mask)_head\..*)\.head\.3\.', r'\1.output.'),
    (r'^refine_head\.v(\d)\.', r'refine_head.side.\1.'),
    (r'^refine_head\.h(\d)\.', r'refine_head.main.\1.'),
    (r'^refine_head\.deconv\.', 'refine_head.start.'),
)
#: The release counts its merging convolutions from coarse to fine.
MERGES = {'post0': 'merge.2', 'post1': 'merge.1', 'post2': 'merge.0'}
#: The first level is that of stage 2.
LEVEL = re.compile(r'^(necks|rpn_head\.(?:cls|loc))\.(\d)\.')


def convert_siamrpn(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published SiamRPN++ or SiamMask with ResNet under the names of :class:`SiamRPN`, with a
    :class:`StagedSiameseResNet`.

    Raises:
        UnknownCheckpointError: A key fits no rule; the message names it.
    """
    converted = {}
    for key, value in state.items():
        for pattern, replacement in PART_RULES:
            name, count = re.subn(pattern, replacement, key)
            if count:
                break
        else:
            raise UnknownCheckpointError(
                f'no rule for key {key!r}: not a published SiamRPN++ or SiamMask checkpoint'
            )
        if not name.startswith('backbone.'):
            for pattern, replacement in INNER_RULES:
                name = re.sub(pattern, replacement, name)
            name = re.sub(
                r'(?<=^refine_head\.)post\d', lambda found: MERGES.get(found[0], found[0]), name
            )
            name = LEVEL.sub(lambda found: f'{found[1]}.{int(found[2]) - 2}.', name)
        converted[name] = value
    return converted


def is_siamrpn(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of a published SiamRPN++ or SiamMask checkpoint."""
    return any(
        re.match(r'rpn_(model|head)\.(rpn\d\.)?(cls|loc)\.conv_kernel\.', key) for key in state
    )
