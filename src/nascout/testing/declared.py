"""What a score's card declares: the invariances of its value, and a reference it agrees with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.network import Network, build
from nascout.score.card import Card, Invariance
from nascout.score.inputs import Inputs, each, tensors
from nascout.testing.networks import Example
from nascout.testing.rewritten import rewritten

__all__ = ["check_invariances", "check_reference"]

Case = tuple[nn.Module, Inputs, Tensor]
INVARIANT, AGREES = 1e-6, 1e-4
ROUNDING = 1e-12  # what float64 leaves of a value that is zero


def check_invariances(card: Card, name: str, example: Example) -> None:
    """Change the network or batch in every way that the card declares to leave the value as it is.

    All in float64, to a relative 1e-6.

    Raises:
        AssertionError: which one does not.
    """
    value = card(*_double(example))
    for invariance in card.invariances:
        changed = CHANGES[invariance](example, *_double(example))
        after = value if changed is None else card(*changed)
        assert _close(value, after, INVARIANT), (
            f"{card.name} on {name!r} gives {value}, and {after} when the {invariance} changes, "
            "which its card says it ignores"
        )


def check_reference(card: Card, name: str, example: Example) -> None:
    """Compare the score with its card's reference, if there is one, in float64 to 1e-4.

    Raises:
        AssertionError: they differ.
    """
    if card.reference is None:
        return
    value = card(*_double(example))
    try:
        expected = card.call(card.reference, *_double(example))
    except UnsupportedNetwork:
        return  # a plain way may read fewer networks
    assert _close(value, expected, AGREES), (
        f"{card.name} on {name!r} gives {value}, and its reference {expected}"
    )


def _close(one: float, other: float, tolerance: float) -> bool:
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or math.isclose(one, other, rel_tol=tolerance, abs_tol=ROUNDING)


def _double(example: Example) -> Case:
    x, y = example.batch()
    return example.make().double(), each(lambda t: t.double() if t.is_floating_point() else t, x), y


def _reordered(example: Example, net: nn.Module, x: Inputs, y: Tensor) -> Case | None:
    if example.draws:
        return None
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    return net, each(lambda t: t[order], x), y[order]


def _inputs_scaled(example: Example, net: nn.Module, x: Inputs, y: Tensor) -> Case | None:
    floating = all(t.is_floating_point() for t in tensors(x))
    return (net, each(lambda t: 3 * t, x), y) if floating else None


def _outputs_scaled(example: Example, net: nn.Module, x: Inputs, y: Tensor) -> Case:
    for parameter in net.get_submodule(example.head).parameters():
        parameter.data.mul_(2)
    return net, x, y


def _relabelled(example: Example, net: nn.Module, x: Inputs, y: Tensor) -> Case:
    return net, x, (y + 1) % (int(y.max()) + 1)


def _rewritten(example: Example, net: nn.Module, x: Inputs, y: Tensor) -> Case | None:
    if not isinstance(net, Network):
        return None
    other = build(rewritten(net.graph), dtype=torch.float64)
    other.load_state_dict(net.state_dict(), strict=False)  # its own for what is added
    return other, x, y


CHANGES: Final[dict[Invariance, Callable[[Example, nn.Module, Inputs, Tensor], Case | None]]] = {
    "batch order": _reordered,
    "input scale": _inputs_scaled,
    "output scale": _outputs_scaled,
    "label names": _relabelled,
    "function form": _rewritten,
}
