"""Many graphs as one: what several of them compute is there once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from nascout.graph.graph import Graph, Node
from nascout.graph.op import Op
from nascout.graph.ops import Add, Identity, Input, Zero
from nascout.graph.shape import Shape

__all__ = ["Merged", "Slot", "merge"]


class Slot(NamedTuple):
    """A tensor: an operation on earlier slots, with the weights that belong to ``key``.

    The key of what has no weights is empty; that of an input is its position. A ``Zero`` reads
    nothing: it is zeros of the slot's shape.
    """

    op: Op
    inputs: tuple[int, ...]
    key: str
    shape: Shape


@dataclass(frozen=True, eq=False)
class Merged:
    """Slots in topological order, and where each graph finds its nodes and outputs.

    Args:
        slots: the tensors, each after what it reads.
        places: per graph, the slot of each node; -1 for nodes that no output depends on.
        outputs: per graph, the slots of its outputs.
    """

    slots: tuple[Slot, ...]
    places: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]

    def input_shapes(self, index: int) -> tuple[Shape, ...]:
        """The shapes that slot ``index`` reads."""
        return tuple(self.slots[i].shape for i in self.slots[index].inputs)

    def readers(self) -> Counter[int]:
        """How often each slot is read, by slots and as an output of graphs."""
        read = Counter(i for slot in self.slots for i in slot.inputs)
        read.update(i for outputs in self.outputs for i in outputs)
        return read

    def by_level(self, width: Callable[[Slot], int]) -> Iterator[tuple[int, ...]]:
        """All slots, what can be computed together in one tuple of ``width(slot)`` or a half, ....

        Together are slots of one operation with the same weights on inputs of the same shapes,
        equally far from the network's inputs. Halves keep the sizes few.
        """
        level: list[int] = []
        groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for index, slot in enumerate(self.slots):
            level.append(1 + max((level[i] for i in slot.inputs), default=-1))
            groups[level[-1], slot.op, slot.key, self.input_shapes(index), slot.shape].append(index)
        for members in sorted(groups.values(), key=lambda group: level[group[0]]):
            most, start = width(self.slots[members[0]]), 0
            while start < len(members):
                while most > len(members) - start:
                    most //= 2
                yield tuple(members[start : start + most])
                start += most

    def peak(self) -> int:
        """The most numbers per sample that are held at a time, slot after slot."""
        waiting, held, most = self.readers(), 0, 0
        for slot in self.slots:
            held += prod(slot.shape)
            most = max(most, held)
            for i in slot.inputs:
                waiting[i] -= 1
                held -= 0 if waiting[i] else prod(self.slots[i].shape)
        return most


def merge(graphs: Sequence[Graph]) -> Merged:
    """One program for many graphs, by hash-consing.

    Nodes with one operation, one key (if it has weights) and the same inputs are one slot.
    Identities are their input, sums drop zeros, and what keeps zeros gives them, so every graph's
    outputs are what they were, but for the order of a sum's terms.

    Example: the second graph adds a single slot, its second ReLU.
        >>> from nascout.graph.builder import Builder
        >>> from nascout.graph.ops import Conv2d, ReLU
        >>> def chain(*ops):
        ...     g = Builder()
        ...     return g.graph(g.chain(ops, g.input((3, 8, 8)), key="c"))
        >>> one, two = chain(Conv2d(4, 3), ReLU()), chain(Conv2d(4, 3), ReLU(), ReLU())
        >>> len(one), len(two), len(merge([one, two]).slots)
        (3, 4, 4)
    """
    merging = _Merging()
    places = [merging.add(graph) for graph in graphs]
    outputs = [
        tuple(place[out] for out in graph.outputs)
        for graph, place in zip(graphs, places, strict=True)
    ]
    return Merged(tuple(merging.slots), tuple(places), tuple(outputs))


class _Merging:
    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.known: dict[Slot, int] = {}
        self.zeros: set[int] = set()

    def add(self, graph: Graph) -> tuple[int, ...]:
        """The slot of each node."""
        place: list[int] = []
        for index, (node, live) in enumerate(zip(graph, graph.live, strict=True)):
            inputs = tuple([place[i] for i in node.inputs])
            place.append(self._node(graph, index, node, inputs) if live else -1)
        return tuple(place)

    def _node(self, graph: Graph, index: int, node: Node, inputs: tuple[int, ...]) -> int:
        op, shape = node.op, graph.shapes[index]
        if isinstance(op, Identity):
            return inputs[0]
        if isinstance(op, Input):
            return self._slot(Slot(op, (), str(graph.inputs.index(index)), shape))
        if isinstance(op, Add):
            inputs = tuple([i for i in inputs if i not in self.zeros])
            if len(inputs) == 1:
                return inputs[0]
        learned = graph.costs[index][0] > 0
        if isinstance(op, Zero) or (
            op.keeps_zero and not learned and self.zeros.issuperset(inputs)
        ):
            zero = self._slot(Slot(Zero(), (), "", shape))
            self.zeros.add(zero)
            return zero
        inputs = tuple(sorted(inputs)) if op.commutative else inputs
        return self._slot(Slot(op, inputs, node.key if learned else "", shape))

    def _slot(self, slot: Slot) -> int:
        if slot not in self.known:
            self.known[slot] = len(self.slots)
            self.slots.append(slot)
        return self.known[slot]
