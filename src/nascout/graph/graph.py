"""The graph: a tuple of nodes in topological order. Small, immutable, torch-free."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from nascout.errors import GraphError
from nascout.graph.op import OPS, Op
from nascout.graph.ops import Input
from nascout.graph.shape import Shape

__all__ = ["Call", "Graph", "Node"]

FORMAT = 1


class Node(NamedTuple):
    """An operation, the indices of its inputs, and its key: its position in the skeleton.

    The key names the node in messages, drawings and parameter names, and its weights are drawn
    from ``(seed, key, shape)``.
    """

    op: Op
    inputs: tuple[int, ...]
    key: str


@dataclass(frozen=True, eq=False)
class Call:
    """An operation on inputs of certain shapes, and the shape it gives."""

    op: Op
    inputs: tuple[Shape, ...]
    shape: Shape

    @cached_property
    def cost(self) -> tuple[int, int]:
        """Params and MACs."""
        return self.op.params(*self.inputs), self.op.macs(*self.inputs)


@dataclass(frozen=True)
class Graph:
    """Nodes, each after its inputs, and the indices of the outputs.

    Equality is content. Shapes are inferred on first use, so a graph whose junctions disagree
    can be held, and mended by :func:`nascout.graph.repair.repair`.

    Raises:
        GraphError: an input that does not come earlier, a wrong number of inputs, a key used
            twice, or no output; the message names the node.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        for index, node in enumerate(self.nodes):
            arity, inputs = node.op.arity, node.inputs
            if len(inputs) != arity and (arity is not None or not inputs):
                raise _wrong_number(node)
            for source in inputs:
                if not 0 <= source < index:
                    raise GraphError(
                        f"node {node.key!r} reads node {source}, which does not come before it",
                        "List nodes in topological order; cycles are not allowed.",
                    )
        if len({node.key for node in self.nodes}) < len(self.nodes):
            ((key, _),) = Counter(node.key for node in self.nodes).most_common(1)
            raise GraphError(f"two nodes have the key {key!r}", "Give each its own key.")
        if not self.outputs:
            raise GraphError("the graph has no output", "Name at least one output node.")
        for out in self.outputs:
            if not 0 <= out < len(self.nodes):
                raise GraphError(f"output {out} is not a node", f"Use 0..{len(self.nodes) - 1}.")

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """Per node, the operation on the shapes that it reads; one object for equal ones.

        Raises:
            GraphError: shapes that do not fit; names the node and its inputs.
        """
        calls: list[Call] = []
        for node in self.nodes:
            read = tuple([calls[i].shape for i in node.inputs])
            # Kept with the operation, since it often stands in many places of many graphs.
            known = vars(node.op).setdefault("_calls", {})
            if read not in known:
                known[read] = Call(node.op, read, output_shape(node, read))
            calls.append(known[read])
        return tuple(calls)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of every node's output, for one sample.

        Raises:
            GraphError: as for :attr:`calls`.
        """
        return tuple([call.shape for call in self.calls])

    def input_shapes(self, index: int) -> tuple[Shape, ...]:
        """The shapes that node ``index`` reads."""
        return self.calls[index].inputs

    @cached_property
    def costs(self) -> tuple[tuple[int, int], ...]:
        """Params and MACs of every node."""
        return tuple([call.cost for call in self.calls])

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Indices of the Input nodes, in order."""
        return tuple(i for i, node in enumerate(self.nodes) if isinstance(node.op, Input))

    @cached_property
    def live(self) -> tuple[bool, ...]:
        """Per node, whether an output depends on it. ``Zero`` counts as a dependency."""
        live = [False] * len(self.nodes)
        for out in self.outputs:
            live[out] = True
        for index in range(len(self.nodes) - 1, -1, -1):
            if live[index]:
                for source in self.nodes[index].inputs:
                    live[source] = True
        return tuple(live)

    @cached_property
    def spent(self) -> tuple[tuple[int, ...], ...]:
        """Per node, the nodes that no later one reads, nor an output is.

        A node that nobody reads at all is spent at once.
        """
        last_read = list(range(len(self.nodes)))
        for index, node in enumerate(self.nodes):
            for source in node.inputs:
                last_read[source] = index
        spent: list[list[int]] = [[] for _ in self.nodes]
        for source in set(range(len(self.nodes))) - set(self.outputs):
            spent[last_read[source]].append(source)
        return tuple(map(tuple, spent))

    def prune(self) -> Graph:
        """The graph without nodes that no output depends on; inputs stay."""
        keep = [
            i for i, node in enumerate(self.nodes) if self.live[i] or isinstance(node.op, Input)
        ]
        place = {old: new for new, old in enumerate(keep)}
        nodes = tuple(
            Node(n.op, tuple(place[s] for s in n.inputs), n.key)
            for n in (self.nodes[i] for i in keep)
        )
        return Graph(nodes, tuple(place[o] for o in self.outputs))

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def to_json(self) -> str:
        """JSON text that :meth:`from_json` reads back to an equal graph."""
        nodes = [
            {
                "op": type(node.op).__name__,
                "key": node.key,
                "inputs": list(node.inputs),
                **node.op.attributes(),
            }
            for node in self.nodes
        ]
        return json.dumps({"format": FORMAT, "nodes": nodes, "outputs": list(self.outputs)})

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """Read what :meth:`to_json` wrote.

        Raises:
            GraphError: not JSON, another format, or a graph that means nothing.
            UnknownName: an op that is not registered.
        """
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise GraphError(
                    f"graph format {content['format']!r} is unknown", f"This reads {FORMAT}."
                )
            nodes = tuple(_read_node(entry) for entry in content["nodes"])
            return cls(nodes, tuple(content["outputs"]))
        except (ValueError, KeyError, TypeError) as error:
            raise GraphError(
                f"this is not a graph in JSON ({error!r})", "Write it with Graph.to_json."
            ) from None


def _wrong_number(node: Node) -> GraphError:
    arity = node.op.arity
    wanted = "at least one input" if arity is None else f"{arity} input(s)"
    return GraphError(
        f"node {node.key!r} ({type(node.op).__name__}) has {len(node.inputs)} inputs",
        f"It takes {wanted}.",
    )


def output_shape(node: Node, inputs: Sequence[Shape]) -> Shape:
    """The shape ``node`` gives, with its name in the error if it gives none."""
    try:
        return node.op.shape(*inputs)
    except ValueError as error:
        raise GraphError(
            f"node {node.key!r}: {error}", "Change the node, or mend junctions with repair(graph)."
        ) from None


def _read_node(entry: dict[str, Any]) -> Node:
    attributes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in entry.items()
        if name not in ("op", "key", "inputs")
    }
    return Node(OPS[entry["op"]](**attributes), tuple(entry["inputs"]), entry["key"])
