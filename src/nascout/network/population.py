"""Many graphs run as one program: equal work is done once, work of one kind together."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from nascout.graph.lockstep import lockstep
from nascout.graph.merged import Merged, Slot
from nascout.graph.op import Op
from nascout.graph.ops import Add, BatchNorm, Input, Zero
from nascout.graph.shape import Shape
from nascout.network.batch_statistics import add_normalised
from nascout.network.lowering import lower
from nascout.network.module import initialise_node, undrawn
from nascout.network.population_ops import TOGETHER, add, run

__all__ = ["Population"]

Read = Callable[[Tensor], None]
# Below this many numbers, starting an operation costs a CPU more than computing it.
SMALL = 2**17


class Population:
    """Runs merged graphs in train mode, every slot once.

    Where tensors are large, the graphs run one after the other, so that a tensor is used while it
    is in the cache, and is freed after its last reader. Where they are small, or on a GPU, the
    same operation with the same weights runs on the inputs of many graphs in one call; batch
    statistics stay those of each graph.

    Args:
        seed: of the weights, which are those of ``build(graph, seed)``.
        device, dtype: of the weights.
        initialise: what draws the weights of a module with this key instead.
        wrap: what runs in place of an operation's module.
        kept: whether what the graphs compute is kept for a backward pass.
        learning: whether that pass goes to the weights.
    """

    def __init__(
        self,
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
        *,
        initialise: Callable[[nn.Module, str], None] | None = None,
        wrap: Callable[[Op, nn.Module], nn.Module] = lambda op, module: module,
        kept: bool = False,
        learning: bool = False,
    ) -> None:
        self.seed, self.device, self.dtype = seed, device, dtype
        self.initialise = initialise or partial(initialise_node, seed=seed)
        self.wrap, self.kept, self.learning = wrap, kept, learning
        self._modules: dict[tuple[Op, str, tuple[Shape, ...]], nn.Module] = {}
        self._planned: tuple[Merged | None, int, tuple[tuple[int, ...], ...]] = None, 0, ()

    def __call__(
        self, merged: Merged, inputs: Sequence[Tensor], readers: Mapping[int, Read] | None = None
    ) -> Iterator[tuple[Tensor, ...]]:
        """The outputs of each graph, in order.

        Args:
            merged: the graphs.
            inputs: one batch (n, *shape) per input.
            readers: by slot, what is called with its tensor as soon as it is there. It may not
                keep the tensor, unless it is kept for a backward pass.
        """
        steps = self.steps(merged, len(inputs[0]))
        left = set() if steps else self._left_to_sums(merged, readers or {})
        running = _Running(self, merged, inputs, readers or {}, left)
        running.compute(steps)
        done = 0
        for place, outputs in zip(merged.places, merged.outputs, strict=True):
            running.compute((i,) for i in range(done, max(place) + 1))
            done = max(done, max(place) + 1)
            yield running.taken(outputs)

    def steps(self, merged: Merged, samples: int) -> Sequence[tuple[int, ...]]:
        """Which slots run together, in order; none if the graphs run one after the other."""
        if self._planned[:2] != (merged, samples):
            most = max(prod(slot.shape) for slot in merged.slots) * samples
            together = not self.kept and (most <= SMALL or self.device.type != "cpu")
            steps = tuple(lockstep(merged, self._width(samples))) if together else ()
            self._planned = merged, samples, steps
        return self._planned[2]

    def _width(self, samples: int) -> Callable[[Slot], int]:
        """How many slots run together, in powers of two: libraries prepare for every new size."""
        on_cpu = self.device.type == "cpu"
        numbers = 4 * SMALL if on_cpu else 2**26

        def width(slot: Slot) -> int:
            # Joining the terms of many sums takes longer than starting each by itself.
            if type(slot.op) not in TOGETHER or (on_cpu and isinstance(slot.op, Add)):
                return 1
            most = numbers // (samples * prod(slot.shape))
            return 1 << max(0, most.bit_length() - 1)

        return width

    def _left_to_sums(self, merged: Merged, read: Container[int]) -> set[int]:
        """Normalised maps that only a sum reads: it normalises them while it adds them up."""
        if self.kept or self.device.type != "cpu" or self.dtype == torch.float64:
            return set()
        slots, readers = merged.slots, merged.readers()
        return {
            i
            for slot in slots
            if isinstance(slot.op, Add)
            for i in slot.inputs
            if isinstance(slots[i].op, BatchNorm) and len(slots[i].shape) == 3
            if readers[i] == 1 and i not in read
        }

    def module(self, op: Op, key: str, shapes: tuple[Shape, ...]) -> nn.Module:
        """The module of an operation on inputs of these shapes; one per key."""
        found = self._modules.get((op, key, shapes))
        if found is None:
            with undrawn(self.seed):
                module = lower(op, shapes)
            self.initialise(module, key)
            module.to(self.device, self.dtype).train().requires_grad_(self.learning)
            found = self._modules[op, key, shapes] = self.wrap(op, module)
        return found


class _Running:
    """One pass through a population.

    Args:
        left: slots that are not computed by themselves, but by the sum that alone reads them.
    """

    def __init__(
        self,
        population: Population,
        merged: Merged,
        inputs: Sequence[Tensor],
        readers: Mapping[int, Read],
        left: Set[int],
    ) -> None:
        self.population, self.merged, self.readers, self.left = population, merged, readers, left
        self.inputs = [_channels_last(x) for x in inputs]
        self.waiting = dict(merged.readers())
        self.values: dict[int, Tensor] = {}
        self.computed: set[int] = set()

    def compute(self, steps: Iterable[tuple[int, ...]]) -> None:
        """The slots of every step in one call, if they are not there yet."""
        for step in steps:
            if step[0] in self.computed or step[0] in self.left:
                continue
            self.computed.update(step)
            values = self._values(step)
            for index, value in zip(step, values, strict=True):
                self.values[index] = value
                if index in self.readers:
                    self.readers[index](value)
                if not self.waiting.get(index):
                    del self.values[index]
            for index in step:
                sources = self.merged.slots[index].inputs
                self._release(map(self._source, sources) if self.left else sources)

    def taken(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        """The values of outputs, which need not be held on."""
        values = tuple(self.values[i] for i in indices)
        self._release(indices)
        return values

    def _values(self, step: tuple[int, ...]) -> Sequence[Tensor]:
        first = self.merged.slots[step[0]]
        if isinstance(first.op, Input):
            return [self.inputs[int(first.key)]]
        if isinstance(first.op, Zero):
            return [_channels_last(self.inputs[0].new_zeros(len(self.inputs[0]), *first.shape))]
        if isinstance(first.op, Add) and len(step) == 1:
            return [self._sum(first)]
        module = self.population.module(first.op, first.key, self.merged.input_shapes(step[0]))
        columns = zip(*(self.merged.slots[index].inputs for index in step), strict=True)
        read = [_joined([self.values[i] for i in column]) for column in columns]
        spare = not self.population.kept if len(step) > 1 else self._is_spare(first.inputs[0])
        value = run(first.op, module, read, len(step), spare)
        return value.chunk(len(step)) if len(step) > 1 else [value]

    def _sum(self, slot: Slot) -> Tensor:
        """A sum; it overwrites a term that nobody else reads, if there is one."""
        if self.left.isdisjoint(slot.inputs):
            order = sorted(slot.inputs, key=self._is_spare, reverse=True)
            return add([self.values[i] for i in order], self._is_spare(order[0]))
        order = sorted(slot.inputs, key=lambda i: not self._is_spare(self._source(i)))
        plain = [self.values[i] for i in order if i not in self.left]
        left = [self._source(i) for i in order if i in self.left]
        maps = [self.values[i] for i in left]
        return add_normalised(maps, plain, spare=self._is_spare(left[0]))

    def _source(self, index: int) -> int:
        """The slot that is read where ``index`` is."""
        return self.merged.slots[index].inputs[0] if index in self.left else index

    def _is_spare(self, index: int) -> bool:
        """Whether nobody reads this slot again after the step that runs."""
        if self.population.kept or self.waiting[index] > 1:
            return False
        return not isinstance(self.merged.slots[index].op, Input)

    def _release(self, indices: Iterable[int]) -> None:
        for index in indices:
            self.waiting[index] -= 1
            if not self.waiting[index]:
                del self.values[index]


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(tensors)) if len(tensors) > 1 else tensors[0]


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
