"""One channel of a tensor, as numbers, and what can be done to it.

A plane stands for ``scale * data + shift``. Normalising, weighing and averaging leave the data as
they are and change the two numbers, so most of a network costs no pass over memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import hypot, sqrt
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "EPS",
    "Axis",
    "Field",
    "Grid",
    "Plane",
    "add",
    "apply",
    "average",
    "max_window",
    "mean_window",
    "multiply",
    "normalise",
    "normalise_fresh",
    "rectify",
    "scaled",
    "settled",
    "shift_grid",
    "solid",
    "sum_window",
]

BLOCK: Final = 16  # rows
EPS: Final = 1e-5  # what PyTorch's batch normalisation adds to the variance

Spare = defaultdict[torch.Size, list[Tensor]]


class Field:
    """Numbers (*area, n), samples last, so that a step along an axis is a step over rows.

    ``spare`` is where its memory goes in the end: new memory costs more time than most operations.
    Without ``readers``, an operation may write its result over it.
    """

    def __init__(self, data: Tensor, spare: Spare) -> None:
        self.data = data
        self.spare = spare
        self.readers = 0
        self._moments: tuple[float, float] | None = None

    def __del__(self) -> None:
        self.spare[self.data.shape].append(self.data)

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation over all positions and samples."""
        if self._moments is None:
            flat = self.data.reshape(-1)
            mean = float(flat.sum()) / flat.numel()
            square = float(torch.dot(flat, flat)) / flat.numel()
            variance = square - mean * mean
            if not variance > max(square / 16, torch.finfo(flat.dtype).tiny * 1e8):
                self._moments = _exact_moments(flat)  # cancellation, underflow or overflow
            else:
                self._moments = mean, sqrt(variance)
        return self._moments

    def written(self) -> Field:
        """Itself, with other data."""
        self._moments = None
        return self


def _exact_moments(flat: Tensor) -> tuple[float, float]:
    peak = float(flat.abs().max()) or 1.0
    scaled = flat.double() / peak
    mean = scaled.mean()
    return peak * float(mean), peak * float((scaled - mean).square().mean().sqrt())


class Plane(NamedTuple):
    """The values ``scale * field + shift``, with a positive scale."""

    field: Field
    scale: float = 1.0
    shift: float = 0.0

    @property
    def data(self) -> Tensor:
        """(*area, n), before scale and shift."""
        return self.field.data

    def new(self, *shape: int) -> Field:
        """A field with anything in it, of the shape of this one by default."""
        spare = self.field.spare
        kept = spare[torch.Size(shape or self.data.shape)]
        data = kept.pop() if kept else self.data.new_empty(shape or self.data.shape)
        return Field(data, spare)

    def over(self, field: Field) -> Plane:
        """The same scale and shift over another field."""
        return Plane(field, self.scale, self.shift)

    def deviation(self) -> tuple[float, float]:
        """The standard deviation, and the root mean square, over positions and samples."""
        mean, deviation = self.field.moments()
        return self.scale * deviation, hypot(self.scale * deviation, self.scale * mean + self.shift)


def solid(plane: Plane) -> Tensor:
    """(*area, n) the values themselves."""
    if plane.scale == 1 and plane.shift == 0:
        return plane.data
    return torch.add(plane.data.new_tensor(plane.shift), plane.data, alpha=plane.scale)


def scaled(plane: Plane, factor: float) -> Plane:
    """``factor`` times the values."""
    return Plane(plane.field, factor * plane.scale, factor * plane.shift)


def settled(plane: Plane) -> Plane:
    """The same values, in data."""
    if (plane.scale, plane.shift) == (1, 0):
        return plane
    return Plane(Field(solid(plane), plane.field.spare))


def _shifted(plane: Plane) -> Field:
    """``data + shift / scale``."""
    field = plane.new() if plane.field.readers else plane.field.written()
    torch.add(plane.data, plane.shift / plane.scale, out=field.data)
    return field


def _unshifted(plane: Plane) -> Plane:
    return plane if plane.shift == 0 else Plane(_shifted(plane), plane.scale)


def apply(function: Callable[[Tensor], Tensor], plane: Plane) -> Plane:
    """A function of every number."""
    data = function(solid(plane))
    if data.data_ptr() == plane.data.data_ptr():  # two fields must not share memory
        data = data.clone()
    return Plane(Field(data, plane.field.spare))


def add(*planes_and_counts: Any, weight: float = 1.0) -> Plane:
    """``weight`` times the sum of count times plane; planes of one field are one term."""
    half = len(planes_and_counts) // 2
    planes: Sequence[Plane] = planes_and_counts[:half]
    scales: dict[Field, float] = {}
    shift = 0.0
    for plane, count in zip(planes, planes_and_counts[half:], strict=True):
        scales[plane.field] = scales.get(plane.field, 0.0) + weight * count * plane.scale
        shift += weight * count * plane.shift
    (field, scale), *others = sorted(scales.items(), key=lambda item: -item[1])
    if not others:
        return Plane(field, scale, shift)
    free = [one for one in (field, others[0][0]) if not one.readers]
    total = free[0].written() if free else planes[0].new()
    data = field.data
    for other, other_scale in others:
        data = torch.add(data, other.data, alpha=other_scale / scale, out=total.data)
    return Plane(total, scale, shift)


