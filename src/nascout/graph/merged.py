"""Many graphs as one: what several of them compute is there once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from nascout.graph.graph import Call, Graph
from nascout.graph.op import Op
from nascout.graph.ops import Add, Identity, Input, Zero
from nascout.graph.shape import Shape

__all__ = ["Merged", "Slot", "merge"]

ZERO = Zero()


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
        calls: per slot, a number that stands for its operation and the shapes that it reads
            where its graph has it; a sum has dropped zeros since.
        places: per graph, the slot of each node; -1 for nodes that no output depends on.
        outputs: per graph, the slots of its outputs.
    """

    slots: tuple[Slot, ...]
    calls: tuple[int, ...]
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

    def peak(self, steps: Sequence[tuple[int, ...]] = ()) -> int:
        """The most numbers per sample that are held at a time.

        Args:
            steps: which slots run together, in order; none for one after the other.
        """
        waiting, held, most = self.readers(), 0, 0
        for step in steps or ((index,) for index in range(len(self.slots))):
            held += sum(prod(self.slots[index].shape) for index in step)
            most = max(most, held)
            for i in (i for index in step for i in self.slots[index].inputs):
                waiting[i] -= 1
                held -= 0 if waiting[i] else prod(self.slots[i].shape)
        return most


def merge(graphs: Sequence[Graph], without: tuple[type[Op], ...] = ()) -> Merged:
    """One program for many graphs, by hash-consing.

    Nodes with one operation, one key (if it has weights) and the same inputs are one slot.
    Identities are their input, sums drop zeros, and what keeps zeros gives them, so every graph's
    outputs are what they were, but for the order of a sum's terms.

    Args:
        graphs: of any spaces.
        without: operations on one input that are to be taken for identities.

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
    merging = _Merging((Identity, *without))
    places = [merging.add(graph) for graph in graphs]
    outputs = [
        tuple(place[out] for out in graph.outputs)
        for graph, place in zip(graphs, places, strict=True)
    ]
    return Merged(tuple(merging.slots), tuple(merging.calls), tuple(places), tuple(outputs))


class _Merging:
    def __init__(self, identities: tuple[type[Op], ...]) -> None:
        self.identities = identities
        self.slots: list[Slot] = []
        self.calls: list[int] = []
        self.zeros: set[int] = set()
        # Slots by the number of their call, their inputs and their key. Numbers stand for calls
        # since equal ones are most often one object, and comparing operations is slow.
        self._known: dict[tuple[int, tuple[int, ...], str], int] = {}
        self._numbers: dict[tuple[object, ...], int] = {}
        self._seen: dict[int, tuple[Call, int]] = {}

    def add(self, graph: Graph) -> tuple[int, ...]:
        """The slot of each node."""
        place: list[int] = []
        for node, call, live in zip(graph, graph.calls, graph.live, strict=True):
            if isinstance(node.op, Input):
                key = str(graph.inputs.index(len(place)))
                place.append(self._slot(call, (), key))
            elif live:
                inputs = tuple([place[i] for i in node.inputs])
                place.append(self._node(call, inputs, node.key))
            else:
                place.append(-1)
        return tuple(place)

    def _node(self, call: Call, inputs: tuple[int, ...], key: str) -> int:
        op = call.op
        if isinstance(op, self.identities):
            return inputs[0]
        if isinstance(op, Add):
            inputs = tuple([i for i in inputs if i not in self.zeros])
            if len(inputs) == 1:
                return inputs[0]
        learned = call.cost[0] > 0
        if isinstance(op, Zero) or (
            op.keeps_zero and not learned and self.zeros.issuperset(inputs)
        ):
            zero = self._slot(Call(ZERO, (call.shape,), call.shape), (), "")
            self.zeros.add(zero)
            return zero
        if op.commutative:
            inputs = tuple(sorted(inputs))
        return self._slot(call, inputs, key if learned else "")

    def _slot(self, call: Call, inputs: tuple[int, ...], key: str) -> int:
        known = self._number(call), inputs, key
        if known not in self._known:
            self._known[known] = len(self.slots)
            self.slots.append(Slot(call.op, inputs, key, call.shape))
            self.calls.append(known[0])
        return self._known[known]

    def _number(self, call: Call) -> int:
        if id(call) not in self._seen:
            number = self._numbers.setdefault((call.op, call.inputs), len(self._numbers))
            self._seen[id(call)] = call, number
        return self._seen[id(call)][1]
