"""An open benchmark: ask what an architecture reached, without training anything."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.measure import COORDINATES, Measure, choices, choose, matching
from nascout.benchmark.notation_index import NotationIndex
from nascout.errors import ArchitectureError, ConfigError, DataError
from nascout.space import SPACES, Architecture, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Benchmark", "Best"]

ACCURACY, TRAIN_SECONDS = "accuracy", "train_seconds"


class Best(NamedTuple):
    """The best architecture, in its notation, and its value."""

    architecture: str
    value: float


class Benchmark(ABC):
    """Numbers by architecture, read-only. Subclasses say where they come from.

    What is asked for is always explicit: ``dataset``, ``split``, ``epochs``, ``seed`` (a number,
    or ``"mean"`` over the seeds there are), ``metric`` and ``device``, each by keyword. One that is
    left out is an error that lists the choices, unless there is only one; ``metric`` is
    ``"accuracy"`` where there is one. Values are in the benchmark's own units, see ``measures``,
    and NaN where it has none.

    Attributes:
        name: of the benchmark.
        space: name of the space whose notation the architectures are written in.
        measures: what each column holds.
    """

    def __init__(self, name: str, space: str, measures: Mapping[str, Measure]) -> None:
        self.name, self.space, self.measures = name, space, dict(measures)
        self._asked: dict[tuple[Any, ...], Floats] = {}
        self._read: dict[str, Floats] = {}

    def query(
        self,
        architecture: str | Architecture,
        *,
        dataset: str | None = None,
        split: str | None = None,
        epochs: int | None = None,
        seed: int | str | None = None,
        metric: str | None = None,
        device: str | None = None,
    ) -> float:
        """One number.

        Args:
            architecture: in the notation of ``space``, or one of that space with any skeleton;
                isomorphic ones are found where the benchmark defines what that is.
            dataset, split, epochs, seed, metric, device: see the class.

        Raises:
            ConfigError: a choice that is missing, or that is not there; lists those that are.
            DataError: an architecture that the benchmark does not hold.
            ArchitectureError: text that is no architecture of the space.
        """
        key = (metric, dataset, split, epochs, seed, device)
        values = self._asked.get(key)
        if values is None:
            asked = dict(zip(COORDINATES, key, strict=True))
            values = self._asked[key] = self.values(self.column(**asked))
        return float(values[self.number(architecture)])

    def simulated_time(
        self,
        architecture: str | Architecture,
        *,
        dataset: str | None = None,
        epochs: int | None = None,
        seed: int | str | None = None,
    ) -> float:
        """Seconds of training that a query stands for; evaluation is not included.

        Raises:
            As :meth:`query`; ConfigError too where the benchmark holds no times.
        """
        return self.query(
            architecture, dataset=dataset, epochs=epochs, seed=seed, metric=TRAIN_SECONDS
        )

    def best(self, **asked: Any) -> Best:
        """The architecture that is best in one column, the first of equals.

        Args:
            asked: as :meth:`query`'s.

        Raises:
            ConfigError: as :meth:`query`; also for a metric of which neither end is better.
        """
        column = self.column(**asked)
        better = self.measures[column].higher_is_better
        if better is None:
            raise ConfigError(
                f"{self.name} does not say which {column} is better", "Ask frame() and choose."
            )
        values = self.values(column)
        if np.isnan(values).all():
            raise DataError(f"{self.name} has no value in {column}", "Ask for another one.")
        number = int(np.nanargmax(values if better else -values))
        return Best(self.index[number], float(values[number]))

    def frame(self, **asked: Any) -> pd.DataFrame:
        """``architecture`` and every column with the coordinates asked for; all if none are.

        Raises:
            ConfigError: there is no such column.
        """
        import pandas as pd

        found = matching(self.measures, _checked(asked))
        if not found:
            self.column(**asked)
        return pd.DataFrame(
            {"architecture": list(self.index), **{c: self.values(c) for c in found}}
        )

    def choices(self, **asked: Any) -> dict[str, list[Any]]:
        """What may be asked for: the values of each coordinate, once those given are settled."""
        return choices(matching(self.measures, _checked(asked)))

    def metrics(self) -> list[str]:
        """What is measured: accuracy, loss, latency_ms, ..."""
        return list(self.choices().get("metric", []))

    def column(self, **asked: Any) -> str:
        """The name of the one column that is asked for.

        Raises:
            ConfigError: as :meth:`query`.
        """
        asked = _checked(asked)
        if asked.get("metric") is None and ACCURACY in self.metrics():
            asked["metric"] = ACCURACY
        return choose(self.name, self.measures, asked)

    def values(self, column: str) -> Floats:
        """The numbers of a column, one per architecture, in the order of iteration; not writable.

        Raises:
            ConfigError: no such column.
            IntegrityError: its content is not what was written.
        """
        if column not in self.measures:
            raise ConfigError(
                f"{self.name} has no column {column!r}", f"It has {', '.join(self.measures)}."
            )
        if column not in self._read:
            values = np.array(self.load(column), dtype=np.float64)
            values *= self.measures[column].scale
            values.flags.writeable = False
            self._read[column] = values
        return self._read[column]

    def number(self, architecture: str | Architecture) -> int:
        """The place of an architecture in the order of iteration.

        Raises:
            DataError, ArchitectureError: as :meth:`query`.
        """
        if isinstance(architecture, Architecture) and architecture.space.name != self.space:
            raise ConfigError(
                f"{self.name} is of the space {self.space}, not {architecture.space.name}",
                f"Ask with one of {self.space}.",
            )
        text = str(architecture)
        found = self.index.find(text)
        if found is None and self._space is not None:
            parsed = self._space.parse(text)
            found = self.index.find(str(parsed))
            if found is None:
                found = self.isomorphic(parsed)
        if found is None:
            raise DataError(
                f"{self.name} does not hold {text}",
                f"It holds {len(self):,} architectures; fit a surrogate for others.",
            )
        return found

    def isomorphic(self, architecture: Architecture) -> int | None:
        """The place of one that the benchmark calls the same, if it says when two are."""
        return None

    def __contains__(self, architecture: object) -> bool:
        if not isinstance(architecture, str | Architecture):
            return False
        try:
            self.number(architecture)
        except (DataError, ArchitectureError, ConfigError):
            return False
        return True

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {', '.join(self.metrics())}>"

    @cached_property
    def index(self) -> NotationIndex:
        """The notations, each once; read when first needed."""
        return NotationIndex(self.notations())

    @abstractmethod
    def notations(self) -> Iterable[str]:
        """The notation of each row."""

    @abstractmethod
    def load(self, column: str) -> Floats:
        """The stored numbers of a column, one per distinct architecture."""

    @cached_property
    def _space(self) -> Space | None:
        return SPACES[self.space]() if self.space in SPACES else None


def _checked(asked: Mapping[str, Any]) -> dict[str, Any]:
    unknown = asked.keys() - set(COORDINATES)
    if unknown:
        raise ConfigError(
            f"a benchmark is not asked by {min(unknown)!r}", f"Ask by {', '.join(COORDINATES)}."
        )
    device = asked.get("device")
    return {**asked, "device": None if device is None else str(device)}  # 3090 is one, too
