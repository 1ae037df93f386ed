"""What networks of constant weights compute: values of one channel, each known once.

A value is what a step makes of other values; asked for again, it is the same object, so what
networks share is shared. Nothing here depends on the constant, and nothing is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod, sqrt
from operator import attrgetter
from typing import Any, Final

import torch
from torch import Tensor

from nascout.errors import UnsupportedNetwork
from nascout.graph.shape import Shape
from nascout.graph.window import Window, pair
from nascout.network import collapsed_planes as planes
from nascout.network.collapsed_planes import EPS, Axis, Field, Grid, Plane

__all__ = ["ADD", "Step", "Value", "Values", "by_index"]

by_index: Final = attrgetter("index")


@dataclass(frozen=True, eq=False)
class Step:
    """A function of planes, and what is known of the size of its result.

    Args:
        compute: ``compute(*planes, *counts)``, with ``weight=`` the constant if it is weighted.
        bound: of the inputs' bounds instead of their planes, what the root mean square of the
            result does not exceed: infinity where that is not known.
    """

    compute: Callable[..., Plane]
    bound: Callable[..., float]


class Value:
    """One channel (*area, n): a step, its inputs and their counts, and whether it is weighted."""

    __slots__ = ("area", "index", "made")

    def __init__(
        self,
        index: int,
        made: tuple[Step, tuple[Value, ...], tuple[int, ...], bool],
        area: tuple[int, ...],
    ) -> None:
        self.index = index
        self.made = made
        self.area = area


def _sum(*bounds_and_counts: float, weight: float = 1.0) -> float:
    half = len(bounds_and_counts) // 2
    pairs = zip(bounds_and_counts[:half], bounds_and_counts[half:], strict=True)
    return weight * sum([bound * count for bound, count in pairs])


ADD: Final = Step(planes.add, _sum)
NORMALISE: Final = Step(
    planes.normalise, lambda bound, weight=1.0: weight * min(bound / sqrt(EPS), 1.0)
)
NORMALISE_FRESH: Final = Step(
    planes.normalise_fresh, lambda bound, weight=1.0: weight * bound / sqrt(1 + EPS)
)


class Values:
    """All values of networks on one batch.

    Args:
        batch: one (n, channels, *area) tensor per input of the networks.
        train: batch statistics, or those of a normalisation that has seen nothing.
    """

    def __init__(self, batch: Sequence[Tensor], *, train: bool = True) -> None:
        self.batch = batch
        self.samples = batch[0].shape[0]
        self._train = train
        self._spare: planes.Spare = defaultdict(list)
        # |x g| is at most |x| max |g|, and that is at most sqrt(n) times the rms of g.
        self.multiply = Step(planes.multiply, lambda x, gate: x * gate * sqrt(self.samples))
        self._known: dict[Any, Value] = {}
        self._inputs: dict[tuple[int, int], Value] = {}
        self._zeros: dict[tuple[int, ...], Value] = {}
        self._windows: dict[Any, tuple[Step | None, tuple[int, ...]]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def derive(
        self,
        step: Step,
        inputs: tuple[Value, ...],
        counts: tuple[int, ...] = (),
        area: tuple[int, ...] | None = None,
        *,
        weighted: bool = False,
    ) -> Value:
        """What a step makes of ``inputs``.

        Args:
            step: the same object for the same step.
            inputs: whose planes it gets.
            counts: what else it gets.
            area: height and width of the result; those of the first input by default.
            weighted: whether it gets the constant, too.
        """
        made = (step, inputs, counts, weighted)
        value = self._known.get(made)
        if value is None:
            area = inputs[0].area if area is None else area
            # What keeps zero has a bound that does.
            if (
                inputs
                and all(map(self._is_zero, inputs))
                and not step.bound(*[0.0] * len(inputs), *counts)
            ):
                value = self._known[made] = self.zeros(area)
            else:
                value = self._known[made] = Value(len(self._known), made, area)
        return value

    def input(self, which: int, channel: int) -> Value:
        """One channel of an input of the networks."""
        if (which, channel) not in self._inputs:
            x = self.batch[which][:, channel].detach()
            plane = Plane(Field(x.movedim(0, -1).contiguous(), self._spare))
            plane.field.readers = 1  # whoever comes
            # Rounded up, since a bound must not be below.
            bound = 1.001 * float(torch.linalg.vector_norm(x.double())) / sqrt(x.numel())
            given = Step(lambda: plane, lambda: bound)
            self._inputs[which, channel] = self.derive(given, (), area=tuple(x.shape[1:]))
        return self._inputs[which, channel]

    def zeros(self, area: tuple[int, ...]) -> Value:
        """Zero everywhere."""
        if area not in self._zeros:
            like, shape = self.batch[0], (*area, self.samples)
            step = Step(lambda: Plane(Field(like.new_zeros(shape), self._spare)), lambda: 0.0)
            self._zeros[area] = self.derive(step, (), area=area)
        return self._zeros[area]

    def _is_zero(self, value: Value) -> bool:
        return self._zeros.get(value.area) is value

    def total(self, terms: Mapping[Value, int], *, weighted: bool = False) -> Value:
        """The sum of count times value, times the constant if ``weighted``."""
        inputs = tuple([value for value in terms if not self._is_zero(value)])
        if not inputs:
            return self.zeros(next(iter(terms)).area)
        if len(inputs) > 1:
            inputs = tuple(sorted(inputs, key=by_index))
        counts = tuple([terms[value] for value in inputs])
        if counts == (1,) and not weighted:
            return inputs[0]
        return self.derive(ADD, inputs, counts, weighted=weighted)

    def normalise(self, x: Value, *, weighted: bool) -> Value:
        """Batch normalisation, times the constant if ``weighted``."""
        if self._train and self.samples * prod(x.area) == 1:
            raise UnsupportedNetwork(
                "one number has no batch statistics", "Give a batch of at least two samples."
            )
        step = NORMALISE if self._train else NORMALISE_FRESH
        return self.derive(step, (x,), weighted=weighted)

    def window(self, x: Value, op: Window, kind: str) -> Value:
        """The ``"sum"``, ``"mean"`` or ``"max"`` over a window; padding is zero, or left out."""
        key = (op, x.area, kind)
        if key not in self._windows:
            self._windows[key] = self._window(*key)
        step, area = self._windows[key]
        return x if step is None else self.derive(step, (x,), area=area)

    def _window(
        self, op: Window, area: tuple[int, ...], kind: str
    ) -> tuple[Step | None, tuple[int, ...]]:
        out = op.out_area(Shape((1, *area)))
        kernel, stride, dilation = map(pair, (op.kernel, op.stride, op.dilation))
        if (kernel, stride, op.pads) == ((1, 1), (1, 1), (0, 0)):
            return None, area
        sides = zip(area, out, kernel, stride, dilation, op.pads, strict=True)
        rows, columns = (Axis(*side) for side in sides)
        high, wide = rows.matrix(), columns.matrix()
        if kind == "mean":
            high, wide = (matrix / matrix.sum(1, keepdim=True) for matrix in (high, wide))
        gain = _gain(high) * _gain(wide)
        if kind == "max":
            compute = partial(planes.max_window, rows=rows, columns=columns)
        elif kind == "mean":
            grid = Grid(high.to(self.batch[0]), wide.to(self.batch[0]))
            compute = partial(planes.mean_window, grid=grid)
        else:
            times = prod(kernel)  # divided, so that data do not grow from layer to layer
            grid = Grid((high / times).to(self.batch[0]), wide.to(self.batch[0]))
            compute = partial(planes.sum_window, grid=grid, times=times)
        return Step(compute, lambda bound: gain * bound), out


def _gain(matrix: Tensor) -> float:
    """How much ``matrix @ x`` can raise a root mean square (Schur's test)."""
    largest = matrix.sum(0).max() * matrix.sum(1).max()
    return sqrt(float(largest) * matrix.shape[1] / matrix.shape[0])
