"""What a generated file consists of: blocks found by key, one class per kind of block, a model.

Two blocks are of one kind exactly when they print the same text up to channel counts, so sharing
a class can never change what is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from nascout.graph import Graph
from nascout.graph.ops import Identity, Input
from nascout.network.source_body import Body, Part, write_body
from nascout.network.source_names import WORDS, Names, class_name, identifier
from nascout.network.source_ops import Layer, Width, code_of

__all__ = ["Class", "Plan", "make_plan"]

#: A block that occurs once is a class of its own if it has more nodes than this.
SMALL = 8


@dataclass(frozen=True)
class Class:
    """One generated class: its constructor's and its ``forward``'s parameters, and its insides."""

    name: str
    about: str
    widths: tuple[str, ...]
    arguments: tuple[str, ...]
    outputs: int
    body: Body


@dataclass(frozen=True)
class Plan:
    """The classes, the model last, and where each layer hangs in the model, by the node's key."""

    classes: tuple[Class, ...]
    paths: Mapping[str, str]


@dataclass(frozen=True)
class _Block:
    """Nodes of one scope that give one value.

    ``text`` is its body with symbols for channel counts, ``widths`` what the symbols stand for,
    ``paths`` where each node's module hangs in it.
    """

    scope: str
    nodes: tuple[int, ...]
    inputs: tuple[int, ...]
    output: int
    text: tuple[str, ...]
    widths: tuple[int, ...]
    paths: Mapping[int, str]


def make_plan(graph: Graph, name: str) -> Plan:
    """Divide ``graph`` into classes; ``name`` is the model's.

    Raises:
        UnsupportedNetwork: an op without a printer.
    """
    return _Planner(graph.prune(), name).plan()


