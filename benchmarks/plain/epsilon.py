"""The epsilon metric as the released code computes it: one network at a time, in full."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def plain_epsilon(
    net: nn.Module, x: torch.Tensor, constants: tuple[float, float] = (1e-7, 1.0)
) -> float:
    """Set every weight to each constant in turn, run the batch, and compare the outputs."""
    net.train()
    outputs = []
    for constant in constants:
        with torch.inference_mode():
            for name, parameter in net.named_parameters():
                parameter.fill_(0.0 if name.endswith("bias") else constant)
            outputs.append(net(x)[:, 0].numpy())
    scaled = []
    with np.errstate(invalid="ignore"):
        for output in outputs:
            one = (output - output.min()) / (output.max() - output.min())
            one[one == 0] = np.nan
            scaled.append(one)
    if all(np.isnan(one).all() for one in scaled) or np.isnan(scaled[0] - scaled[1]).all():
        return float("nan")
    return float(np.nanmean(np.abs(scaled[0] - scaled[1])) / np.nanmean(np.stack(scaled)))
