"""Acquisitions against closed forms, features by hand, and searches whose optimum is known."""

import math
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from nascout.errors import ConfigError, UnknownName
from nascout.records import Outcome
from nascout.search import Stop, Trial, generator
from nascout.search.acquisition import expected_improvement, thompson
from nascout.search.features import Features
from nascout.search.guide import Guide, GuideKnobs, align
from nascout.search.pool import Pool
from nascout.search.predictor import fit_predictor
from nascout.search.predictor_guided import PredictorGuided
from nascout.search.random_search import RandomSearch
from nascout.space.enas_macro import EnasMacro


def test_thompson_chooses_with_the_probability_of_being_lower():
    """P(N(m1, s1²) < N(m2, s2²)) = Phi((m2 - m1) / sqrt(s1² + s2²))."""
    mean, spread, rng = np.array([0.3, 0.0]), np.array([0.5, 1.2]), np.random.default_rng(0)
    draws = np.array([thompson(mean, spread, 0.0, rng) for _ in range(20_000)])
    expected = norm.cdf(-0.3 / math.hypot(0.5, 1.2))
    assert (draws[:, 0] < draws[:, 1]).mean() == pytest.approx(expected, abs=0.015)
    assert draws.std(axis=0) == pytest.approx(spread, rel=0.03)


@pytest.mark.parametrize(("mean", "spread", "best"), [(0.4, 0.7, 0.2), (-1.0, 0.3, 0.0), (2, 1, 0)])
def test_expected_improvement_is_the_integral(mean, spread, best):
    integral, _ = quad(lambda x: (best - x) * norm.pdf(x, mean, spread), -20, best)
    found = expected_improvement(np.array([mean]), np.array([spread]), best, None)
    assert -found[0] == pytest.approx(integral, rel=1e-6)


def test_improvement_without_doubt_is_the_difference():
    found = expected_improvement(np.array([1.0, 3.0]), np.zeros(2), 2.0, None)
    assert -found == pytest.approx([1.0, 0.0])


def test_decisions_are_the_spaces_one_hot_code():
    space, rng = EnasMacro(), random.Random(0)
    ones = [space.sample(rng) for _ in range(9)]
    features = Features(space, [], [3])([(one, 3) for one in ones], {})
    codes = np.array([space.encode(one) for one in ones])
    assert features.shape == (9, codes.shape[1] + 1) and not features[:, -1].any()
    scale = features[:, :-1].max()
    assert features[:, :-1] / scale == pytest.approx(codes)


def test_two_random_architectures_are_at_distance_one(grid):
    space, rng = grid(30, 5), random.Random(0)
    rows = Features(space, [], [1])([(space.sample(rng), 1) for _ in range(400)], {})
    squares = ((rows[:200] - rows[200:]) ** 2).sum(axis=1)
    assert squares.mean() == pytest.approx(1, abs=0.03)


def test_scores_enter_by_rank_and_equal_rankings_once(grid):
    space = grid(3, 4)
    cells = [space.sample(random.Random(i)) for i in range(20)]
    size = {cell: float(i) for i, cell in enumerate(cells)}
    plain = {one: {"size": s, "noise": (s * 7) % 20} for one, s in size.items()}
    bent = {
        one: {"size": math.exp(s), "double": 2 * s, "noise": (s * 7) % 20}
        for one, s in size.items()
    }
    points = [(cell, 1) for cell in cells]
    first, second = (
        Features(space, list(values.values()), [1])(points, values) for values in (plain, bent)
    )
    assert first.shape == second.shape == (20, 12 + 2 + 1)
    assert sorted(map(tuple, first.T)) == sorted(map(tuple, second.T))
    middle = Features(space, list(plain.values()), [1])(points[:1], {})
    assert not middle[0, 12:].any()


def test_shorter_trainings_are_shifted_by_what_both_have(grid):
    """1 epoch to 3: medians of -2 and -4; 3 to 9: -1."""
    a, b, c, d = list(grid(1, 4))
    told = [(a, 1, 10.0), (b, 1, 12.0), (c, 1, 20.0), (d, 1, math.inf)]
    told += [(a, 3, 8.0), (b, 3, 8.0), (a, 9, 7.0)]
    expected = [10 - 3 - 1, 12 - 3 - 1, 20 - 3 - 1, math.inf, 8 - 1, 8 - 1, 7]
    assert align(told).tolist() == expected


