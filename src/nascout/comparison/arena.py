"""One data set of a table, ready for many runs: what a search sees, and what is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from nascout.benchmark import Benchmark
from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.measure import MEAN, matching
from nascout.comparison.contender import Contender
from nascout.comparison.protocol import Protocol
from nascout.errors import ConfigError, DataError
from nascout.graph import graph_cost
from nascout.search.simulate import Lookup
from nascout.space import SPACES, Space

__all__ = ["Arena", "open_arenas", "settle"]

SIZES = ("params", "macs")


def settle(benchmark: Benchmark, protocol: Protocol) -> Protocol:
    """The protocol with everything that was left open, as the table has it.

    The longest trainings there are; the mean over their seeds.

    Raises:
        ConfigError: a data set, split or length that the table does not have.
    """
    metric = protocol.metric or ("accuracy" if "accuracy" in benchmark.metrics() else None)
    asked = benchmark.choices(metric=metric)
    seeds = asked.get("seed", [None])
    seed = protocol.table_seed
    if seed is None:
        seed = MEAN if MEAN in seeds else seeds[0] if len(seeds) == 1 else None
    settled = replace(protocol, metric=metric, table_seed=seed)
    lengths = [_lengths(benchmark, settled, name) for name in protocol.datasets]
    fitness, final = (
        min(parts) if None not in parts else None for parts in zip(*lengths, strict=True)
    )
    return replace(
        settled,
        fitness_epochs=protocol.fitness_epochs or fitness,
        final_epochs=protocol.final_epochs or final,
    )


def _lengths(
    benchmark: Benchmark, protocol: Protocol, dataset: str
) -> tuple[int | None, int | None]:
    """The longest training of the fitness and of the final accuracy."""
    found = []
    for split in (protocol.fitness_split, protocol.val_split):
        home = _home(benchmark, protocol, dataset, split)
        asked = {"metric": protocol.metric, "dataset": home, "split": split}
        found.append(max(benchmark.choices(**asked).get("epochs", [None]) if home else [None]))
    return found[0], found[1]


def _home(benchmark: Benchmark, protocol: Protocol, dataset: str, split: str) -> str | None:
    """Under which name the table holds this part of ``dataset``; ``None`` if it does not.

    NAS-Bench-201 calls the networks trained on half of CIFAR-10's training images, which leaves the
    other half for validation, ``cifar10-valid``.
    """
    for name in (dataset, f"{dataset}-valid"):
        asked = {"metric": protocol.metric, "dataset": name, "split": split}
        if matching(benchmark.measures, asked):
            return name
    return None


class Arena:
    """One data set of a table under a protocol; see :func:`open_arenas`.

    Attributes:
        dataset: as the protocol calls it.
        space: what is searched.
        val, test: of every architecture after the final training, in percent or as the table has
            it; NaN where the table has none.
        worth: what architectures are judged by at the end: ``val``, or ``test`` if there is no
            ``val``.
    """

    def __init__(
        self, benchmark: Benchmark, protocol: Protocol, dataset: str, known: Mapping[str, Floats]
    ) -> None:
        self.benchmark, self.protocol, self.dataset = benchmark, protocol, dataset
        self.space: Space = SPACES[benchmark.space]()
        self._fitness_home = _home(benchmark, protocol, dataset, protocol.fitness_split)
        if self._fitness_home is None:
            has = benchmark.choices(metric=protocol.metric)
            raise ConfigError(
                f"{benchmark.name} has no {protocol.fitness_split!r} accuracy of {dataset!r}",
                f"Data sets: {', '.join(map(str, has.get('dataset', ['one without a name'])))}; "
                f"splits: {', '.join(map(str, has.get('split', ['none'])))}.",
            )
        self.val = self._final(protocol.val_split)
        self.test = self._final(protocol.test_split)
        self.worth = self.test if np.isnan(self.val).all() else self.val
        if np.isnan(self.worth).all():
            raise DataError(
                f"{benchmark.name} has no accuracy of {dataset!r} after {protocol.final_epochs} "
                "epochs",
                "Choose other splits, or final_epochs that the table has.",
            )
        self._known = {name: np.asarray(values, dtype=float) for name, values in known.items()}
        self._lookups: dict[tuple[str, ...], Lookup] = {}

    def __len__(self) -> int:
        return len(self.benchmark)

    def lookup(self, contender: Contender) -> Lookup:
        """What answers a contender's proposals: it knows only the scores that this one looks at.

        So a score that failed is a failure of the strategies that use it, and of no others.

        Raises:
            ConfigError: a score that is not known.
        """
        costs = (constraint.metric for constraint in self.protocol.constraints)
        needs = tuple(dict.fromkeys([*contender.needs, *costs]))
        if needs not in self._lookups:
            protocol = self.protocol
            self._lookups[needs] = Lookup(
                self.benchmark,
                dataset=self._fitness_home,
                split=protocol.fitness_split,
                metric=protocol.metric,
                seed=protocol.table_seed,
                known={name: self.column(name, contender.label) for name in needs},
                constraints=protocol.constraints,
                epoch_seconds=protocol.epoch_seconds.get(self.dataset),
                score_seconds=protocol.score_seconds,
            )
        return self._lookups[needs]

    def column(self, name: str, wanted_by: str) -> Floats:
        """A score or cost of every architecture: what was given, or what the table holds.

        ``retrained_val_accuracy`` is :attr:`worth`: a search by it is an oracle.

        Raises:
            ConfigError: it is not known.
        """
        found = self._known.get(name)
        if found is None:
            found = self._of_table(name)
        if found is None and name == "retrained_val_accuracy":
            found = self.worth
        if found is None:
            raise ConfigError(
                f"{wanted_by} needs {name!r} of every architecture, and for {self.dataset} it is "
                "not known",
                f"Give known (--known): a table with the notation and a column {name!r}; "
                f"so far it has {', '.join(self._known) or 'nothing'}.",
            )
        return found

    @cached_property
    def feasible(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which architectures the constraints allow."""
        allowed = np.ones(len(self), dtype=bool)
        for constraint in self.protocol.constraints:
            values = self.column(constraint.metric, str(constraint))
            allowed &= (
                values <= constraint.bound if constraint.upper else values >= constraint.bound
            )
        return allowed

    @cached_property
    def optimum(self) -> int:
        """The feasible architecture that is best at the end.

        Raises:
            ConfigError: nothing is feasible.
        """
        worth = np.where(self.feasible, self.worth, np.nan)
        if np.isnan(worth).all():
            said = ", ".join(map(str, self.protocol.constraints))
            raise ConfigError(f"no architecture satisfies {said}", "Loosen a constraint.")
        return int(np.nanargmax(worth))

    def sizes(self, numbers: Sequence[int]) -> list[float]:
        """Params of these architectures, or MACs: of what is known, else of their graphs."""
        for name in SIZES:
            found = self._known.get(name, self._of_table(name))
            if found is not None:
                return [float(found[number]) for number in numbers]
        return [self._params(number) for number in numbers]

    def _params(self, number: int) -> float:
        if number not in self._drawn:
            graph = self.space.parse(self.benchmark.index[number]).graph()
            self._drawn[number] = graph_cost(graph).params
        return self._drawn[number]

    @cached_property
    def _drawn(self) -> dict[int, float]:
        return {}

    def _of_table(self, metric: str) -> Floats | None:
        """A column that is no accuracy, if it is clear which one is meant."""
        found = matching(self.benchmark.measures, {"metric": metric, "dataset": self.dataset})
        found = found or matching(self.benchmark.measures, {"metric": metric})
        columns = [name for name, measure in found.items() if measure.split is None]
        clear = len(columns) == 1 or (columns and metric in SIZES)
        return self.benchmark.values(columns[0]) if clear else None

    def _final(self, split: str) -> Floats:
        protocol = self.protocol
        asked = {
            "metric": protocol.metric,
            "dataset": _home(self.benchmark, protocol, self.dataset, split),
            "split": split,
            "seed": protocol.table_seed,
        }
        if asked["dataset"] is None:
            return np.full(len(self.benchmark), np.nan)
        lengths = self.benchmark.choices(**asked).get("epochs")
        epochs = protocol.final_epochs if lengths else None
        return self.benchmark.values(self.benchmark.column(**asked, epochs=epochs))


def open_arenas(
    benchmark: Benchmark, protocol: Protocol, known: Mapping[str, Mapping[str, Floats]]
) -> dict[str, Arena]:
    """An arena per data set of a settled protocol.

    Args:
        benchmark: an open one.
        protocol: see :func:`settle`.
        known: columns by data set, see :func:`nascout.comparison.known.read_known`.

    Raises:
        ConfigError: accuracies that the table does not have.
    """
    return {
        name: Arena(benchmark, protocol, name, known.get(name, {})) for name in protocol.datasets
    }
