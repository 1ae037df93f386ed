"""Which candidates are kept."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, fx

from nascout.growth.addition import Addition
from nascout.growth.candidates import Candidates, candidate_nodes
from nascout.growth.method import METHODS, Method

__all__ = ["rated", "select"]

By = Literal["weight", "alignment"]


def rated(net: fx.GraphModule, by: By = "weight") -> dict[str, tuple[tuple[str, str, float], ...]]:
    """Per place, every candidate: what it reads, its operation, and its ω or alignment.

    Args:
        net: with candidates, trained.
        by: ``"weight"``, the selection weight ω; or ``"alignment"``, the greedy statistic
            -cos(dL/dtarget, op(x)), a mean over the group, where statistics were kept.
    """
    found = {}
    for candidates, values in _values(net, by):
        pairs = zip(candidates.labels, values.tolist(), strict=True)
        found[candidates.place] = tuple((*label, value) for label, value in pairs)
    return found


def select(
    net: fx.GraphModule, method: str | Method = "petridish", by: By = "weight"
) -> tuple[Addition, ...]:
    """What every place keeps: at most ``method.keep`` candidates, best first.

    By weight, the paper keeps the largest |ω| above a threshold, Archai the largest signed ones
    (``method.signed``). By alignment, the most aligned with the descent direction are kept,
    above the method's threshold. A place where none is above it gets no addition. Ties go to
    whoever comes first.

    Raises:
        UnknownName: no such method.
        ConfigError: alignment without statistics.
    """
    how = METHODS[method] if isinstance(method, str) else method
    additions = []
    for candidates, values in _values(net, by):
        merit = values if how.signed or by == "alignment" else values.abs()
        order = torch.argsort(merit, descending=True, stable=True)[: how.keep].tolist()
        kept = [candidates.labels[i] for i in order if merit[i] > how.threshold]
        if kept:
            additions.append(Addition(candidates.place, tuple(kept)))
    return tuple(additions)


def _values(net: fx.GraphModule, by: By) -> list[tuple[Candidates, Tensor]]:
    found: list[tuple[str, Candidates]] = []
    for node in candidate_nodes(net):
        module = net.get_submodule(str(node.target))
        assert isinstance(module, Candidates)
        found.append((str(node.all_input_nodes[1].target), module))
    # The graph has them in order of place, which need not be the order of groups.
    groups: dict[str, list[Candidates]] = {}
    for omega, module in found:
        groups.setdefault(omega, []).append(module)
    values = {
        omega: net.get_parameter(omega).detach().cpu()
        if by == "weight"
        else torch.stack([module.alignment for module in group]).mean(0).cpu()
        for omega, group in groups.items()
    }
    return [(module, values[omega]) for omega, module in found]
