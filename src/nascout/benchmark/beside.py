"""Two benchmarks as one: a latency next to an accuracy."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.opened import Benchmark
from nascout.errors import ConfigError

__all__ = ["beside"]


def beside(first: Benchmark, second: Benchmark) -> Benchmark:
    """The architectures of ``first``, with the measures of both.

    What ``second`` does not hold is NaN there. Architectures are matched by notation.

    Raises:
        ConfigError: benchmarks of different spaces, or two measures with equal coordinates.

    Example:
        >>> both = beside(accuracies, latencies)                              # doctest: +SKIP
        >>> table = both.frame()                                              # doctest: +SKIP
        >>> table[table["pixel3"] <= 10].nlargest(1, "c100_val")              # doctest: +SKIP
    """
    if first.space != second.space:
        raise ConfigError(
            f"{first.name} is of the space {first.space}, {second.name} of {second.space}",
            "Put benchmarks of one space beside each other.",
        )
    return _Beside(first, second)


class _Beside(Benchmark):
    def __init__(self, first: Benchmark, second: Benchmark) -> None:
        taken = {tuple(m.coordinates.items()): c for c, m in first.measures.items()}
        for column, measure in second.measures.items():
            twin = taken.get(tuple(measure.coordinates.items()))
            if twin is not None:
                raise ConfigError(
                    f"{first.name} and {second.name} both hold {measure.coordinates}",
                    f"Ask {twin} and {column} one by one.",
                )
        self._homes = {c: (first, c) for c in first.measures}
        for column in second.measures:
            name = column if column not in self._homes else f"{second.name}.{column}"
            self._homes[name] = (second, column)
        measures = {name: home.measures[column] for name, (home, column) in self._homes.items()}
        super().__init__(f"{first.name} with {second.name}", first.space, measures)
        self._first = first

    def notations(self) -> Iterable[str]:
        return self._first.index

    def number(self, architecture: object) -> int:
        return self._first.number(architecture)  # type: ignore[arg-type]

    def load(self, column: str) -> Floats:
        home, name = self._homes[column]
        stored = home.values(name) / home.measures[name].scale
        if home is self._first:
            return stored
        numbers = [home.index.find(text) for text in self.index]
        padded = np.append(stored, np.nan)
        return np.asarray(padded[[len(stored) if n is None else n for n in numbers]])
