"""What a controller descends: REINFORCE's loss and PPO's clipped one."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ppo_loss", "reinforce_loss"]


def reinforce_loss(log_p: Tensor, advantages: Tensor) -> Tensor:
    """``-1/m sum_k (R_k - b) sum_t log p(a_t | a_<t)``, whose gradient is REINFORCE's.

    Williams (1992) as in section 3.2 of arXiv:1611.01578: all decisions of an architecture share
    its reward.

    Args:
        log_p: (m, decisions) log-probabilities of what was decided, 0 where nothing was.
        advantages: (m,) rewards less the baseline.

    Returns:
        A scalar.

    Example:
        >>> log_p = torch.tensor([[-1.0, -2.0], [-3.0, 0.0]])
        >>> reinforce_loss(log_p, torch.tensor([2.0, -1.0]))
        tensor(1.5000)
    """
    return -(advantages * log_p.sum(1)).mean()


def ppo_loss(log_p: Tensor, before: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """``-1/m sum_k sum_t min(r A_k, clamp(r, 1 - clip, 1 + clip) A_k)``, A an advantage.

    r is the probability of a decision over that which it had when it was drawn (equation 7 of
    arXiv:1707.06347). Once r has moved by ``clip`` in the direction that A wants, the decision has
    no gradient any more. Where nothing was decided r is 1 and has none.

    Args:
        log_p: (m, decisions) log-probabilities of what was decided.
        before: the same, of the policy that drew it; no gradient goes through it.
        advantages: (m,) rewards less the baseline.
        clip: how far r may go from 1.

    Returns:
        A scalar.

    Example:
        >>> before, now = torch.tensor([[0.4, 0.4]]).log(), torch.tensor([[0.6, 0.3]]).log()
        >>> ppo_loss(now, before, torch.tensor([1.0]), clip=0.2)  # 1.2 and .75
        tensor(-1.9500)
    """
    ratio = (log_p - before.detach()).exp()
    advantages = advantages.unsqueeze(1)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages).sum(1).mean()
