"""Products in float32 on the tensor cores of a GPU, or not."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from usot_plugin.registry import HOOKS


@HOOKS.register_module()
class TensorFloat32Hook(Hook):
    """Sets whether matrix products and convolutions in float32 may round their inputs to TF32.

    TF32 has the range of float32 and ten bits of mantissa; GPUs from Ampere on multiply it several
    times faster. PyTorch's own choice, without this hook, is convolutions in TF32 and matrix
    products not. It holds for the whole process, and means nothing on a CPU or under float16 and
    bfloat16.

    Args:
        enabled: True for both in TF32, False for neither: float32 as on a CPU.
    """

    priority = 'VERY_HIGH'

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled

    def before_run(self, runner: Runner) -> None:
        """Set it."""
        torch.backends.cuda.matmul.allow_tf32 = self.enabled
        torch.backends.cudnn.allow_tf32 = self.enabled
        print_log(
            f'TF32 is {"on" if self.enabled else "off"} for products in float32', logger='current'
        )