@pytest.mark.parametrize("loss", ["mse", "pairwise"])
def test_the_predictor_ranks_what_it_has_not_seen(loss):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, size=(160, 3))
    y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2]
    mean, spread = fit_predictor(x[:60], y[:60], loss=loss)(x[60:])
    assert np.corrcoef(np.argsort(np.argsort(mean)), np.argsort(np.argsort(y[60:])))[0, 1] > 0.95
    assert (spread > 0).all()
    _, beyond = fit_predictor(x[x[:, 0] < 0.5], y[x[:, 0] < 0.5], loss=loss)(x)
    assert beyond[x[:, 0] > 0.8].mean() > beyond[x[:, 0] < 0.5].mean()


def test_too_little_to_learn_from():
    assert fit_predictor(np.eye(3), np.array([1.0, math.inf, math.inf])) is None


def rugged(point):
    """Twelve numbers: a sum of their tables and of products of neighbours."""
    table = np.random.default_rng(7).normal(size=(12, 5))
    single = sum(table[i, x] for i, x in enumerate(point))
    return float(
        single + sum(table[i, x] * table[i - 1, point[i - 1]] for i, x in enumerate(point))
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "knobs",
    [{}, {"loss": "pairwise"}, {"acquisition": "expected_improvement"}],
    ids=str,
)
def test_it_beats_random_search_in_a_space_of_244_million(grid, play, knobs):
    def best(strategy, seed):
        history, _ = play(strategy, grid(12, 5), rugged, seed=seed)
        return max(t.values["val_accuracy"] for t in history if t.stage == "train")

    seeds = range(4)
    guided, chance, more = (
        np.array([best(strategy, seed) for seed in seeds])
        for strategy in (
            PredictorGuided(budget=60, epochs=1, **knobs),
            RandomSearch(budget=60, epochs=1),
            RandomSearch(budget=240, epochs=1),
        )
    )
    assert (guided > chance).all() and guided.mean() > more.mean() + 3


def trainings(strategy, space, evaluate, seed):
    """The trials of the search's trainings; ``evaluate(point, stage)`` gives None for a failure."""
    state, history = strategy.start(space), []
    while True:
        answer = state.ask(generator(seed, history))
        if isinstance(answer, Stop) or answer.stage == "retrain":
            return [trial for trial in history if trial.stage == "train"]
        values = evaluate(tuple(map(int, answer.architecture.values)), answer.stage)
        outcome = Outcome.FAILED if values is None else Outcome.OK
        history.append(Trial(len(history), answer, outcome, values or {}))
        state.tell(history[-1])


@pytest.mark.slow
def test_scores_as_features_help_where_they_tell_something(grid):
    """40 trainings, of which the model chooses the last 20."""

    def evaluate(point, stage, *, told):
        rng = random.Random(str(point))
        score = rugged(point) * told + rng.gauss(0, 1)
        return {"independence": score} if stage == "score" else {"val_accuracy": rugged(point)}

    def mean(seed, told):
        strategy = PredictorGuided(budget=400, initial=20, screen=10, epochs=1)
        found = trainings(strategy, grid(12, 5), partial(evaluate, told=told), seed)
        assert len(found) == 40
        return np.mean([trial.values["val_accuracy"] for trial in found[20:]])

    told, untold = (np.array([mean(seed, flag) for seed in range(3)]) for flag in (True, False))
    assert (told > untold).all() and told.mean() > untold.mean() + 1


def test_ten_are_scored_for_each_that_is_trained(grid, play):
    strategy = PredictorGuided(budget=60, screen=5, initial=4, batch=3, epochs=2)
    history, stop = play(strategy, grid(8, 5), lambda p: float(sum(p)))
    stages = "".join(t.stage[0] for t in history)
    expected = "s" * 20 + "t" * 4 + ("s" * 15 + "t" * 3) * 2 + "s" * 10 + "t" * 2 + "r"
    assert stages == expected and stop == Stop("done")
    assert strategy.plan() == {"score": 60, "train": 12, "retrain": 1}


