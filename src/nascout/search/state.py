"""What a strategy has learnt: told one trial after another, asked at any time."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from nascout.search.history import Proposal, Stop, Trial
from nascout.space import Space

__all__ = ["Remembered", "State", "replay"]


class State(ABC):
    """A strategy in the middle of a search; a function of the trials told, and of nothing else."""

    @abstractmethod
    def tell(self, trial: Trial) -> None:
        """Take in a trial. They come in the order of their numbers, each once."""

    @abstractmethod
    def ask(self, rng: random.Random) -> Proposal | Stop:
        """What to evaluate next. Asking twice, or never, makes no difference to what follows."""


class Remembered(State):
    """The state of a strategy that looks at the whole history each time."""

    def __init__(
        self,
        ask: Callable[[Space, Sequence[Trial], random.Random], Proposal | Stop],
        space: Space,
    ) -> None:
        self._ask, self._space = ask, space
        self._history: list[Trial] = []

    def tell(self, trial: Trial) -> None:
        """Keep it."""
        self._history.append(trial)

    def ask(self, rng: random.Random) -> Proposal | Stop:
        """Ask with all of them."""
        return self._ask(self._space, self._history, rng)


def replay(state: State, history: Sequence[Trial]) -> State:
    """``state`` after ``history``, in whatever order it is listed and however often."""
    for trial in sorted({trial.number: trial for trial in history}.values(), key=_number):
        state.tell(trial)
    return state


def _number(trial: Trial) -> int:
    return trial.number
