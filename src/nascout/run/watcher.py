"""What a running search tells, and a live display of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from nascout.records import Outcome
from nascout.search import Trial

if TYPE_CHECKING:
    from rich.progress import TaskID

    from nascout.train import Epoch

__all__ = ["Console", "Watcher"]


class Watcher:
    """Is told what happens; does nothing with it."""

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def started(self, plan: Mapping[str, int], history: list[Trial]) -> None:
        """The search begins, or goes on after ``history``."""

    def asked(self, stage: str) -> None:
        """A proposal of ``stage`` is being evaluated."""

    def epoch(self, epoch: Epoch) -> None:
        """One epoch of the current training is over."""

    def trial(self, trial: Trial) -> None:
        """A trial is stored."""

    def note(self, text: str) -> None:
        """Something else is being done."""


class Console(Watcher):
    """A bar per stage, with the latest result beside it and the time left."""

    LABELS: ClassVar = {
        "share": "share weights",
        "score": "score",
        "train": "train shortlist",
        "retrain": "retrain best",
    }

    def __init__(self) -> None:
        from rich.console import Console as Terminal
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Terminal(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}
        self._current = ""

    def __enter__(self) -> Console:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def started(self, plan: Mapping[str, int], history: list[Trial]) -> None:
        """Show a bar per stage, already finished trials filled in."""
        for stage, total in plan.items():
            done = sum(self._counts(t) for t in history if t.stage == stage)
            self._tasks[stage] = self._progress.add_task(
                self.LABELS.get(stage, stage), total=total, completed=done, start=False, note=""
            )

    @staticmethod
    def _counts(trial: Trial) -> int:
        return int(trial.outcome is not Outcome.INFEASIBLE)

    def asked(self, stage: str) -> None:
        """Start the stage's clock."""
        if stage != self._current and stage in self._tasks:
            self._current = stage
            self._progress.start_task(self._tasks[stage])

    def epoch(self, epoch: Epoch) -> None:
        """Show how far the current training is."""
        if self._current == "share":
            self._progress.update(self._tasks["share"], completed=epoch.epoch)
            self._beside(f"loss {epoch.train_loss:.2f}")
        else:
            note = f"epoch {epoch.epoch}/{epoch.epochs} val {epoch.val_metric or 0:.1f} %"
            self._beside(note)

    def trial(self, trial: Trial) -> None:
        """Advance the stage's bar."""
        if trial.stage not in self._tasks:
            return
        self._progress.advance(self._tasks[trial.stage], self._counts(trial))
        if trial.outcome is not Outcome.OK:
            self._beside(str(trial.outcome))
        elif trial.stage == "score":
            self._beside(f"{int(trial.values['params']):,} params")

    def _beside(self, text: str) -> None:
        if self._current:
            self._progress.update(self._tasks[self._current], note=text)

    def note(self, text: str) -> None:
        """Add a line for work that has no count."""
        for task in self._tasks.values():
            self._progress.stop_task(task)
        self._progress.console.print(f"  {text}", style="dim", markup=False, highlight=False)
