"""Where something may be added to a traced network, and what it may read."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from torch import fx

from nascout.errors import ConfigError
from nascout.graph import Shape

__all__ = [
    "Group",
    "Place",
    "Spot",
    "cell_groups",
    "groups",
    "need_free",
    "node_at",
    "place_at",
    "places",
    "thinned",
]

KINDS = {1: "vector", 2: "sequence", 3: "map"}
# How the cells of our own architectures are named; what TransNAS-Bench-101 calls a block is a
# cell if its nodes are numbered.
CELL = r"^(?:.*\.)?(?:cell\d+\.|block\d+\.(?=\d))"


@dataclass(frozen=True)
class Place:
    """A tensor that something can be added to.

    Attributes:
        name: lasting; see :func:`nascout.growth.trace`.
        kind: ``"map"`` (n, c, h, w), ``"sequence"`` (n, t, f) or ``"vector"`` (n, f).
        shape: of one sample.
        inputs: tensors of the same kind that come earlier and that can be brought to its shape:
            maps no smaller than it, sequences as long, any vectors. Nearest last.
    """

    name: str
    kind: str
    shape: Shape
    inputs: tuple[str, ...]


class Spot(NamedTuple):
    """A place, and those of its inputs that are to be tried."""

    place: str
    inputs: tuple[str, ...]


Group = tuple[Spot, ...]  # one choice of operations for all of them


def places(net: fx.GraphModule) -> tuple[Place, ...]:
    """Every place of a network that :func:`~nascout.growth.trace` made, or growth, in order.

    A place is a floating-point tensor, batch dimension first, that a call gives and something
    reads. Inputs of the network are no places, but can be read.

    >>> import torch
    >>> from nascout.growth.trace import trace
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    >>> [(place.name, place.inputs) for place in places(trace(net, torch.zeros(2, 4)))]
    [('0', ('input',)), ('1', ('input', '0')), ('2', ('input', '0', '1'))]
    """
    return tuple(_places(net))


def _places(net: fx.GraphModule, name: str | None = None) -> Iterator[Place]:
    """All of them, or that of one name."""
    earlier: dict[Shape, list[tuple[int, str]]] = {}  # few shapes, many tensors
    for position, node in enumerate(_tensors(net)):
        path, shape = node.meta["path"], Shape(node.meta["shape"])
        if node.op != "placeholder" and node.users and name in (None, path):
            found = [earlier[given] for given in earlier if _fits(given, shape)]
            if found:
                inputs = tuple(read for _, read in sorted(chain.from_iterable(found)))
                yield Place(path, KINDS[len(shape)], shape, inputs)
        earlier.setdefault(shape, []).append((position, path))


def place_at(net: fx.GraphModule, name: str) -> Place:
    """The place of that name.

    Raises:
        ConfigError: nothing can be added there.
    """
    for place in _places(net, name):
        return place
    raise ConfigError(
        f"{name!r} is no place of the network", "Take one of nascout.growth.places(net)."
    )


def node_at(net: fx.GraphModule, name: str) -> fx.Node:
    """The node of a tensor.

    Raises:
        ConfigError: no such tensor.
    """
    for node in net.graph.nodes:
        if node.meta.get("path") == name:
            found: fx.Node = node
            return found
    raise ConfigError(
        f"the network has no tensor {name!r}", "Take one of the inputs of nascout.growth.places."
    )


def _tensors(net: fx.GraphModule) -> Iterator[fx.Node]:
    """Floating-point maps, sequences and vectors. What was replaced by a sum has lost its path."""
    for node in net.graph.nodes:
        shape = node.meta.get("shape", ())
        if "path" in node.meta and len(shape) in KINDS and node.meta["dtype"].is_floating_point:
            yield node


def _fits(given: Shape, wanted: Shape) -> bool:
    if len(given) != len(wanted):
        return False
    if len(wanted) == 2:
        return given[0] == wanted[0]
    return all(size >= least for size, least in zip(given[1:], wanted[1:], strict=True))


def need_free(net: fx.GraphModule, name: str) -> str:
    """``name``, if the network has nothing of that name.

    Raises:
        ConfigError: it has.
    """
    if hasattr(net, name):
        raise ConfigError(
            f"the network has a part called {name!r}", "Rename it: growth uses that name."
        )
    return name


def groups(net: fx.GraphModule) -> tuple[Group, ...]:
    """Macro mode: every place on its own, with all of its inputs."""
    return tuple((Spot(place.name, place.inputs),) for place in places(net))


def cell_groups(
    net: fx.GraphModule, cell: str = CELL, *, outputs_only: bool = True
) -> tuple[Group, ...]:
    """Cell mode: per kind of cell, the places that correspond, to grow alike.

    Two cells are of one kind if the names behind the cell's own are the same and both reduce the
    resolution, or neither does; names that begin with ``input`` (how a cell of ours brings its
    inputs to its size) do not count. The inputs of a spot are the tensors of its cell and those
    that the cell reads from outside, the outputs of cells before it.

    Args:
        net: traced.
        cell: a pattern that matches the beginning of names up to the cell: that of our own
            architectures, or ``r"^layer\\d\\.\\d+\\."``, say.
        outputs_only: add to the last place of the cells only, its output, as the paper does.

    Raises:
        ConfigError: no name matches.
    """
    at = {place.name: place for place in places(net)}
    cells: dict[str, list[str]] = {}
    for name in at:
        if match := re.match(cell, name):
            cells.setdefault(match[0], []).append(name[match.end() :])
    if not cells:
        raise ConfigError(f"no place's name matches {cell!r}", "Print nascout.growth.places(net).")
    kinds: dict[object, list[str]] = {}
    for scope, names in cells.items():
        kept = tuple(name for name in names if not name.startswith("input"))
        kinds.setdefault((kept, _reduces(net, scope)), []).append(scope)
    made: list[Group] = []
    for (names, _), scopes in kinds.items():  # type: ignore[misc]
        for name in names[-1:] if outputs_only else names:
            made.append(_alike(net, scopes, name, at))
    return tuple(group for group in made if group[0].inputs)


def _read_from_outside(net: fx.GraphModule, scope: str) -> dict[str, str]:
    """By the name of the reader and the position that it reads at: the tensor."""
    inside = [n for n in net.graph.nodes if n.meta.get("path", "").startswith(scope)]
    return {
        f"{reader.meta['path'][len(scope) :]}<{position}": source.meta["path"]
        for reader in inside
        for position, source in enumerate(reader.all_input_nodes)
        if {"shape", "path"} <= source.meta.keys() and not source.meta["path"].startswith(scope)
    }


def _reduces(net: fx.GraphModule, scope: str) -> bool:
    areas = [Shape(n.meta["shape"]).area for n in _tensors(net) if n.meta["path"].startswith(scope)]
    outside = [
        Shape(node_at(net, name).meta["shape"]).area
        for name in _read_from_outside(net, scope).values()
    ]
    return bool(outside) and areas[-1] < min(outside)


def _alike(net: fx.GraphModule, scopes: list[str], name: str, at: dict[str, Place]) -> Group:
    """The places ``name`` of several cells, with inputs that correspond."""
    columns: dict[tuple[str, ...], None] = {}  # per input, the tensor in every cell; no doubles
    outside = [_read_from_outside(net, scope) for scope in scopes]
    local = [n.meta["path"][len(scopes[0]) :] for n in _tensors(net)]
    for relative in [*outside[0], *local]:
        column = tuple(
            read.get(relative, scope + relative)
            for scope, read in zip(scopes, outside, strict=True)
        )
        if all(c in at[scope + name].inputs for c, scope in zip(column, scopes, strict=True)):
            columns[column] = None
    rows = zip(*columns, strict=True) if columns else [()] * len(scopes)
    return tuple(Spot(scope + name, row) for scope, row in zip(scopes, rows, strict=True))


def thinned(group: Group, inputs: int, rng: random.Random) -> Group:
    """``group`` with that many of its inputs, drawn; the same positions in every spot.

    >>> group = (Spot("a", ("x", "y", "z")), Spot("b", ("u", "v", "w")))
    >>> thinned(group, 2, random.Random(0))
    (Spot(place='a', inputs=('y', 'z')), Spot(place='b', inputs=('v', 'w')))
    """
    count = len(group[0].inputs)
    kept = sorted(rng.sample(range(count), min(inputs, count)))
    return tuple(Spot(place, tuple(read[i] for i in kept)) for place, read in group)


def checked(net: fx.GraphModule, group: Sequence[Spot]) -> str:
    """The kind of a group's places, all of whose inputs are admissible.

    Raises:
        ConfigError: they are not, or the places are of several kinds or of unequal inputs.
    """
    kinds = set()
    for spot in group:
        place = place_at(net, spot.place)
        kinds.add((place.kind, len(spot.inputs)))
        for name in spot.inputs:
            if name not in place.inputs:
                raise ConfigError(
                    f"{spot.place!r} cannot read {name!r}", "Take inputs of its Place."
                )
    if len(kinds) != 1 or not group[0].inputs:
        raise ConfigError(
            f"a group of places {', '.join(spot.place for spot in group)} that differ",
            "Give places of one kind, each with as many inputs, at least one.",
        )
    return kinds.pop()[0]
