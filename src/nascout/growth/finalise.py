"""From candidates to a child: what was kept becomes part of the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

from nascout.growth.addition import Addition, Branch, add, branches
from nascout.growth.candidates import Candidates, candidate_nodes, detach
from nascout.growth.select import rated

__all__ = ["finalise"]


def finalise(
    net: fx.GraphModule, additions: Sequence[Addition], *, seed: int = 0
) -> fx.GraphModule:
    """The child: ``net`` without candidates, with ``additions`` (arXiv:1905.13360, section 3.2).

    It computes what its parent computes, inherits all of its weights under their names, and the
    kept operations go on with the weights that they had as candidates. The projection starts as
    Σ ω_i · op_i(x) / |ω|, over what is kept: the direction that the candidates learned. The
    stops are gone: all of it trains.

    Deviation: in the paper the projection is new, so that what the gate scales at first is a
    random mixture of what was learned, and the gate opens later (``docs/growth.md`` has the
    measurements). It is new here, too, where an addition holds an operation that was no
    candidate.

    Args:
        net: with candidates, trained; left as it is.
        additions: of :func:`nascout.growth.select`, or some of them.
        seed: of new weights.

    Raises:
        ConfigError: an addition that does not fit.

    >>> import torch
    >>> from nascout.growth import attach, groups, select, trace
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> parent = trace(net, torch.zeros(2, 4))
    >>> searched = attach(parent, groups(parent)[1:2])
    >>> child = finalise(searched, select(searched))
    >>> x = torch.randn(5, 4)
    >>> bool((child(x) == parent(x)).all()), set(parent.state_dict()) <= set(child.state_dict())
    (True, True)
    """
    parent = detach(net)
    child = add(parent, additions, seed=seed)
    learned = {}
    for node in candidate_nodes(net):
        candidates = net.get_submodule(str(node.target))
        assert isinstance(candidates, Candidates)
        for label, op in zip(candidates.labels, candidates.ops, strict=True):
            learned[(candidates.place, *label)] = op
    weights = {
        (place, read, name): omega
        for place, found in rated(net).items()
        for read, name, omega in found
    }
    made = branches(child)[len(branches(parent)) :]
    for addition, branch in zip(additions, made, strict=True):
        kept = [(addition.place, *label) for label in addition.kept]
        for key, op in zip(kept, branch.ops, strict=True):
            if key in learned:
                op.load_state_dict(learned[key].state_dict())
        omegas = torch.tensor([weights.get(key, 0.0) for key in kept])
        if set(kept) <= set(learned) and omegas.any():
            _aim(branch, omegas / omegas.norm())
    return child


@torch.no_grad()
def _aim(branch: Branch, direction: torch.Tensor) -> None:
    """Let the projection sum the operations, each weighed by one number."""
    matrix = next(branch.project.parameters())  # a normalisation may follow it
    width = len(matrix)
    matrix.copy_(torch.kron(direction[None], torch.eye(width)).view_as(matrix))
