"""From candidates to a child: what was kept becomes part of the network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from nascout.growth.addition import Addition, add, branches
from nascout.growth.candidates import Candidates, candidate_nodes, detach

__all__ = ["finalise"]


def finalise(
    net: fx.GraphModule, additions: Sequence[Addition], *, seed: int = 0
) -> fx.GraphModule:
    """The child: ``net`` without candidates, with ``additions`` (arXiv:1905.13360, section 3.2).

    It computes what its parent computes, inherits all of its weights under their names, and the
    kept operations go on with the weights that they had as candidates. The projection is new.
    The stops are gone: all of it trains.

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
            learned[candidates.place, label] = op
    made = branches(child)[len(branches(parent)) :]
    for addition, branch in zip(additions, made, strict=True):
        for label, op in zip(addition.kept, branch.ops, strict=True):
            if (addition.place, label) in learned:
                op.load_state_dict(learned[addition.place, label].state_dict())
    return child
