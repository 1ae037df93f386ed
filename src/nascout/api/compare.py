"""``nascout.compare``: search strategies against each other on a table of trained networks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.api.comparison_folder import check_settings, held, settings, unwritable
from nascout.atomic import write_text
from nascout.benchmark import Benchmark
from nascout.comparison.arena import Arena, open_arenas, settle
from nascout.comparison.contender import Contender, Strategies, read_contenders
from nascout.comparison.execute import execute
from nascout.comparison.known import Columns, Known, read_known
from nascout.comparison.one_run import (
    ORACLE,
    PARAMS,
    RANDOM,
    Lead,
    Result,
    random_search,
    rehearse,
)
from nascout.comparison.protocol import Protocol
from nascout.comparison.ranks import mean_ranks
from nascout.comparison.run_file import RunFile, RunKey
from nascout.comparison.significance import pairs
from nascout.comparison.summary import OPTIMUM, asked_frame, judged_by, summarise
from nascout.errors import ConfigError, Interrupted
from nascout.records import Constraint
from nascout.run.interrupt import graceful
from nascout.run.progress_bar import progress_bar

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]

BASELINES = (RANDOM, PARAMS, ORACLE, OPTIMUM)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Strategies on a table.

    Attributes:
        summary: a row per data set, budget and strategy, see
            :func:`nascout.comparison.summary.summarise`.
        runs: a row per run and budget, see :class:`nascout.comparison.one_run.Result`.
        trajectories: a row per change of a run's leader, see
            :class:`nascout.comparison.one_run.Lead`.
        ranks: mean ranks per budget, see :func:`nascout.comparison.ranks.mean_ranks`.
        significance: all pairs, see :func:`nascout.comparison.significance.pairs`.
        protocol: what was asked for.
        by: the column that ranks, pairs and curves are about.
        about: how it was made, in words.
    """

    summary: pd.DataFrame
    runs: pd.DataFrame
    trajectories: pd.DataFrame
    ranks: pd.DataFrame
    significance: pd.DataFrame
    protocol: Protocol
    by: str
    about: Mapping[str, str]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``summary.csv``, ``ranks.csv``, ``significance.csv`` and a page with all.

        Returns:
            The page, ``comparison.html``; it needs nothing else.

        Raises:
            StoreUnwritable, StoreFull: the folder cannot be written.
        """
        from nascout.report.comparison import write_comparison

        folder = Path(folder)
        tables = {
            "summary": self.summary,
            "ranks": self.ranks,
            "significance": self.significance,
        }
        try:
            for name, table in tables.items():
                write_text(folder / f"{name}.csv", table.to_csv(index=False))
            return write_comparison(
                folder / "comparison.html",
                **tables,
                trajectories=self.trajectories,
                unit=self.protocol.unit,
                by=self.by,
                about=self.about,
            )
        except OSError as error:
            raise unwritable(folder, error) from error


def compare(
    benchmark: Benchmark,
    strategies: Strategies,
    *,
    dataset: str | Sequence[str] | None = None,
    evaluations: int | Sequence[int] | None = None,
    seconds: float | Sequence[float] | None = None,
    runs: int = 100,
    seed: int = 0,
    metric: str | None = None,
    fitness_split: str = "val",
    fitness_epochs: int | None = None,
    val_split: str = "val",
    test_split: str = "test",
    final_epochs: int | None = None,
    table_seed: int | str | None = None,
    epoch_seconds: float | Mapping[str, float] | None = None,
    score_seconds: float = 0.0,
    known: Known = None,
    constraints: Sequence[str | Constraint] = (),
    workers: int = 1,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Comparison:
    """Compare search strategies by simulating them on a table; run again to resume.

    A run is a strategy, a data set and a seed. Random search with the same protocol (``random``),
    the largest (``params``) and the truly best (``oracle``) of its samples, and the best of the
    whole table (``optimum``) are always among the rows.

    Args:
        benchmark: an open one, see :func:`nascout.benchmark`.
        strategies: names, texts such as ``"REA=regularised_evolution:population=10"`` or
            :class:`~nascout.search.strategy.Strategy` objects, also by label, see
            :func:`nascout.comparison.contender.read_contenders`.
        dataset: one or several; the only one if there is only one. Where the table has no
            validation part of X, that of X-valid is taken.
        evaluations, seconds: budgets, of either kind: trainings, or simulated seconds. One
            simulation of the largest answers for the smaller ones.
        runs: seeds per strategy and data set.
        seed: the first of them.
        metric: of the table that is the accuracy.
        fitness_split, fitness_epochs: what the search sees; the longest training if not given.
        val_split, test_split, final_epochs: what is reported of the architecture that leads.
        table_seed: of the trainings in the table; their mean where it has that.
        epoch_seconds: simulated, of training for one epoch; a number, or one by data set. The
            table's own times if not given.
        score_seconds: simulated, of one score.
        known: scores and costs of the architectures, see
            :func:`nascout.comparison.known.read_known`; params and MACs of the table need not be
            given.
        constraints: ``"params<=500000"``; what breaks one is neither trained nor counted.
        workers: processes; the results do not depend on how many.
        out: folder for ``runs.csv``, ``trajectories.csv``, ``summary.csv``, ``ranks.csv``,
            ``significance.csv`` and ``comparison.html``. What it holds is not run again; seeds,
            data sets and strategies may be added. Without it nothing is written.
        progress: show a bar.

    Raises:
        UnknownName, ConfigError, DataError: a strategy, knob, budget, data set or score that there
            is not; nothing has run then.
        RunMismatch: ``out`` holds a comparison with other settings.
        StoreCorrupt, StoreBusy, StoreUnwritable, StoreFull: ``out`` cannot be used.
        Interrupted: a signal; run again to go on.

    Example:
        >>> import nascout
        >>> cells = nascout.benchmark("nasbench201", "nasbench201.parquet")     # doctest: +SKIP
        >>> found = nascout.compare(                                            # doctest: +SKIP
        ...     cells, ["regularised_evolution", "local_search"], dataset="cifar100",
        ...     evaluations=[50, 100], runs=200)
        >>> found.summary                                                       # doctest: +SKIP
    """
    if (evaluations is None) == (seconds is None):
        raise ConfigError("a comparison has one kind of budget", "Give evaluations or seconds.")
    for name, count in {"runs": runs, "workers": workers}.items():
        if count < 1:
            raise ConfigError(f"{name} = {count}", "Give at least 1.")
    unit, budgets = ("seconds", seconds) if evaluations is None else ("evaluations", evaluations)
    datasets = _datasets(benchmark, dataset)
    protocol = settle(
        benchmark,
        Protocol(
            datasets=datasets,
            unit=unit,
            budgets=tuple(sorted(set(_listed(budgets)))),
            metric=metric,
            fitness_split=fitness_split,
            fitness_epochs=fitness_epochs,
            val_split=val_split,
            test_split=test_split,
            final_epochs=final_epochs,
            table_seed=table_seed,
            epoch_seconds=_by_dataset(epoch_seconds, datasets),
            score_seconds=score_seconds,
            constraints=tuple(
                Constraint.parse(one) if isinstance(one, str) else one for one in constraints
            ),
        ),
    )
    columns = read_known(benchmark, known, datasets)
    contenders = _contenders(strategies, protocol)
    arenas = open_arenas(benchmark, protocol, columns)
    for contender, arena in product(contenders.values(), arenas.values()):
        rehearse(contender, arena, seed)
    seeds = range(seed, seed + runs)
    folder = None if out is None else Path(out)
    with held(folder) if folder else nullcontext():
        if folder:
            check_settings(folder, settings(contenders, arenas, protocol))
        file = RunFile(folder, len(protocol.budgets))
        keys = list(product(contenders, datasets, seeds))
        _run(keys, file, contenders, arenas, columns, workers=workers, progress=progress)
        found = _assemble(file, contenders, arenas, protocol, seeds)
        if folder:
            found.save(folder)
    return found


def _listed(budgets: Any) -> list[float]:
    listed = budgets if isinstance(budgets, Sequence | np.ndarray) else [budgets]
    return [float(one) for one in listed]


def _datasets(benchmark: Benchmark, dataset: str | Sequence[str] | None) -> tuple[str, ...]:
    has = [str(name) for name in benchmark.choices().get("dataset", [])]
    if dataset is None:
        if len(has) != 1:
            raise ConfigError(f"{benchmark.name} needs dataset=", f"Give some of {', '.join(has)}.")
        return tuple(has)
    found = (dataset,) if isinstance(dataset, str) else tuple(dict.fromkeys(dataset))
    for name in found:
        if name not in has:
            raise ConfigError(
                f"{benchmark.name} has no data set {name!r}", f"It has {', '.join(has)}."
            )
    return found


def _by_dataset(given: Any, datasets: tuple[str, ...]) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(datasets, float(given))
    return {name: float(given[name]) for name in datasets if name in given}


def _contenders(strategies: Strategies, protocol: Protocol) -> dict[str, Contender]:
    """What is run, by label; ``random`` first."""
    epochs = protocol.fitness_epochs or 1
    baseline = random_search(epochs)
    found = {RANDOM: baseline}
    for one in read_contenders(strategies, fitness_epochs=epochs, unit=protocol.unit):
        is_baseline = one.label == RANDOM and one.describe() == baseline.describe()
        if one.label in BASELINES and not is_baseline:
            raise ConfigError(
                f"{one.label!r} is a row that every comparison has",
                f"Call yours otherwise: 'LABEL={one.strategy.name}:...'.",
            )
        found.setdefault(one.label, one)
    return found


def _run(
    keys: Sequence[RunKey],
    file: RunFile,
    contenders: Mapping[str, Contender],
    arenas: Mapping[str, Arena],
    known: Columns,
    *,
    workers: int,
    progress: bool,
) -> None:
    """Run what is missing. A first signal lets what is running finish, then says how to go on."""
    finished = file.finished
    missing = [key for key in keys if key not in finished]
    done = len(keys) - len(missing)
    with (
        progress_bar("runs", len(keys), done, show=progress) as advance,
        graceful() as stopper,
        closing(execute(missing, contenders, arenas, known, workers=workers)) as found,
    ):
        for results, leads in found:
            file.add(results, leads)
            for key in dict.fromkeys(row[:3] for row in results if row.strategy in contenders):
                advance(key[0])
            if stopper():
                raise Interrupted(
                    stopper.signum, "Finished runs are kept; run the same comparison to go on."
                )


def _assemble(
    file: RunFile,
    contenders: Mapping[str, Contender],
    arenas: Mapping[str, Arena],
    protocol: Protocol,
    seeds: range,
) -> Comparison:
    labels = [*(label for label in contenders if label != RANDOM), RANDOM, PARAMS, ORACLE]
    results = asked_frame(file.results, Result, labels, protocol, seeds)
    by = judged_by(results)
    return Comparison(
        summarise(results, arenas),
        results,
        asked_frame(file.leads, Lead, labels, protocol, seeds),
        mean_ranks(results, by),
        pairs(results, by),
        protocol,
        by,
        _words(contenders, arenas, protocol, seeds),
    )


def _words(
    contenders: Mapping[str, Contender],
    arenas: Mapping[str, Arena],
    protocol: Protocol,
    seeds: range,
) -> dict[str, str]:
    """How it was made."""
    benchmark = next(iter(arenas.values())).benchmark
    trained = f"after {protocol.fitness_epochs} epochs" if protocol.fitness_epochs else ""
    final = f"after {protocol.final_epochs} epochs" if protocol.final_epochs else ""
    times = ", ".join(f"{name} {value:g} s" for name, value in protocol.epoch_seconds.items())
    return {
        "benchmark": f"{benchmark.name}, {len(benchmark):,} architectures",
        "data sets": ", ".join(protocol.datasets),
        "budget": f"{', '.join(f'{one:,g}' for one in protocol.budgets)} {protocol.unit}",
        "runs": f"{len(seeds):,} of each strategy, seeds {seeds.start} to {seeds.stop - 1}",
        "searched by": f"{protocol.fitness_split} accuracy {trained}".strip(),
        "reported": f"{protocol.val_split} and {protocol.test_split} accuracy {final}".strip(),
        "seed of the table": str(protocol.table_seed),
        "simulated time of an epoch": times or "the table's, where it has any",
        "simulated time of a score": f"{protocol.score_seconds:g} s",
        "constraints": ", ".join(map(str, protocol.constraints)) or "none",
        **{f"strategy {label}": one.describe() for label, one in contenders.items()},
    }
