"""The battery every training-free score has to pass.

In a third party's tests::

    from nascout.testing.score import check_score

    def test_my_score():
        check_score("my_score", processes=True)
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.score.card import SCORES, Card
from nascout.score.inputs import Inputs, each, tensors
from nascout.testing.at_once import check_at_once
from nascout.testing.declared import check_invariances, check_reference
from nascout.testing.networks import NETWORKS, Example
from nascout.testing.processes import check_processes
from nascout.testing.unchanged import Snapshot, equal

__all__ = ["check_score"]

Batch = tuple[Inputs, Tensor]


def check_score(score: str | Card, *, processes: bool = False) -> None:
    """Check a score against its contract on small networks of different make.

    On each it gives one number, the same at every call and whatever the global generators hold;
    network, batch and generators stay bit by bit as they were, also where the network fails in
    the middle; the failure gets out. What its card declares holds: the invariances, the
    agreement with a reference, and that of its fast way for many graphs. Weights that are NaN give
    no finite value. Or it raises ``UnsupportedNetwork`` with a remedy, but not on all.

    Args:
        score: a registered name, or a card that is not registered.
        processes: compare the values, bit by bit, with another process's. The score must be
            registered or defined at the top of a module.

    Raises:
        AssertionError: which promise the score breaks, and on which network.

    Example:
        >>> check_score("params")
    """
    card = SCORES[score] if isinstance(score, str) else score
    supported = [_holds(card, name, example) for name, example in NETWORKS.items()]
    assert any(supported), f"{card.name} supports none of {', '.join(NETWORKS)}"
    if card.at_once is not None:
        check_at_once(card)
    if processes:
        check_processes([card])


def _holds(card: Card, name: str, example: Example) -> bool:
    """Whether the score supports the network; ``AssertionError`` if it breaks a promise on it."""
    value = _same_at_every_call(card, name, example)
    for call in (1, 2):
        _fails_cleanly(card, name, example, call)
    if value is None:
        return False
    check_invariances(card, name, example)
    check_reference(card, name, example)
    _keeps_nan(card, name, example, value)
    return True


def _same_at_every_call(card: Card, name: str, example: Example) -> float | None:
    """The score's value; None where it is unsupported."""
    net, batch = example.make(), example.batch()
    try:
        first = _checked_call(card, name, net, batch)
        for seed in (1, 2):
            _seed_all(seed)
            again = _checked_call(card, name, net, batch)
            assert equal(first, again), (
                f"{card.name} on {name!r} gives {first}, then {again}: "
                "it depends on a global generator or on an earlier call"
            )
    except UnsupportedNetwork as error:
        assert error.problem and error.remedy, f"{card.name} on {name!r} refuses without a remedy"
        return None
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(
            f"{card.name} on {name!r} raises {type(error).__name__}: {error}; what it cannot read "
            "should raise UnsupportedNetwork"
        ) from error
    return first


def _checked_call(card: Card, name: str, net: nn.Module, batch: Batch) -> float:
    """Call the score; whatever happens, nothing may have changed."""
    x, y = batch
    before, x_before, y_before = Snapshot(net), each(torch.clone, x), y.clone()
    ending = "returning"
    try:
        return card(net, x, y)
    except Exception:
        ending = "raising"
        raise
    finally:
        changes = before.changes(net)
        pairs = [*zip(tensors(x), tensors(x_before), strict=True), (y, y_before)]
        if any(not equal(t, b) or t.requires_grad or t.grad is not None for t, b in pairs):
            changes.append("the batch")
        # Stops any exception on its way: a broken promise is the finding.
        assert not changes, f"{card.name} on {name!r} changes, when {ending}: {', '.join(changes)}"


class Broken(Exception):
    """What the network raises in the middle of a score."""


def _fails_cleanly(card: Card, name: str, example: Example, call: int) -> None:
    """Let one of the network's modules raise at its ``call``-th call during the score."""
    net = example.make()
    leaf = net.get_submodule(example.head)
    forward, calls = leaf.forward, iter(range(1, 1000))
    broke = False

    def breaking(*inputs: Any, **options: Any) -> Any:
        nonlocal broke
        if next(calls) == call:
            broke = True
            raise Broken
        return forward(*inputs, **options)

    leaf.forward = breaking
    try:
        _checked_call(card, name, net, example.batch())
    except (Broken, UnsupportedNetwork):
        return
    assert not broke, f"{card.name} on {name!r} returns a value though the network failed"


def _keeps_nan(card: Card, name: str, example: Example, value: float) -> None:
    """NaN weights give no finite value, unless the score reads no weight at all."""
    net = example.make()
    for parameter in net.parameters():
        parameter.data.fill_(math.nan)
    try:
        broken = _checked_call(card, name, net, example.batch())
    except AssertionError:
        raise
    except Exception:  # noqa: BLE001 - an error of any kind is no number
        return
    assert not math.isfinite(broken) or broken == value, (
        f"{card.name} on {name!r} gives the number {broken} though every weight is NaN"
    )


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
