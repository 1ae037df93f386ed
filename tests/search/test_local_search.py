"""Local search on functions whose optima are known."""

import random

import pytest

from nascout.search import Stop
from nascout.search.local_search import LocalSearch


def total(point):
    return float(sum(point))


def distance(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_it_looks_at_all_neighbours_then_moves_to_the_best(grid, play, points):
    """Weights make every step's best neighbour unique: the heaviest digit that is not yet 3."""
    space, weights = grid(4, 4), (1, 10, 100, 1000)

    def value(point):
        return float(sum(w * x for w, x in zip(weights, point, strict=True)))

    history, _ = play(LocalSearch(budget=60), space, value)
    seen = points(history, "score")
    here, start = seen[0], 1
    while here != (3, 3, 3, 3):
        around = {n for n in map(tuple, neighbours(here, 4)) if n not in seen[:start]}
        assert set(seen[start : start + len(around)]) == around
        start += len(around)
        last = max(i for i in range(4) if here[i] != 3)
        here = (*here[:last], 3, *here[last + 1 :])


def neighbours(point, options):
    for place, number in enumerate(point):
        for other in set(range(options)) - {number}:
            yield [*point[:place], other, *point[place + 1 :]]


@pytest.mark.parametrize("impatient", [False, True])
def test_a_separable_function_is_solved_from_one_start(grid, play, points, impatient):
    """At most one move per decision (or option), each within 5 x 3 evaluations, of 1024."""
    strategy = LocalSearch(budget=96, first_improvement=impatient)
    for seed in range(5):
        history, _ = play(strategy, grid(5, 4), total, seed=seed)
        seen = points(history, "score")
        assert (3, 3, 3, 3, 3) in seen
        best = max(history, key=lambda trial: trial.values["independence"])
        assert history[-1].stage == "retrain" and history[-1].architecture == best.architecture


def test_first_improvement_moves_as_soon_as_there_is_a_better_neighbour(grid, play, points):
    history, _ = play(LocalSearch(budget=60, first_improvement=True), grid(5, 4), total)
    seen = points(history, "score")
    here = seen[0]
    for proposed in seen[1 : seen.index((3,) * 5) + 1]:
        assert distance(here, proposed) == 1
        here = proposed if total(proposed) > total(here) else here


def test_where_no_neighbour_is_better_it_starts_anew(grid, play, points):
    """0000 and 3333 are both better than everything within three steps of them."""

    def two_peaks(point):
        return float(max(sum(point), 14 - 2 * sum(point)))

    history, stop = play(LocalSearch(budget=256), grid(4, 4), two_peaks)
    seen = points(history, "score")
    assert {(0, 0, 0, 0), (3, 3, 3, 3)} <= set(seen[:120])
    assert len(set(seen)) == 256 and stop == Stop("done")


def test_a_failure_is_no_place_to_stand_on(grid, play, points):
    """A quarter of the architectures fails; the rest still leads to the optimum."""
    failing = random.Random(0).sample(
        [(a, b, c) for a in range(4) for b in range(4) for c in (0, 1)], 16
    )

    history, _ = play(
        LocalSearch(budget=40), grid(3, 4), lambda p: None if p in failing else total(p)
    )
    assert (3, 3, 3) in points(history, "score")
    assert points(history, "retrain") == [(3, 3, 3)]


def test_with_epochs_the_accuracy_decides(grid, play, points):
    """Scores lead to 0, accuracies to 3."""

    def value(point):
        return {"independence": -total(point), "val_accuracy": total(point)}

    history, _ = play(LocalSearch(budget=60, epochs=4), grid(4, 4), value)
    assert points(history, "score") == points(history, "train")
    assert {t.proposal.epochs for t in history if t.stage == "train"} == {4}
    assert points(history, "retrain") == [(3, 3, 3, 3)]