def test_what_a_batch_found_counts_from_the_next_one(grid):
    """Two guides are told different trainings; the difference shows once they know of it."""
    space, rng = grid(6, 5), random.Random(0)
    told, later = ([space.sample(rng) for _ in range(20)] for _ in range(2))
    among = [space.sample(rng) for _ in range(50)]
    guides = [Guide(space, GuideKnobs(acquisition="expected_improvement")) for _ in range(2)]
    for guide, sign in zip(guides, (1, -1), strict=True):
        for one in told:
            guide.evaluated(one, 1, float(one.values[0]))
        guide.know()
        for one in later:
            guide.evaluated(one, 1, sign * 10 * float(one.values[1]))
    before = [guide.choose(among, 1, random.Random(0)) for guide in guides]
    for guide in guides:
        guide.know()
    after = [guide.choose(among, 1, random.Random(0)) for guide in guides]
    assert before[0] == before[1] and before[0].values[0] == "0"
    assert [one.values[1] for one in after] == ["0", "4"]


@pytest.mark.slow
def test_failures_teach_a_ranking_to_stay_away_and_regression_not(grid):
    """Ten numbers from 0 to 4: the larger their sum the better, but from 21 on training fails."""

    def evaluate(point, stage):
        if stage == "score":
            return {"independence": 0.0}
        return {"val_accuracy": float(sum(point))} if sum(point) < 21 else None

    def failures(loss, seed):
        strategy = PredictorGuided(budget=80, initial=20, epochs=1, loss=loss)
        found = trainings(strategy, grid(10, 5), evaluate, seed)
        return np.mean([trial.outcome is Outcome.FAILED for trial in found[40:]])

    ranking, regression = (
        np.array([failures(loss, seed) for seed in range(3)]) for loss in ("pairwise", "mse")
    )
    assert ranking.max() < regression.min() and regression.mean() > 1.5 * ranking.mean()


def test_candidates_are_new_distinct_and_half_near_the_best(grid):
    space, rng = grid(20, 5), random.Random(0)
    guide, pool = Guide(space, GuideKnobs()), Pool(space, 100)
    best = space.sample(rng)
    guide.evaluated(best, 1, -1.0)
    pool.seen.add(best)
    found = guide.candidates(pool, 100, rng)
    near = sum(
        sum(a != b for a, b in zip(one.values, best.values, strict=True)) == 1 for one in found
    )
    assert len(set(found)) == len(found) and best not in found and 30 < near < 70


def test_a_space_can_be_used_up(grid, play, points):
    for screen in (0, 3):
        strategy = PredictorGuided(budget=100, initial=5, batch=4, epochs=1, screen=screen)
        history, stop = play(strategy, grid(2, 3), lambda p: float(sum(p)))
        assert len(points(history, "score")) == 9 == len(points(history, "train"))
        assert stop == Stop("exhausted") and points(history, "retrain") == [(2, 2)]


@pytest.mark.parametrize(
    "knobs",
    [
        {"initial": 0},
        {"batch": 0},
        {"screen": -1},
        {"screen": 2, "epochs": 0},
        {"members": 0},
        {"negatives": 0.0},
    ],
)
def test_knobs_that_mean_nothing_are_refused(knobs):
    with pytest.raises(ConfigError):
        PredictorGuided(**knobs)


@pytest.mark.parametrize("knobs", [{"loss": "l2"}, {"acquisition": "ucb"}])
def test_unknown_names_are_refused(knobs):
    with pytest.raises(UnknownName):
        PredictorGuided(**knobs)


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
from conftest import Grid, play, point
from nascout.search.predictor_guided import PredictorGuided
strategy = PredictorGuided(budget=40, screen=2, epochs=1)
history, _ = play(strategy, Grid(8, 5), lambda p: float(sum(p)))
print([point(t.architecture) for t in history])
"""


@pytest.mark.slow
def test_another_process_proposes_the_same(grid, play, point):
    history, _ = play(
        PredictorGuided(budget=40, screen=2, epochs=1), grid(8, 5), lambda p: float(sum(p))
    )
    command = [sys.executable, "-c", PROGRAM.format(here=str(Path(__file__).parent))]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert there.strip() == str([point(t.architecture) for t in history])
