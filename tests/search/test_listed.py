"""Architectures that were found elsewhere."""

import random

import pytest

from nascout.errors import ConfigError
from nascout.records import Objective, Outcome
from nascout.search.history import Proposal, Stop, Trial
from nascout.search.listed import Listed
from nascout.space import SPACES

SPACE = SPACES["nasbench201"]()
CELLS = [SPACE.sample(random.Random(seed)) for seed in range(4)]


def listed(**options):
    options = {"objectives": (Objective("params", False),), **options}
    return Listed(architectures=tuple(map(str, CELLS)), **options)


def run(strategy, outcomes):
    """Proposals until it stops; ``outcomes`` of scores, by place in the list."""
    history = []
    while True:
        said = strategy.ask(SPACE, history, random.Random(0))
        if isinstance(said, Stop):
            return [t.proposal for t in history], said.reason
        outcome = Outcome.OK
        if said.stage == "score":
            outcome = outcomes.get(CELLS.index(said.architecture), Outcome.OK)
        history.append(Trial(len(history), said, outcome, {}))


def test_all_are_scored_and_the_first_are_retrained():
    proposals, reason = run(listed(retrain=2, final_epochs=7), {})
    assert proposals == [
        *map(Proposal, CELLS),
        Proposal(CELLS[0], "retrain", 7),
        Proposal(CELLS[1], "retrain", 7),
    ]
    assert reason == "done"


def test_what_breaks_a_constraint_or_fails_is_passed_over():
    proposals, _ = run(listed(), {0: Outcome.INFEASIBLE, 1: Outcome.FAILED, 2: Outcome.NONFINITE})
    # A score that is not finite does not matter: nothing is chosen by it.
    assert proposals[-1] == Proposal(CELLS[2], "retrain", 20)


def test_nothing_is_left():
    _, reason = run(listed(), dict.fromkeys(range(4), Outcome.INFEASIBLE))
    assert reason == "infeasible"


def test_it_wants_something_to_retrain():
    with pytest.raises(ConfigError, match="retrain = 0"):
        listed(retrain=0)
