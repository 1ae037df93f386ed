"""An addition to a network, which changes nothing until it is trained."""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, fx, nn

from nascout.errors import ConfigError
from nascout.graph import Shape
from nascout.growth.candidates import candidate_nodes
from nascout.growth.operations import build_operation
from nascout.growth.places import Spot, checked, need_free, node_at, place_at
from nascout.network.module import initialise_node, undrawn

__all__ = ["Addition", "Branch", "add", "branches"]

MODULE: Final = "growth"


class Addition(NamedTuple):
    """What is added: to which place, and per operation what it reads and its name."""

    place: str
    kept: tuple[tuple[str, str], ...]


class Branch(nn.Module):
    """gate · project(concat(op_i(x_i))), where the gate is a scalar that starts at zero."""

    def __init__(self, ops: Sequence[nn.Module], project: nn.Module, reads: Sequence[int]) -> None:
        super().__init__()
        self.ops = nn.ModuleList(ops)
        self.project = project
        self.gate = nn.Parameter(torch.zeros(()))
        self.reads = tuple(reads)

    def forward(self, *inputs: Tensor) -> Tensor:
        """inputs: the tensors that the operations read, each once."""
        values = [op(inputs[read]) for op, read in zip(self.ops, self.reads, strict=True)]
        joined = torch.cat(values, dim=1 if values[0].dim() == 4 else -1)
        added: Tensor = self.gate * self.project(joined)
        return added


def add(net: fx.GraphModule, additions: Sequence[Addition], *, seed: int = 0) -> fx.GraphModule:
    """A copy of ``net`` with branches: the same function, of more parameters.

    The kept operations are concatenated, projected to the place's width (a 1x1 convolution with
    batch normalisation for maps, a bias-free linear map otherwise), multiplied by a scalar gate
    that starts at zero, and added to the place. Who read the place reads the sum, which takes
    the place's name over, so that a name always means the newest tensor, and the order of
    additions decides about the branches' names only. A branch is a tensor, too, and later growth
    can read it or add to it: ``growth0``, ``growth1``.

    The output is the same number for number. (Adding 0 turns -0.0 into 0.0, which only
    operations that read the sign of zero can tell.)

    Args:
        net: traced, or grown; left as it is. Its state keeps its names.
        additions: each at least one operation.
        seed: of the new weights.

    Raises:
        ConfigError: an addition that does not fit; names the place.
        UnknownName: an operation.

    >>> from nascout.growth import places, trace
    >>> net = trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(2, 4))
    >>> child = add(net, [Addition("1", (("0", "linear_tanh"), ("input", "identity")))])
    >>> x = torch.randn(5, 4)
    >>> bool((child(x) == net(x)).all()), [place.name for place in places(child)]
    (True, ['0', 'growth0', '1', '2'])
    """
    if candidate_nodes(net):
        raise ConfigError("the network has candidates", "Finalise or detach them first.")
    child = copy.deepcopy(net)
    for addition in additions:
        key = need_free(child, f"{MODULE}{len(branches(child))}")
        _insert(child, key, addition, seed)
    child.recompile()
    known = child.meta["nascout"]
    child.meta["nascout"] = {**known, "additions": (*known.get("additions", ()), *additions)}
    return child


def branches(net: fx.GraphModule) -> list[Branch]:
    """The branches that growth has added, first added first."""
    numbered = {
        int(name.removeprefix(MODULE)): module
        for name, module in net.named_children()
        if isinstance(module, Branch)
    }
    return [numbered[number] for number in sorted(numbered)]


def _insert(child: fx.GraphModule, key: str, addition: Addition, seed: int) -> None:
    read = tuple(dict.fromkeys(name for name, _ in addition.kept))
    kind = checked(child, (Spot(addition.place, read),))
    target = node_at(child, addition.place)
    branch = _branch(child, kind, addition, read, key, seed)
    like = next(child.parameters(), torch.empty(0))
    child.add_submodule(key, branch.to(like.device, target.meta["dtype"]).train(child.training))
    with child.graph.inserting_after(target):
        made = child.graph.call_module(key, tuple(node_at(child, name) for name in read))
    with child.graph.inserting_after(made):
        total = child.graph.call_function(operator.add, (target, made))
    target.replace_all_uses_with(total, delete_user_cb=lambda user: user is not total)
    total.meta.update(target.meta)
    made.meta.update(target.meta, path=key)
    del target.meta["path"]


def _branch(
    child: fx.GraphModule,
    kind: str,
    addition: Addition,
    read: tuple[str, ...],
    key: str,
    seed: int,
) -> Branch:
    wanted = place_at(child, addition.place).shape
    ops = [
        build_operation(
            operation,
            kind,
            Shape(node_at(child, name).meta["shape"]),
            wanted,
            key=f"{key}.ops.{index}",
            seed=seed,
        )
        for index, (name, operation) in enumerate(addition.kept)
    ]
    width = wanted[0] if kind == "map" else wanted[-1]
    with undrawn(seed):
        project: nn.Module = nn.Linear(len(ops) * width, width, bias=False)
        if kind == "map":
            project = nn.Sequential(
                nn.Conv2d(len(ops) * width, width, 1, bias=False), nn.BatchNorm2d(width)
            )
    initialise_node(project, f"{key}.project", seed)
    return Branch(ops, project, [read.index(name) for name, _ in addition.kept])
