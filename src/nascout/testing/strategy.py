"""The battery every strategy has to pass.

In a third party's tests::

    from nascout.testing.strategy import check_strategy

    def test_my_strategy():
        check_strategy(lambda: MyStrategy(budget=20), SPACES["nasbench201"]())
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from nascout.records import Outcome
from nascout.search.history import STAGES, Proposal, Trial
from nascout.search.strategy import Stop, Strategy, generator
from nascout.space import Space

__all__ = ["Answer", "check_strategy", "fold"]

Answer = Proposal | Stop
Evaluate = Callable[[Strategy, Proposal], tuple[Outcome, dict[str, float]]]


def check_strategy(factory: Callable[[], Strategy], space: Space, seed: int = 0) -> None:
    """Check a strategy against its contract, with evaluations that cost nothing.

    The next proposal is a function of the seed and the history alone, in whatever order it is
    asked; a history whose trials repeat or stand in another order does no harm; nothing is
    proposed twice; it stops, within its budget, also if candidates fail or break constraints.
    What it foresees it then proposes, if no constraint is broken.

    Args:
        factory: makes the strategy; called often, for two of them must not differ.
        space: what to search.
        seed: of the fold.

    Raises:
        AssertionError: which promise the strategy breaks.

    Example:
        >>> from nascout.search import STRATEGIES
        >>> from nascout.space import SPACES
        >>> check_strategy(lambda: STRATEGIES["random"](budget=5), SPACES["nasbench201"]())
    """
    for evaluate in (_succeeds, _often_fails, _often_infeasible):
        history, answers = fold(factory(), space, seed, evaluate)
        _keeps_to_budget(factory(), history)
        _is_a_function_of_history(factory, space, seed, history, answers)
        _bears_disorder(factory(), space, seed, history)
    _proposes_what_it_foresees(factory, space, seed)
    for outcome in (Outcome.INFEASIBLE, Outcome.FAILED):
        fold(factory(), space, seed, lambda *_, outcome=outcome: (outcome, {}))


def fold(
    strategy: Strategy, space: Space, seed: int, evaluate: Evaluate
) -> tuple[list[Trial], list[Answer]]:
    """Ask and evaluate until the strategy stops: the history, and every answer with the stop.

    Raises:
        AssertionError: a proposal that means nothing or came before, or no stop in sight.
    """
    history: list[Trial] = []
    answers: list[Answer] = []
    limit = 40 * sum(strategy.plan().values()) + 100
    while True:
        answers.append(strategy.ask(space, tuple(history), generator(seed, history)))
        proposal = answers[-1]
        if isinstance(proposal, Stop):
            return history, answers
        _means_something(strategy, proposal, space)
        assert all(proposal != trial.proposal for trial in history), (
            f"{strategy.name} proposes {proposal} again"
        )
        outcome, values = evaluate(strategy, proposal)
        history.append(Trial(len(history), proposal, outcome, values))
        assert len(history) < limit, f"{strategy.name} does not stop: {limit} proposals"


def _means_something(strategy: Strategy, proposal: Proposal, space: Space) -> None:
    assert isinstance(proposal, Proposal), f"{strategy.name} answers {proposal!r}"
    assert proposal.architecture.space == space, f"{strategy.name} leaves the space"
    assert proposal.stage in STAGES, f"{strategy.name}: no stage {proposal.stage!r}"
    assert (proposal.epochs == 0) == (proposal.stage == "score"), (
        f"{strategy.name}: {proposal.epochs} epochs for a {proposal.stage!r}"
    )


def _keeps_to_budget(strategy: Strategy, history: Sequence[Trial]) -> None:
    admitted = sum(t.stage == "score" and t.outcome is not Outcome.INFEASIBLE for t in history)
    assert admitted <= strategy.budget, (
        f"{strategy.name} scores {admitted} architectures on a budget of {strategy.budget}"
    )


def _proposes_what_it_foresees(factory: Callable[[], Strategy], space: Space, seed: int) -> None:
    history, _ = fold(factory(), space, seed, _succeeds)
    proposed = [trial.architecture for trial in history if trial.stage == "score"]
    foreseen = list(factory().foreseen(space, seed))
    assert foreseen == proposed[: len(foreseen)], (
        f"{factory().name} does not propose what it foresees"
    )


def _is_a_function_of_history(
    factory: Callable[[], Strategy],
    space: Space,
    seed: int,
    history: Sequence[Trial],
    answers: Sequence[Answer],
) -> None:
    """Ask again for every prefix: fresh strategies, then one strategy in random order."""
    lengths = list(range(len(answers)))
    backwards = random.Random(seed).sample(lengths, len(lengths))
    one = factory()
    for strategy, length in [(factory(), n) for n in lengths] + [(one, n) for n in backwards]:
        prefix = tuple(history[:length])
        answer = strategy.ask(space, prefix, generator(seed, prefix))
        assert answer == answers[length], (
            f"{strategy.name} answers {answers[length]} after {length} trials, and {answer} when "
            "asked again: it keeps state, or draws from another generator than the one given"
        )


def _bears_disorder(strategy: Strategy, space: Space, seed: int, history: Sequence[Trial]) -> None:
    for length in {len(history), len(history) // 2, 1}:
        prefix = list(history[:length])
        expected = strategy.ask(space, prefix, generator(seed, prefix))
        shuffled = random.Random(seed).sample(prefix, len(prefix))
        answer = strategy.ask(space, shuffled, generator(seed, prefix))
        assert answer == expected, (
            f"{strategy.name} depends on the order in which trials are listed: sort by number"
        )
        answer = strategy.ask(space, [*prefix, *prefix], generator(seed, prefix))
        assert answer == expected, f"{strategy.name} counts a trial that is listed twice twice"


def _succeeds(strategy: Strategy, proposal: Proposal) -> tuple[Outcome, dict[str, float]]:
    """Every metric a strategy may look at, as a function of architecture, stage and epochs."""
    rng = random.Random(f"{proposal.architecture.digest}/{proposal.stage}/{proposal.epochs}")
    names = [objective.metric for objective in strategy.objectives]
    names += {"train": ["val_accuracy"], "retrain": ["retrained_val_accuracy"]}.get(
        proposal.stage, []
    )
    return Outcome.OK, {name: rng.uniform(1, 100) for name in names}


def _often_fails(strategy: Strategy, proposal: Proposal) -> tuple[Outcome, dict[str, float]]:
    if random.Random(str(proposal)).random() < 0.3:
        return Outcome.FAILED, {}
    return _succeeds(strategy, proposal)


def _often_infeasible(strategy: Strategy, proposal: Proposal) -> tuple[Outcome, dict[str, float]]:
    if proposal.stage == "score" and random.Random(str(proposal)).random() < 0.6:
        return Outcome.INFEASIBLE, {}
    return _succeeds(strategy, proposal)
