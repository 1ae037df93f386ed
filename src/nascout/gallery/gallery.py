"""Read-only views on a run: its entries, their table, the Pareto front, the best."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

from nascout.atomic import write_text
from nascout.errors import AllFailed, Infeasible
from nascout.gallery.entry import Entry, collect
from nascout.gallery.front import on_front
from nascout.gallery.inert import inert_cell
from nascout.records import COST_NAMES, Constraint, Objective, Outcome
from nascout.search.history import STAGES, Trial
from nascout.search.pareto import at_stage

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Gallery"]

ACCURACIES = ("retrained_val_accuracy", "test_accuracy", "val_accuracy")
COUNTS = ("params", "macs", "flops", "activation_bytes")


class Gallery:
    """What a run found.

    Args:
        trials: the run's history, in order.
        objectives: what the search optimised; once trained, accuracy replaces scores.
        constraints: bounds that the front and the best must keep.
        weights: where the trained weights of a digest are, if anywhere.
        seed: of initial weights.

    >>> import random
    >>> from nascout.search.history import Proposal
    >>> from nascout.space import SPACES
    >>> space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
    >>> trials = [
    ...     Trial(
    ...         i, Proposal(space.sample(random.Random(i))), Outcome.OK, {"naswot": i, "params": p}
    ...     )
    ...     for i, p in enumerate((10, 40, 30))
    ... ]
    >>> gallery = Gallery(trials, [Objective("naswot", True), Objective("params", False)])
    >>> [entry.values["params"] for entry in gallery.front()], gallery.best.values["naswot"]
    ([10, 30], 2)
    >>> gallery.select("params <= 20").best.values["naswot"]
    0
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        weights: Callable[[str], Path | None] | Mapping[str, Path] | None = None,
        seed: int = 0,
    ) -> None:
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self._trials = tuple(trials)
        self._weights = weights if callable(weights) else dict(weights or {}).get
        self._seed = seed
        self.entries: tuple[Entry, ...] = collect(self._trials, self._weights, seed)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def stage(self) -> str | None:
        """The furthest stage with something to compare; ``None`` if there is nothing."""
        return next((stage for stage in reversed(STAGES) if self.at(stage)), None)

    def at(self, stage: str, objectives: Sequence[Objective] | None = None) -> tuple[Entry, ...]:
        """The entries that can be compared at ``stage``.

        They ended it well, keep the constraints, and have a finite value for every objective.
        At ``"train"`` only those with the most epochs count, since fewer are not comparable.
        """
        judged = at_stage(self.objectives if objectives is None else objectives, stage)
        entries = [
            entry
            for entry in self.entries
            if stage in entry.reached
            and all(isfinite(objective.loss(entry.values)) for objective in judged)
            and all(constraint.holds(entry.values) for constraint in self.constraints)
        ]
        if stage == "train":
            most = max((entry.reached[stage] for entry in entries), default=0)
            entries = [entry for entry in entries if entry.reached[stage] == most]
        return tuple(entries)

    def front(
        self, objectives: Sequence[Objective] | None = None, stage: str | None = None
    ) -> tuple[Entry, ...]:
        """The entries that no other one beats on every objective, in order of appearance.

        Args:
            objectives: other than the run's.
            stage: ``"score"``, ``"train"`` or ``"retrain"``; the furthest one by default.
        """
        stage = stage or self.stage
        if stage is None:
            return ()
        objectives = self.objectives if objectives is None else objectives
        entries = self.at(stage, objectives)
        best = on_front([entry.values for entry in entries], at_stage(objectives, stage))
        return tuple(entry for entry, is_best in zip(entries, best, strict=True) if is_best)

    def ranked(self, entries: Sequence[Entry], stage: str) -> tuple[Entry, ...]:
        """``entries`` by accuracy (or score) at ``stage``, best first.

        Ties go to fewer params, then to the smaller digest.
        """
        judged = at_stage(self.objectives, stage)
        quality = [objective for objective in judged if objective.metric not in COST_NAMES]
        leading = (*quality, *judged)[:1]

        def key(entry: Entry) -> tuple[list[float], float, str]:
            losses = [objective.loss(entry.values) for objective in leading]
            return losses, Objective("params", False).loss(entry.values), entry.digest

        return tuple(sorted(entries, key=key))

    @property
    def best(self) -> Entry:
        """The entry of highest accuracy (or score) at the furthest stage.

        Raises:
            AllFailed: no trial ended well.
            Infeasible: some did, but none keeps the constraints.
        """
        if self.stage is None:
            raise self._nothing()
        return self.ranked(self.at(self.stage), self.stage)[0]

    def _nothing(self) -> AllFailed | Infeasible:
        ended_well = [entry for entry in self.entries if entry.outcome is Outcome.OK]
        if any(all(c.holds(entry.values) for c in self.constraints) for entry in ended_well):
            wanted = ", ".join(objective.metric for objective in self.objectives)
            return AllFailed(
                "no entry has a finite value for every objective", f"The objectives are {wanted}."
            )
        if ended_well or any(entry.outcome is Outcome.INFEASIBLE for entry in self.entries):
            return _infeasible(self.entries, self.constraints)
        if not self._trials:
            return AllFailed("the run has no trials", "Give it a larger budget, or resume it.")
        counts = Counter(str(trial.outcome) for trial in self._trials)
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        message = next((trial.message for trial in self._trials if trial.message), "").strip()
        reason = f"The first said: {message.splitlines()[-1]}" if message else "Read the log."
        return AllFailed(f"no trial ended well ({told})", reason)

    def select(self, *constraints: str | Constraint) -> Gallery:
        """The gallery of those entries that keep ``constraints``: tomorrow's target.

        A bound of the run on the same metric, in the same direction, is replaced.

        Raises:
            ConfigError: a malformed constraint.
            Infeasible: no entry keeps them; says how close the nearest comes.
        """
        given = [c if isinstance(c, Constraint) else Constraint.parse(c) for c in constraints]
        replaced = {(c.metric, c.upper) for c in given}
        kept = [c for c in self.constraints if (c.metric, c.upper) not in replaced]
        digests = {e.digest for e in self.entries if all(c.holds(e.values) for c in given)}
        if not digests:
            raise _infeasible(self.entries, given)
        trials = [trial for trial in self._trials if trial.architecture.digest in digests]
        return Gallery(
            trials, self.objectives, [*kept, *given], weights=self._weights, seed=self._seed
        )

    def frame(self) -> pd.DataFrame:
        """One row per entry: architecture, digest, stage, epochs, outcome, then every metric."""
        return self._frame(self.entries)

    def pareto(self) -> pd.DataFrame:
        """:meth:`front` as a table, best first."""
        return self._frame(self.ranked(self.front(), self.stage) if self.stage else ())

    def metrics(self) -> tuple[str, ...]:
        """Every metric's name: accuracies, the objectives' scores, costs, latency, the rest."""
        known = {name for entry in self.entries for name in entry.values}
        scores = [o.metric for o in self.objectives if o.metric not in COST_NAMES]
        wanted = [*ACCURACIES, *scores, *COUNTS, "latency_ms", "measured_latency_ms"]
        first = [name for name in dict.fromkeys(wanted) if name in known]
        return (*first, *sorted(known - set(first)))

    def _frame(self, entries: Sequence[Entry]) -> pd.DataFrame:
        import pandas as pd

        columns: dict[str, pd.Series] = {
            "architecture": pd.Series([str(e.architecture) for e in entries], dtype=object),
            "digest": pd.Series([e.digest for e in entries], dtype=object),
            "stage": pd.Series([e.stage for e in entries], dtype=object),
            "epochs": pd.Series([e.epochs for e in entries], dtype="int64"),
            "outcome": pd.Series([str(e.outcome) for e in entries], dtype=object),
        }
        for name in self.metrics():
            column = pd.Series([e.values.get(name) for e in entries], dtype="float64")
            whole = name in COUNTS and bool((column.dropna() % 1 == 0).all())
            columns[name] = column.astype("Int64") if whole else column
        return pd.DataFrame(columns)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write :meth:`frame` as CSV, whole or not at all; text cells are inert in spreadsheets.

        Raises:
            StoreFull: no space left.
            OSError: the folder cannot be written.
        """
        frame = self.frame()
        for name in ("architecture", "digest", "stage", "outcome"):
            frame[name] = [inert_cell(text) for text in frame[name]]
        frame.columns = [inert_cell(name) for name in frame.columns]
        return write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def _infeasible(entries: Sequence[Entry], constraints: Sequence[Constraint]) -> Infeasible:
    """Names, per constraint, the value that comes closest to its bound."""
    nearest = []
    for constraint in constraints:
        metric = constraint.metric
        values = [e.values[metric] for e in entries if isfinite(e.values.get(metric, nan))]
        if values:
            extreme = min(values) if constraint.upper else max(values)
            word = "smallest" if constraint.upper else "largest"
            nearest.append(f"the {word} {metric} seen is {extreme:.6g}")
        else:
            nearest.append(f"no {metric} is known")
    told = " and ".join(map(str, constraints)) or "the run's constraints"
    remedy = f"Loosen them: {', '.join(nearest)}." if nearest else "Loosen them."
    return Infeasible(f"no candidate satisfies {told}", remedy)
