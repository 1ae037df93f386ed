"""The loop: ask the strategy, evaluate, store; until it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nascout.errors import AllFailed
from nascout.records import Outcome
from nascout.run.result import Result
from nascout.run.store import Store
from nascout.run.watcher import Watcher
from nascout.search import Stop, Strategy, Trial, generator
from nascout.search.state import replay
from nascout.space import Space

if TYPE_CHECKING:
    from nascout.run.evaluator import Evaluator

__all__ = ["loop"]

# If this many first trials all fail, the fault is not the candidates'.
HOPELESS = 20


def loop(
    strategy: Strategy,
    space: Space,
    store: Store,
    evaluate: Evaluator | Callable[..., Result],
    *,
    seed: int,
    watcher: Watcher,
    should_stop: Callable[[], bool],
) -> str:
    """Run or resume a search; every trial is committed before the next is asked for.

    What the store already holds is never evaluated again: neither the history, nor a network
    that was evaluated under another notation.

    Returns:
        Why it stopped: ``"done"``, ``"exhausted"`` or ``"infeasible"``.

    Raises:
        Stopped: ``should_stop`` said yes; everything finished is stored.
        AllFailed: the first trials all failed; carries the first one's traceback.
    """
    from nascout.train import Stopped

    history = store.trials()
    watcher.started(strategy.plan(), history)
    state = replay(strategy.start(space), history)
    while True:
        _refuse_hopeless(history)
        answer = state.ask(generator(seed, history))
        if isinstance(answer, Stop):
            return answer.reason
        if should_stop():
            raise Stopped
        watcher.asked(answer.stage)
        result = store.find(answer, seed) or evaluate(answer, watcher.epoch, should_stop)
        history.append(store.record(len(history), answer, result, seed))
        state.tell(history[-1])
        watcher.trial(history[-1])


def _refuse_hopeless(history: list[Trial]) -> None:
    first = history[:HOPELESS]
    if len(first) == HOPELESS and all(trial.outcome is Outcome.FAILED for trial in first):
        raise AllFailed(
            f"the first {HOPELESS} candidates all failed",
            f"The first one said: {first[0].message.strip()}",
        )
