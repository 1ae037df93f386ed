"""Ageing, tournament, warm-up: on a space too large to propose anything twice by chance."""

import pytest

from nascout.search.area import Area
from nascout.search.evolution import RegularisedEvolution


def distance(one, other):
    return sum(a != b for a, b in zip(one, other, strict=True))


def noise(point):
    """A value with no structure, different for every point."""
    return float(hash(point) % 1_000_003)


def test_the_parent_is_the_best_of_the_youngest(grid, play, points):
    """A tournament of 200 among 4 misses the best with a probability of 1e-25."""
    history, _ = play(
        RegularisedEvolution(budget=60, population=4, tournament=200), grid(12, 5), noise
    )
    seen = points(history, "score")
    died = 0
    for number in range(4, 60):
        parent = max(seen[number - 4 : number], key=noise)
        assert distance(seen[number], parent) == 1
        died += parent != max(seen[:number], key=noise)
    assert died > 10, "the best of all was always alive: this test shows no ageing"


def test_a_tournament_of_one_takes_anybody_alive(grid, play, points):
    history, _ = play(
        RegularisedEvolution(budget=80, population=5, tournament=1), grid(12, 5), noise
    )
    seen, best = points(history, "score"), 0
    for number in range(5, 80):
        parents = [one for one in seen[number - 5 : number] if distance(one, seen[number]) == 1]
        assert parents
        best += max(seen[number - 5 : number], key=noise) in parents
    assert 5 <= best <= 40  # 15 are expected of 75, and siblings


def test_what_fails_is_no_parent(grid, play, points):
    strategy = RegularisedEvolution(budget=60, population=4, tournament=200)
    history, _ = play(strategy, grid(12, 5), lambda p: noise(p) if sum(p) % 3 else None)
    good = []
    for point in points(history, "score"):
        if len(good) >= 4:
            assert distance(point, max(good[-4:], key=noise)) == 1
        if sum(point) % 3:
            good.append(point)


@pytest.mark.parametrize("kind", [RegularisedEvolution, Area])
def test_only_the_best_scores_of_the_warm_up_are_trained(grid, play, points, kind):
    """Accuracies rank against scores, so choosing by either is told apart."""
    strategy = kind(budget=40, population=5, tournament=300, warm_up=20, epochs=7)

    def value(point):
        return {"independence": noise(point), "val_accuracy": -noise(point)}

    history, _ = play(strategy, grid(12, 5), value)
    scored, trained = points(history, "score"), points(history, "train")
    assert [t.stage for t in history[:25]] == ["score"] * 20 + ["train"] * 5
    assert set(trained[:5]) == set(sorted(scored[:20], key=noise)[-5:])
    assert trained[5:] == scored[20:] and len(scored) == 40
    for number in range(5, 25):
        parent = min(trained[number - 5 : number], key=noise)
        assert distance(trained[number], parent) == 1
    assert points(history, "retrain") == [min(trained, key=noise)]


def test_a_score_can_be_evolved_after_a_warm_up_by_itself(grid, play, points):
    strategy = RegularisedEvolution(budget=40, population=5, tournament=300, warm_up=20)
    history, _ = play(strategy, grid(12, 5), noise)
    seen = points(history, "score")
    living = [one for one in seen[:20] if one in sorted(seen[:20], key=noise)[-5:]]
    for child in seen[20:]:
        assert distance(child, max(living, key=noise)) == 1
        living = [*living[1:], child]


def test_a_warm_up_larger_than_the_space_trains_its_best(grid, play, points):
    history, stop = play(Area(budget=50, population=2, warm_up=20, epochs=1), grid(2, 2), noise)
    assert len(points(history, "score")) == 4 and len(points(history, "train")) == 2
    assert stop.reason == "exhausted"


def test_areas_defaults_are_the_papers():
    area = Area()
    assert (area.warm_up, area.population, area.tournament, area.epochs) == (20, 10, 3, 12)


def test_it_foresees_its_random_beginning(grid, play, points):
    space = grid(12, 5)
    for strategy, count in [
        (RegularisedEvolution(population=6), 6),
        (RegularisedEvolution(population=6, warm_up=9, epochs=1), 9),
        (RegularisedEvolution(population=6, epochs=1), 0),
    ]:
        history, _ = play(strategy, space, noise)
        foreseen = list(strategy.foreseen(space, 0))
        assert len(foreseen) == count
        assert foreseen == [t.architecture for t in history if t.stage == "score"][:count]
