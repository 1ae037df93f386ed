"""Spaces of recurrent cells: an architecture's graph is one step of the cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nascout.graph import Builder
from nascout.space.space import Space

__all__ = ["RecurrentSpace"]


@dataclass(frozen=True)
class RecurrentSpace(Space):
    """Cells that read a vector and their states, and give the next states.

    The graph has one input per vector: ``x``, then each state of the step before. Its outputs are
    the next states in that order; the first is the cell's output. All are ``width`` long.
    :func:`nascout.network.language_model.language_model` lets the cell run over time.

    Args:
        width: of ``x`` and of each state.
    """

    width: int = 850

    states: ClassVar[tuple[str, ...]] = ("h",)

    @property
    def input_shape(self) -> tuple[int]:  # type: ignore[override]
        """``(width,)``, of each input alike."""
        return (self.width,)

    @property
    def classes(self) -> int:  # type: ignore[override]
        """``width``, of each output alike: the decoder behind the cell makes classes of it."""
        return self.width

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """That of ``x`` and of each state."""
        return (self.input_shape,) * (1 + len(self.states))

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """That of each state."""
        return (self.input_shape,) * len(self.states)

    def begin(self) -> tuple[Builder, list[int]]:
        """A builder, and its input nodes: ``x`` and the states."""
        g = Builder()
        return g, [g.input(self.input_shape, key=name) for name in ("x", *self.states)]
