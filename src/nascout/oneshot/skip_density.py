"""How far a policy's skips are from a wanted density: ENAS's penalty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nascout.controller.steps import Step

__all__ = ["skip_penalty"]

# A skip that is certain has no finite log-odds, and one that is not open has log p = 0.
CERTAIN = -1e-12


def skip_penalty(steps: Sequence[Step], taken: Tensor, log_p: Tensor, target: float) -> Tensor:
    """KL(q || target) of every skip, summed over those into one node, averaged over the nodes.

    As in the released code of ENAS (arXiv:1802.03268), q is the sigmoid of a skip's own logit. The
    policy's two logits are z and -z, so its probability of the skip is the sigmoid of 2z: with
    ``target`` .4 the penalty is least at a probability of .31, where the paper wants .4.

    Args:
        steps: of the policy.
        taken: (architectures, decisions), see :meth:`nascout.controller.policy.Policy.numbers`.
        log_p: of them, (architectures, decisions).
        target: between 0 and 1.

    Returns:
        (architectures,), zeros where the space has no skips.

    Example:
        >>> steps = [Step((0, 1), ("a", "b"), "c")]
        >>> z = math.log(0.4 / 0.6)
        >>> p = 1 / (1 + math.exp(-2 * z))
        >>> log_p = torch.tensor([[p, 1 - p]], dtype=torch.float64).log()
        >>> skip_penalty(steps, torch.tensor([[1, 0]]), log_p, 0.4).abs().item() < 1e-12
        True
    """
    sets = [step for step in steps if step.sources]
    total = log_p.new_zeros(len(log_p))
    for step in sets:
        chosen, value = log_p[:, step.place].clamp(max=CERTAIN), taken[:, step.place]
        half_odds = (chosen - torch.log(-torch.expm1(chosen))) / 2
        z = torch.where(value == 1, half_odds, -half_odds)
        log_q, log_rest = F.logsigmoid(z), F.logsigmoid(-z)
        kl = log_q.exp() * (log_q - math.log(target))
        kl = kl + log_rest.exp() * (log_rest - math.log(1 - target))
        total = total + (kl * (value >= 0)).sum(1)
    return total / max(1, len(sets))