def normalise(plane: Plane, *, weight: float = 1.0) -> Plane:
    """Batch normalisation by the batch's own statistics, times ``weight``."""
    mean, deviation = plane.field.moments()
    scale = weight * plane.scale / sqrt((plane.scale * deviation) ** 2 + EPS)
    return Plane(plane.field, scale, -scale * mean)


def normalise_fresh(plane: Plane, *, weight: float = 1.0) -> Plane:
    """Batch normalisation by statistics that have seen nothing, times ``weight``."""
    return scaled(plane, weight / sqrt(1 + EPS))


def rectify(plane: Plane) -> Plane:
    """max(x, 0)."""
    if plane.shift != 0:
        plane = Plane(_shifted(plane), plane.scale)
    field = plane.new() if plane.field.readers else plane.field.written()
    torch.clamp_min(plane.data, 0, out=field.data)
    return plane.over(field)


def average(plane: Plane) -> Plane:
    """The mean over all positions."""
    field = plane.new(plane.data.shape[-1])
    torch.mean(plane.data.flatten(0, -2), 0, out=field.data)
    return plane.over(field)


def multiply(plane: Plane, gate: Plane) -> Plane:
    """A map (h, w, n) times one value per sample (n,)."""
    plane = _unshifted(plane)
    field = plane.new()
    torch.mul(plane.data, solid(gate), out=field.data)
    return plane.over(field)


def shift_grid(plane: Plane) -> Plane:
    """Rows move up by one and columns to the left; zeros come in."""
    plane = _unshifted(plane)
    moved = plane.new()
    moved.data.zero_()[:-1, :-1] = plane.data[1:, 1:]
    return plane.over(moved)


@dataclass(frozen=True)
class Axis:
    """How a window slides along one axis of ``size`` positions to give ``out``."""

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    def taps(self) -> list[tuple[slice, slice]]:
        """Per element of the window, which outputs read which inputs there."""
        found = []
        for tap in range(self.kernel):
            offset = tap * self.dilation - self.pad
            first = max(0, -(offset // self.stride))  # the first output whose input exists
            last = min(self.out - 1, (self.size - 1 - offset) // self.stride)
            if first <= last:
                start = first * self.stride + offset
                end = last * self.stride + offset + 1
                found.append((slice(first, last + 1), slice(start, end, self.stride)))
        return found

    def matrix(self) -> Tensor:
        """(out, size) how often each output reads each input."""
        matrix = torch.zeros(self.out, self.size, dtype=torch.float64)
        for outputs, inputs in self.taps():
            matrix[outputs, inputs].diagonal().add_(1)
        return matrix


@dataclass(frozen=True, eq=False)
class Grid:
    """A linear window, ``high @ x @ wide.T`` for every sample; x (h, w, n).

    Rows are taken in blocks that read few rows and whose results stay in the processor's cache.
    """

    high: Tensor
    wide: Tensor

    @cached_property
    def blocks(self) -> list[tuple[slice, slice, Tensor]]:
        """Rows of the result, rows that they read, and the part of ``high`` between."""
        found = []
        for start in range(0, len(self.high), BLOCK):
            written = slice(start, start + BLOCK)
            touched = self.high[written].any(0).nonzero().flatten().tolist() or [0]
            read = slice(touched[0], touched[-1] + 1)
            found.append((written, read, self.high[written, read].contiguous()))
        return found


def mean_window(plane: Plane, grid: Grid) -> Plane:
    """The window ``grid``, whose weights add up to one."""
    return plane.over(_slide(plane, grid))


def sum_window(plane: Plane, grid: Grid, times: float) -> Plane:
    """``times`` the window ``grid``."""
    plane = _unshifted(plane)
    return Plane(_slide(plane, grid), times * plane.scale)


def _slide(plane: Plane, grid: Grid) -> Field:
    field = plane.new(len(grid.high), len(grid.wide), plane.data.shape[2])
    for written, read, high in grid.blocks:
        rows = plane.new(len(high), *plane.data.shape[1:])
        torch.mm(high, plane.data[read].flatten(1), out=rows.data.flatten(1))
        wide = grid.wide.expand(len(high), *grid.wide.shape)
        torch.bmm(wide, rows.data, out=field.data[written])
    return field


def max_window(plane: Plane, rows: Axis, columns: Axis) -> Plane:
    """The maximum over those elements of a window that are not padding."""
    high = plane.new(rows.out, *plane.data.shape[1:])
    high.data.fill_(-torch.inf)
    for outputs, inputs in rows.taps():
        torch.maximum(high.data[outputs], plane.data[inputs], out=high.data[outputs])
    wide = plane.new(rows.out, columns.out, plane.data.shape[2])
    wide.data.fill_(-torch.inf)
    for outputs, inputs in columns.taps():
        read, written = high.data[:, inputs], wide.data[:, outputs]
        torch.maximum(written, read, out=written)
    return plane.over(wide)
