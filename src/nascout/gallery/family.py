"""Read-only views on a growing run: its models, their table, the front, who grew from whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nascout.errors import AllFailed, ConfigError, Infeasible
from nascout.gallery.front import on_front
from nascout.gallery.inert import inert_cell
from nascout.records import Constraint, Objective, Outcome
from nascout.run.growth.records import COSTS, METRICS, Added, Job, Model
from nascout.run.growth.weights import verified, weights_folder
from nascout.search.hull import eligible

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

__all__ = ["Family", "Member", "described"]

ACCURACY = Objective("val_accuracy", True)


@dataclass(frozen=True)
class Member:
    """One model of the family, with what makes a network of it.

    Attributes:
        model: its record.
        folder: of the run.
        make: gives the first model; None if its code is not known.
    """

    model: Model
    folder: Path
    make: Callable[[], nn.Module] | None = field(default=None, compare=False, repr=False)

    def build(self, device: str = "cpu") -> nn.Module:
        """The network with its weights, a ``torch.fx.GraphModule`` in evaluation mode.

        Raises:
            ConfigError: it was not trained, or the first model's code is not known.
            IntegrityError: the weights are missing or damaged.
        """
        from nascout.growth.recipe import load_grown

        if self.model.outcome is not Outcome.OK:
            raise ConfigError(
                f"model {self.model.number} was not trained: it is {self.model.state}",
                "Take another one.",
            )
        if self.make is None:
            raise ConfigError(
                "the run does not know the code of the model that it started from",
                "Open it as GrownRun(folder, model=...), with the model that was grown.",
            )
        folder = verified(weights_folder(self.folder, self.model.number), self.model.sha256)
        return load_grown(folder, self.make).to(device)


def described(added: Added) -> str:
    """What was added, in a line: ``sep3(conv1) + identity(input) to layer2``.

    >>> described((("layer2", (("conv1", "sep3"), ("input", "identity"))),))
    'sep3(conv1) + identity(input) to layer2'
    """
    return "; ".join(
        f"{' + '.join(f'{name}({read})' for read, name in kept)} to {place}"
        for place, kept in added
    )


class Family:
    """What a growing run made.

    Args:
        models: of the run, in the order of their numbers.
        jobs: its steps.
        objective: the cost that accuracy was weighed against.
        constraints: bounds that the front and a pick must keep.
        folder: of the run.
        make: gives the first model.

    >>> made = [
    ...     Model(0, None, (), Outcome.OK, {"macs": 100, "val_accuracy": 90.0}),
    ...     Model(1, 0, (), Outcome.OK, {"macs": 150, "val_accuracy": 95.0}),
    ...     Model(2, 0, (), Outcome.OK, {"macs": 160, "val_accuracy": 92.0}),
    ... ]
    >>> family = Family(made, [], "macs")
    >>> [member.model.number for member in family.front()], family.pick("macs<=120").model.number
    ([0, 1], 0)
    """

    def __init__(
        self,
        models: Sequence[Model],
        jobs: Sequence[Job],
        objective: str,
        constraints: Sequence[Constraint] = (),
        *,
        folder: Path = Path(),
        make: Callable[[], nn.Module] | None = None,
    ) -> None:
        self.members = tuple(Member(model, folder, make) for model in models)
        self.jobs = tuple(jobs)
        self.objective = objective
        self.constraints = tuple(constraints)

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, number: int) -> Member:
        for member in self.members:
            if member.model.number == number:
                return member
        raise ConfigError(f"the family has no model {number}", "Look at its frame().")

    @cached_property
    def trained(self) -> tuple[Member, ...]:
        """Those with an accuracy, whatever they cost."""
        return tuple(m for m in self.members if m.model.outcome is Outcome.OK)

    def front(self, cost: str | None = None, *, until: float | None = None) -> tuple[Member, ...]:
        """The trained ones that keep the constraints and that none beats on cost and accuracy.

        Args:
            cost: other than the objective.
            until: as it was after so many seconds of the run.
        """
        cost = cost or self.objective
        known = [
            m
            for m in self._allowed(self.constraints)
            if cost in m.model.values and (until is None or m.model.elapsed <= until)
        ]
        best = on_front([m.model.values for m in known], [ACCURACY, Objective(cost, False)])
        chosen = [m for m, is_best in zip(known, best, strict=True) if is_best]
        return tuple(sorted(chosen, key=lambda m: m.model.values[cost]))

    def showpieces(self) -> tuple[Member, ...]:
        """Those on the front of any cost: what a pick under one constraint can give."""
        found = {m.model.number: m for cost in COSTS for m in self.front(cost)}
        return tuple(found[number] for number in sorted(found))

    def near_hull(self) -> tuple[Member, ...]:
        """Those that may be grown next, see :mod:`nascout.search.hull`."""
        known = self.trained
        if not known:
            return ()
        costs = [m.model.values[self.objective] for m in known]
        errors = [100 - m.model.values["val_accuracy"] for m in known]
        return tuple(known[i] for i in eligible(costs, errors))

    def _allowed(self, constraints: Sequence[Constraint]) -> list[Member]:
        return [m for m in self.trained if all(c.holds(m.model.values) for c in constraints)]

    def pick(self, *constraints: str | Constraint) -> Member:
        """The one of highest ``val_accuracy`` that keeps ``constraints``; of equals, the cheapest.

        A bound of the run on the same cost, in the same direction, is replaced.

        Raises:
            ConfigError: a malformed constraint.
            AllFailed: nothing was trained.
            Infeasible: none keeps them; says how close the nearest comes.
        """
        given = [c if isinstance(c, Constraint) else Constraint.parse(c) for c in constraints]
        replaced = {(c.metric, c.upper) for c in given}
        wanted = [c for c in self.constraints if (c.metric, c.upper) not in replaced] + given
        if not self.trained:
            raise AllFailed("the run has no trained model", "Resume it, or read its report.")
        allowed = self._allowed(wanted)
        if not allowed:
            raise self._infeasible(wanted)
        order = (self.objective, *COSTS)
        return min(
            allowed,
            key=lambda m: (-m.model.values["val_accuracy"], *map(m.model.values.get, order)),
        )

    def _infeasible(self, wanted: Sequence[Constraint]) -> Infeasible:
        nearest = []
        for c in wanted:
            seen = [m.model.values[c.metric] for m in self.trained if c.metric in m.model.values]
            if seen:
                word, value = ("smallest", min(seen)) if c.upper else ("largest", max(seen))
                nearest.append(f"the {word} {c.metric} is {value:.6g}")
        told = " and ".join(map(str, wanted))
        return Infeasible(f"no model satisfies {told}", f"Loosen it: {', '.join(nearest)}.")

    def genealogy(self, number: int) -> tuple[Member, ...]:
        """From the first model to that one, each grown from the one before it."""
        line = [self[number]]
        while (parent := line[0].model.parent) is not None:
            line.insert(0, self[parent])
        return tuple(line)

    def frame(self) -> pd.DataFrame:
        """One row per model; ``times_grown`` is how often it was chosen as a parent."""
        import pandas as pd

        front = {m.model.number for m in self.front()}
        near = {m.model.number for m in self.near_hull()}
        times = Counter(job.parent for job in self.jobs if job.kind == "candidates")
        models = [member.model for member in self.members]
        columns: dict[str, pd.Series] = {
            "model": pd.Series([m.number for m in models], dtype="int64"),
            "parent": pd.Series([m.parent for m in models], dtype="Int64"),
            "added": pd.Series([described(m.added) for m in models], dtype=object),
            "state": pd.Series([m.state for m in models], dtype=object),
            **{
                name: pd.Series([m.values.get(name) for m in models], dtype="float64")
                for name in METRICS
            },
            "on_front": pd.Series([m.number in front for m in models], dtype=bool),
            "on_hull": pd.Series([m.number in near for m in models], dtype=bool),
            "times_grown": pd.Series([times[m.number] for m in models], dtype="int64"),
            "elapsed": pd.Series([m.elapsed for m in models], dtype="float64"),
        }
        for name in ("params", "macs", "activation_bytes"):
            columns[name] = columns[name].astype("Int64")
        return pd.DataFrame(columns)

    def csv(self) -> str:
        """:meth:`frame` as CSV whose text is inert in spreadsheets."""
        frame = self.frame()
        frame["added"] = [inert_cell(text) for text in frame["added"]]
        return frame.to_csv(index=False, lineterminator="\n")
