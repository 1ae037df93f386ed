"""The learning rate of every step: linear warm-up, then half a cosine."""

from __future__ import annotations

import math

__all__ = ["learning_rate"]


def learning_rate(
    step: int, steps: int, *, peak: float, warmup_steps: int = 0, final: float = 0.0
) -> float:
    """The learning rate of one step (Loshchilov and Hutter, arXiv:1608.03983, eq. 5, no restart).

    During warm-up ``peak * (step + 1) / warmup_steps``; after it ``final + (peak - final) *
    (1 + cos(pi * t)) / 2``, where t runs from 0 at the first step after warm-up to 1 one step
    past the last.

    Args:
        step: 0 to steps - 1.
        steps: of the whole training.
        peak: learning rate at the end of the warm-up.
        warmup_steps: fewer than ``steps``.
        final: learning rate that the cosine runs towards.

    >>> [round(learning_rate(s, 4, peak=1.0), 4) for s in range(4)]
    [1.0, 0.8536, 0.5, 0.1464]
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    t = (step - warmup_steps) / (steps - warmup_steps)
    return final + (peak - final) * (1 + math.cos(math.pi * t)) / 2
