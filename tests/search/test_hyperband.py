"""Brackets and rungs against the paper's table; who climbs, and how long."""

from collections import Counter

import pytest

from nascout.search import Stop
from nascout.search.hyperband import Hyperband, SuccessiveHalving


def test_the_brackets_of_the_papers_table():
    """Table 1 of the paper: R = 81, eta = 3."""
    assert Hyperband(max_epochs=81, eta=3).brackets() == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


@pytest.mark.parametrize("eta", [2, 3, 4])
def test_no_bracket_is_longer_than_r_however_r_divides(eta):
    for most in range(1, 100):
        brackets = Hyperband(max_epochs=most, eta=eta).brackets()
        assert len(brackets) == len(bracket_lengths(most, eta))
        for bracket in brackets:
            assert bracket[-1][1] == most and all(n >= 1 and r >= 1 for n, r in bracket)


def bracket_lengths(most, eta):
    found = [1]
    while found[-1] * eta <= most:
        found.append(found[-1] * eta)
    return found


def value(point):
    return float(sum(5**i * x for i, x in enumerate(point)))


def test_a_round_of_hyperband(grid, play, points):
    """143 architectures; in each rung the best third climbs."""
    strategy = Hyperband(budget=143, max_epochs=81, eta=3)
    history, stop = play(strategy, grid(8, 5), value)
    expected = Counter()
    for bracket in strategy.brackets():
        for count, epochs in bracket:
            expected[epochs] += count
    trained = [t for t in history if t.stage == "train"]
    assert Counter(t.proposal.epochs for t in trained) == expected
    assert strategy.plan() == {"score": 143, "train": expected.total(), "retrain": 1}
    first, second = points(history[:81], "score"), points(history[81 + 81 : 81 + 81 + 27], "train")
    assert second == sorted(first, key=value, reverse=True)[:27]
    assert len(points(history, "score")) == 143 and stop == Stop("done")
    assert points(history, "retrain") == [max(points(history, "score"), key=value)]


def test_rounds_repeat_until_the_budget_is_spent(grid, play, points):
    """R = 3: brackets of 3 and 2, then 3 again, then one of the 2."""
    history, _ = play(Hyperband(budget=9, max_epochs=3, eta=3), grid(8, 5), value)
    assert Hyperband(max_epochs=3).brackets() == [[(3, 1), (1, 3)], [(2, 3)]]
    epochs = [t.proposal.epochs for t in history if t.stage == "train"]
    assert epochs == [1, 1, 1, 3, 3, 3, 1, 1, 1, 3, 3]
    assert len(points(history, "score")) == 9


def test_successive_halving_trains_all_and_halves(grid, play, points):
    strategy = SuccessiveHalving(budget=20, eta=2, epochs=3, max_epochs=24)
    history, _ = play(strategy, grid(8, 5), value)
    assert strategy.brackets() == [[(20, 3), (10, 6), (5, 12), (2, 24)]]
    everyone = sorted(points(history, "score"), key=value, reverse=True)
    rungs = [[t for t in history if t.proposal.epochs == e] for e in (3, 6, 12, 24)]
    assert [len(rung) for rung in rungs] == [20, 10, 5, 2]
    for rung in rungs[1:]:
        assert points(rung, "train") == everyone[: len(rung)]


def test_a_training_that_fails_does_not_climb(grid, play, points):
    strategy = SuccessiveHalving(budget=12, eta=3, epochs=1, max_epochs=9)
    values = {}

    def often_fails(point):
        """Every second training of the first rung fails; scores never do."""
        values[point] = values.get(point, -1) + 1
        return None if values[point] == 1 and sum(point) % 2 else value(point)

    history, _ = play(strategy, grid(8, 5), often_fails)
    second = [t for t in history if t.proposal.epochs == 3]
    even = [p for p in points(history, "score") if sum(p) % 2 == 0]
    assert points(second, "train") == sorted(even, key=value, reverse=True)[: min(4, len(even))]
    assert len(even) < 12


def test_if_all_trainings_fail_nothing_is_retrained(grid, play, points):
    calls = []

    def only_scores(point):
        calls.append(point)
        return value(point) if calls.count(point) == 1 else None

    history, stop = play(Hyperband(budget=8, max_epochs=9), grid(8, 5), only_scores)
    assert not points(history, "retrain") and stop == Stop("done")
