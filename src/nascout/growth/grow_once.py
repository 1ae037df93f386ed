"""One step of growth, from a parent to a trained child."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import fx, nn

from nascout.errors import AllFailed
from nascout.growth.addition import Addition
from nascout.growth.candidates import attach
from nascout.growth.finalise import finalise
from nascout.growth.method import METHODS, Method
from nascout.growth.places import Group
from nascout.growth.select import By, rated, select

__all__ = ["Growth", "grow_once", "grow_part"]

N = TypeVar("N", bound=nn.Module)
R = TypeVar("R")


@dataclass(frozen=True)
class Growth(Generic[N, R]):
    """What came of one step.

    Attributes:
        child: trained.
        additions: what it has and its parent has not.
        ratings: per place, every candidate's input, operation, and ω or alignment.
        searching: what ``train`` returned for the parent with its candidates.
        training: what it returned for the child.
    """

    child: N
    additions: tuple[Addition, ...]
    ratings: Mapping[str, tuple[tuple[str, str, float], ...]]
    searching: R
    training: R


def grow_once(
    parent: fx.GraphModule,
    groups: Sequence[Group],
    train: Callable[[nn.Module], R],
    *,
    operations: Mapping[str, Sequence[str]] | None = None,
    method: str | Method = "petridish",
    by: By = "weight",
    seed: int = 0,
) -> Growth[fx.GraphModule, R]:
    """Train ``parent`` with candidates, keep the best, and train the child.

    Args:
        parent: traced or grown, with its weights; left as it is.
        groups: where to try what; see :func:`~nascout.growth.groups` and
            :func:`~nascout.growth.cell_groups`.
        train: trains a network in place, for any kind of data; called twice. For images,
            ``functools.partial(nascout.train.fit, split=split, recipe=recipe)``.
        operations: names per kind of tensor; see :func:`~nascout.growth.attach`.
        method: how candidates are weighed and kept.
        by: ``"weight"``, or ``"alignment"`` with the gradient.
        seed: of all new weights.

    Raises:
        AllFailed: no candidate is worth keeping.
        ConfigError: groups that do not fit.

    >>> import torch
    >>> from nascout.growth import groups, trace
    >>> x = torch.randn(64, 4)
    >>> def train(net):
    ...     optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    ...     for _ in range(20):
    ...         optimizer.zero_grad()
    ...         loss = (net(x)[:, 0] - x.prod(1)).square().mean()
    ...         loss.backward()
    ...         optimizer.step()
    ...     return loss.item()
    >>> net = trace(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), x)
    >>> grown = grow_once(net, groups(net)[1:2], train)
    >>> len(grown.additions[0].kept), grown.training < grown.searching
    (3, True)
    """
    return grow_part(
        parent,
        parent,
        groups,
        train,
        lambda _, part: part,
        operations=operations,
        method=method,
        by=by,
        seed=seed,
    )


def grow_part(
    parent: N,
    part: fx.GraphModule,
    groups: Sequence[Group],
    train: Callable[[nn.Module], R],
    put: Callable[[N, fx.GraphModule], N],
    *,
    operations: Mapping[str, Sequence[str]] | None,
    method: str | Method,
    by: By,
    seed: int,
) -> Growth[N, R]:
    """As :func:`grow_once`, where only a part of a network is traced, and grows.

    Args:
        parent: the whole network; left as it is.
        part: what grows of it, traced.
        groups: of the part.
        train: trains the whole.
        put: gives a network like the first argument, with the second as its part, not a copy.
        operations, method, by, seed: as for :func:`grow_once`.

    Raises:
        AllFailed: no candidate is worth keeping.
        ConfigError: groups that do not fit.
    """
    how = METHODS[method] if isinstance(method, str) else method
    searched = attach(
        part, groups, operations=operations, method=how, statistics=by == "alignment", seed=seed
    )
    whole = put(parent, searched)
    searching = train(whole)
    additions = select(searched, how, by)
    if not additions:
        raise AllFailed(
            "no candidate is above the threshold", "Train longer, or lower method.threshold or l1."
        )
    child = put(whole, finalise(searched, additions, seed=seed))
    return Growth(child, additions, rated(searched, by), searching, train(child))
