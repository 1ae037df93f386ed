"""How the validation loss changes with the architecture, when the weights follow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["dominant_eigenvalue", "first_order", "gradients", "second_order"]

Loss = Callable[[], Tensor]

# R of the paper: how far the finite difference reaches, in the norm of all weights together.
REACH = 0.01
CLIP_EPS = 1e-6  # that torch's clipping adds to the norm


def gradients(
    loss: Tensor, tensors: Sequence[Tensor], *, create_graph: bool = False
) -> list[Tensor]:
    """Of ``loss`` by each tensor; zeros for those that it does not depend on."""
    found = torch.autograd.grad(loss, tensors, create_graph=create_graph, allow_unused=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(tensors, found, strict=True)
    ]


def first_order(val_loss: Loss, alphas: Sequence[Tensor]) -> list[Tensor]:
    """The gradient with the weights as they are (DARTS, arXiv:1806.09055, equation 7, xi = 0)."""
    return gradients(val_loss(), alphas)


def second_order(
    train_loss: Loss,
    val_loss: Loss,
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    *,
    step: float,
    velocity: Sequence[Tensor] | None = None,
    momentum: float = 0.0,
    decay: float = 0.0,
    clip: float | None = None,
    reach: float = REACH,
) -> list[Tensor]:
    """The gradient through one step of the weights' SGD (equations 7 and 8 of DARTS).

    With w' = w - step (momentum · velocity + dL_train/dw + decay · w), it is

        dL_val(w')/da - step · d/da <dL_train(w)/dw, dL_val(w')/dw'>

    whose second term is the difference of dL_train/da at w + e dL_val/dw' and at
    w - e dL_val/dw', over 2e, with e = reach / |dL_val/dw'|. As in the released code, momentum and
    weight decay are part of the step, and the norm is that of all weights together.

    With ``clip`` the gradient g = dL_train/dw is scaled by c = min(1, clip / |g|) in the step. Then
    the inner product is with c (v - (v·g) g / |g|²) for v = dL_val/dw', since a change of g along
    itself moves a clipped step by nothing. The released code for recurrent cells clips v, too, adds
    decay · w' to it, and leaves c out of the second term.

    Args:
        train_loss, val_loss: compute the losses with the weights and alphas as they are when
            called.
        weights: those of the network; moved meanwhile, and put back, bit by bit.
        alphas: what the gradient is by.
        step: the learning rate of the weights.
        velocity: SGD's momentum buffers, one per weight.
        momentum, decay: of SGD.
        clip: the norm of the gradient is at most this in the step.
        reach: R above.

    Returns:
        One gradient per alpha.
    """
    kept = [weight.detach().clone() for weight in weights]
    try:
        moves = gradients(train_loss(), weights)
        clipping = _Clipping(moves, clip) if clip is not None else None
        with torch.no_grad():
            if clipping:
                moves = clipping.clipped()
            if decay:
                torch._foreach_add_(moves, kept, alpha=decay)
            if velocity is not None and momentum:
                torch._foreach_add_(moves, list(velocity), alpha=momentum)
            torch._foreach_add_(list(weights), moves, alpha=-step)
        both = gradients(val_loss(), [*alphas, *weights])
        direct, directions = both[: len(alphas)], both[len(alphas) :]
        if clipping:
            directions = clipping.pulled_back(directions)
        norm = _norm(directions)
        if norm == 0:
            return direct
        e = reach / norm
        by_side = []
        for sign in (e, -e):
            _put(weights, torch._foreach_add(kept, directions, alpha=sign))
            by_side.append(gradients(train_loss(), alphas))
    finally:
        _put(weights, kept)
    above, below = by_side
    return [
        by_val - step * (plus - minus) / (2 * e)
        for by_val, plus, minus in zip(direct, above, below, strict=True)
    ]


def dominant_eigenvalue(
    loss: Loss, alphas: Sequence[Tensor], *, iterations: int = 20, seed: int = 0
) -> float:
    """The eigenvalue of largest magnitude of d²L/da², by power iteration.

    RobustDARTS (arXiv:1909.09656) watches it on the validation loss: where it grows, what is
    derived gets worse. A network without second derivatives, such as one of ReLUs alone behind
    linear gates, has those of its loss and softmax all the same.

    Args:
        loss: computed with the alphas as they are.
        alphas: which must require gradients.
        iterations: at most; fewer if the direction stands still to five digits.
        seed: of the first direction.
    """
    slopes = gradients(loss(), alphas, create_graph=True)
    slope = torch.cat([s.flatten() for s in slopes])
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(slope.numel(), generator=generator, dtype=torch.float64).to(slope)
    value = 0.0
    for _ in range(iterations):
        direction = direction / direction.norm()
        product = torch.autograd.grad(slope @ direction, alphas, retain_graph=True)
        image = torch.cat([p.flatten() for p in product])
        before, value = value, float(image @ direction)
        if image.norm() == 0 or abs(value - before) <= 1e-5 * abs(value):
            break
        direction = image
    return value


class _Clipping:
    """What ``clip_grad_norm_`` makes of gradients, and the transpose of its derivative."""

    def __init__(self, slopes: Sequence[Tensor], limit: float) -> None:
        self._slopes, self._norm = slopes, _norm(slopes)
        self._factor = limit / (self._norm + CLIP_EPS)

    def clipped(self) -> list[Tensor]:
        return [slope * min(self._factor, 1.0) for slope in self._slopes]

    def pulled_back(self, directions: list[Tensor]) -> list[Tensor]:
        if self._factor >= 1:
            return directions
        pairs = list(zip(directions, self._slopes, strict=True))
        along = sum(float((v * g).sum()) for v, g in pairs)
        along /= self._norm * (self._norm + CLIP_EPS)
        return [self._factor * (v - along * g) for v, g in pairs]


def _norm(tensors: Sequence[Tensor]) -> float:
    """Of all together."""
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors)))))


def _put(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        torch._foreach_copy_(list(tensors), list(values))