class _Planner:
    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name
        # An identity is its input.
        self.source = list(range(len(graph)))
        for index, node in enumerate(graph):
            if isinstance(node.op, Identity):
                self.source[index] = self.source[node.inputs[0]]
        self.outputs = tuple(self.source[out] for out in graph.outputs)

    def plan(self) -> Plan:
        blocks = self._blocks()
        kinds: dict[tuple[str, ...], list[_Block]] = {}
        for block in blocks:
            kinds.setdefault(block.text, []).append(block)
        names = Names({*WORDS, self.name})
        classes: list[Class] = []
        calls: dict[int, Part] = {}
        inside: dict[int, Mapping[int, str]] = {}
        for kind in kinds.values():
            if len(kind) == 1 and len(kind[0].nodes) <= SMALL:
                continue
            counts = zip(*(block.widths for block in kind), strict=True)
            varying = [n for n, count in enumerate(counts) if len(set(count)) > 1]
            made = self._class(kind, varying, names)
            classes.append(made)
            for block in kind:
                call = f"{made.name}({', '.join(str(block.widths[n]) for n in varying)})"
                part = Part(block.output, block.scope, block.inputs, Layer((call,)))
                calls |= dict.fromkeys(block.nodes, part)
                inside[block.output] = block.paths
        model = self._model(calls)
        return Plan((*classes, model), self._paths(model.body, inside))

    def _blocks(self) -> list[_Block]:
        """Neighbouring nodes of one scope, where they give one value and contain a layer."""
        scopes = _scopes(self.graph)
        nodes = [
            index
            for index, node in enumerate(self.graph)
            if not isinstance(node.op, Input | Identity)
        ]
        runs = [tuple(run) for _, run in groupby(nodes, key=lambda index: scopes[index])]
        blocks = [self._block(scopes[run[0]], run) for run in runs]
        return [block for block in blocks if block is not None]

    def _block(self, scope: str, run: tuple[int, ...]) -> _Block | None:
        members = set(run)
        read = [self.source[i] for index in run for i in self.graph.nodes[index].inputs]
        inputs = tuple(dict.fromkeys(i for i in read if i not in members))
        outside = {
            self.source[i]
            for index, node in enumerate(self.graph)
            if index not in members and not isinstance(node.op, Identity)
            for i in node.inputs
        }
        given = sorted(members & (outside | set(self.outputs)))
        if not scope or len(run) == 1 or len(given) != 1 or not inputs:
            return None
        widths: list[int] = []

        def symbol(width: int) -> str:
            if width not in widths:
                widths.append(width)
            return f"width{widths.index(width)}"

        body = self._body(run, scope, inputs, given[0], symbol)
        if not body.init:
            return None
        text = (*body.init, "", *body.forward)
        return _Block(scope, run, inputs, given[0], text, tuple(widths), body.paths)

    def _body(
        self, nodes: tuple[int, ...], scope: str, inputs: tuple[int, ...], output: int, width: Width
    ) -> Body:
        parts = [self._part(index, width, scope) for index in nodes]
        return write_body(parts, dict(zip(inputs, _arguments(inputs), strict=True)), (output,))

    def _part(self, index: int, width: Width, scope: str = "") -> Part:
        node = self.graph.nodes[index]
        code = code_of(node.op, self.graph.input_shapes(index), width)
        inputs = tuple(self.source[i] for i in node.inputs)
        return Part(index, node.key.removeprefix(scope).lstrip("/"), inputs, code)

    def _class(self, kind: list[_Block], varying: list[int], names: Names) -> Class:
        block, others = kind[0], len(kind) - 1
        parameters = self._parameters(block, varying)

        def width(count: int) -> str:
            return parameters.get(count, str(count))

        return Class(
            names.fresh(class_name(block.scope, counted=not others)),
            f"{block.scope} and {others} more like it" if others else block.scope,
            tuple(parameters.values()),
            _arguments(block.inputs),
            1,
            self._body(block.nodes, block.scope, block.inputs, block.output, width),
        )

    def _parameters(self, block: _Block, varying: list[int]) -> dict[int, str]:
        """Names for the channel counts in which blocks of one kind differ."""
        widths = [block.widths[n] for n in varying]
        if len(widths) == 1:
            return {widths[0]: "channels"}
        known = {
            self.graph.shapes[block.output].channels: "c_out",
            self.graph.shapes[block.inputs[0]].channels: "c_in",
        }
        return {width: known.get(width, f"c{n}") for n, width in enumerate(widths)}

    def _model(self, calls: Mapping[int, Part]) -> Class:
        inputs = self.graph.inputs
        if len(inputs) == 1:
            arguments: tuple[str, ...] = ("x",)
        else:
            names = Names(WORDS)
            arguments = tuple(
                names.fresh(identifier(self.graph.nodes[index].key)) for index in inputs
            )
        parts = [
            calls.get(index) or self._part(index, str)
            for index, node in enumerate(self.graph)
            if not isinstance(node.op, Input | Identity)
        ]
        # A block stands once, where its last node stood: everything it reads comes earlier.
        parts = [p for n, p in enumerate(parts) if n + 1 == len(parts) or parts[n + 1] is not p]
        body = write_body(parts, dict(zip(inputs, arguments, strict=True)), self.outputs)
        return Class(self.name, "", (), arguments, len(self.outputs), body)

    def _paths(self, model: Body, inside: Mapping[int, Mapping[int, str]]) -> dict[str, str]:
        """Where the module of every node hangs, by key; blocks hand in what is inside them."""
        paths: dict[str, str] = {}
        for value, path in model.paths.items():
            if value in inside:
                for index, inner in inside[value].items():
                    paths[self.graph.nodes[index].key] = f"{path}.{inner}"
            else:
                paths[self.graph.nodes[value].key] = path
        return paths


def _arguments(inputs: tuple[int, ...]) -> tuple[str, ...]:
    return ("x",) if len(inputs) == 1 else tuple(f"x{n}" for n in range(1, len(inputs) + 1))


def _scopes(graph: Graph) -> list[str]:
    """Per node, the scope that is its block.

    Two components of the key (``stage1/cell0``) where everything under the first has more than
    two, else one (``layer2``, which owns ``layer2/join``); none for a key of one component.
    """
    keys = [tuple(node.key.split("/")) for node in graph]
    shortest: dict[str, int] = {}
    for key in keys:
        shortest[key[0]] = min(len(key), shortest.get(key[0], len(key)))
    return ["/".join(key[: min(shortest[key[0]] - 1, 2)]) for key in keys]
