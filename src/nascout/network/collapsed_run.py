"""Values at one constant weight: numbers, computed when they are needed.

A plane is dropped after its last reader. What rounding would lose is not computed: with a small
constant, one path through a network is often 1e-9 of another, and nothing of a network whose
every path has many layers is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from math import sqrt
from typing import Final

import torch
from torch import Tensor

from nascout.network.collapsed_planes import Plane, scaled, settled, solid
from nascout.network.collapsed_values import ADD, Value, Values, by_index

__all__ = ["Run"]

AREA: Final = 2**20  # positions of a map, at most; a larger one may be taken for zero too early
KEPT: Final = 8  # planes that were only measured, and are likely to be read next


class Run:
    """Computes values with every weight at ``constant``, which is positive.

    Args:
        values: what there is to compute.
        constant: every weight; biases are zero.
        memory: bytes of planes that may wait for other values.
    """

    def __init__(self, values: Values, constant: float, memory: int) -> None:
        self._values = values
        self._constant = constant
        self._memory = memory
        numbers = torch.finfo(values.batch[0].dtype)
        self._eps = numbers.eps
        # Half the smallest number rounds to zero.
        self._least = numbers.tiny * numbers.eps / 2 / sqrt(values.samples * AREA)
        self._safe = numbers.tiny / numbers.eps**2, numbers.max * numbers.eps
        self._bounds: dict[Value, float] = {}
        self._floors: dict[Value, float] = {}
        self._same: dict[Value, Value] = {}
        self._results: dict[Value, Tensor] = {}
        self._held: dict[Value, Plane] = {}
        self._readers: dict[Value, int] = {}
        self._measured: deque[Value] = deque()
        self._expected: set[Value] = set()

    def expect(self, value: Value) -> None:
        """Announce that :meth:`result` will be asked for, so that what is shared is held."""
        if self._constant >= 1 and value not in self._results:
            self._await(value)

    @torch.no_grad()
    def result(self, value: Value) -> Tensor:
        """(n,) the value at its first position."""
        if sum(plane.data.nbytes for plane in self._held.values()) > self._memory:
            self._release()
        if self._bound(value) == 0:
            return self._values.batch[0].new_zeros(self._values.samples)
        if self._constant < 1:
            value = self._thrifty(value)
        if value not in self._results:
            first = solid(self._plane(value)).reshape(-1, self._values.samples)[0]
            self._results[value] = first.clone()  # the plane's memory is used again
        return self._results[value]

    def _bound(self, value: Value) -> float:
        """What the root mean square does not exceed; 0 where rounding leaves nothing."""
        if value in self._bounds:
            return self._bounds[value]
        bounds, least = self._bounds, self._least
        for one in _before(value, bounds):
            step, inputs, counts, weighted = one.made
            read = [bounds[i] for i in inputs]
            weight = self._constant if weighted else 1.0
            if step is ADD:  # a product that rounds to zero adds nothing
                read = [0.0 if bound * weight <= least else bound for bound in read]
            options = {"weight": weight} if weighted else {}
            bound = step.bound(*read, *counts, **options)
            bounds[one] = 0.0 if bound <= least else bound
        return bounds[value]

    def _is_lost(self, bound: float, weighted: bool = False) -> bool:
        return bound * (self._constant if weighted else 1.0) <= self._least

    def _thrifty(self, value: Value) -> Value:
        """The same without terms of sums that rounding would lose."""
        for one in _before(value, self._same):
            step, inputs, counts, weighted = one.made
            inputs = tuple([self._same[i] for i in inputs])
            if step is ADD:
                self._same[one] = self._thrifty_sum(inputs, counts, weighted)
            else:
                derive = self._values.derive
                self._same[one] = derive(step, inputs, counts, one.area, weighted=weighted)
        return self._same[value]

    def _thrifty_sum(
        self, inputs: tuple[Value, ...], counts: tuple[int, ...], weighted: bool
    ) -> Value:
        sizes: dict[Value, float] = {}
        terms: dict[Value, int] = {}
        for value, count in zip(inputs, counts, strict=True):
            if not self._is_lost(self._bound(value), weighted):
                terms[value] = terms.get(value, 0) + count
                sizes[value] = self._bound(value) * terms[value]
        if not terms:
            return self._values.zeros(inputs[0].area)
        floor = self._eps * max(sizes.values())
        faint = [value for value, size in sizes.items() if size < floor]
        if faint:
            loud = {value: count for value, count in terms.items() if value not in faint}
            total = self._values.total(loud, weighted=weighted)
            lost = sum(sizes[value] for value in faint) * (self._constant if weighted else 1.0)
            if lost <= self._floor(total):
                return total
        return self._values.total(terms, weighted=weighted)

    def _floor(self, value: Value) -> float:
        """What may be left out beside ``value``; nothing if it has zeros, which would stay zeros.

        Measures the value, and sharpens its bound.
        """
        if value not in self._floors:
            plane = self._plane(value, keep=True)
            deviation, size = plane.deviation()
            whole = bool(solid(plane).all())
            self._floors[value] = self._eps * deviation if whole else 0.0
            self._bounds[value] = min(self._bound(value), 1.001 * size)
        return self._floors[value]

    def _plane(self, value: Value, *, keep: bool = False) -> Plane:
        """The numbers of a value; some are kept for a while."""
        self._await(value)
        self._wait_for(value)
        for one in _before(value, self._held):
            self._held[one] = self._computed(one)
            self._held[one].field.readers += 1
            self._expected.discard(one)
        plane = self._held[value]
        if keep:
            self._measured.append(value)
        if not keep or len(self._measured) > KEPT:
            self._read(self._measured.popleft() if keep else value)
        return plane

    def _computed(self, value: Value) -> Plane:
        step, inputs, counts, weighted = value.made
        weight = {"weight": self._constant} if weighted else {}
        read = [self._held[i] for i in inputs]
        for source in inputs:
            self._read(source)
        bound = self._bound(value)
        if bound == 0 or self._safe[0] <= bound <= self._safe[1]:
            return step.compute(*read, *counts, **weight)
        # What is close to the smallest or largest number rounds, or overflows, where it does in
        # a network: after every step, and each product before their sum.
        if weighted and step is ADD:
            read = [settled(scaled(plane, self._constant)) for plane in read]
            weight = {}
        return settled(step.compute(*read, *counts, **weight))

    def _await(self, value: Value) -> None:
        for one in _cone(value, self._held):
            if one not in self._expected:
                self._expected.add(one)
                for source in one.made[1]:
                    self._wait_for(source)

    def _wait_for(self, value: Value) -> None:
        self._readers[value] = self._readers.get(value, 0) + 1

    def _read(self, value: Value) -> None:
        left = self._readers.pop(value) - 1
        if left:
            self._readers[value] = left
        elif value in self._held:
            self._held.pop(value).field.readers -= 1

    def _release(self) -> None:
        """Drop all planes; what is needed again is computed again."""
        self._held.clear()
        self._readers.clear()
        self._measured.clear()
        self._expected.clear()


def _cone(value: Value, known: Container[Value]) -> set[Value]:
    """The value and what it is made of, as far as that is not known."""
    found: set[Value] = set()
    stack = [value]
    while stack:
        one = stack.pop()
        if one not in found and one not in known:
            found.add(one)
            stack.extend(one.made[1])
    return found


def _before(value: Value, known: Container[Value]) -> list[Value]:
    """The cone of a value, each after what it is made of."""
    return sorted(_cone(value, known), key=by_index)
