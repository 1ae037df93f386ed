"""Ranks of several scores as one."""

import math
import random

import pytest
import torch

from nascout.errors import ConfigError
from nascout.run.config import SearchConfig
from nascout.run.plan import make_plan
from nascout.score.card import SCORES
from nascout.score.composite import COMPOSITES, Composite
from nascout.score.evaluate import evaluate, resolve
from nascout.space.nasbench201 import NasBench201

SPACE = NasBench201(channels=4, cells=1, input_shape=(3, 8, 8))
THREE = [SPACE.sample(random.Random(seed)) for seed in range(3)]
X = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_vote_is_the_share_of_the_others_that_are_beaten():
    rng = random.Random(0)
    values = {name: [float(rng.randrange(4)) for _ in range(7)] for name in ("params", "macs")}
    vote = Composite("both", (("params", 2.0), ("macs", 1.0)), "vote")

    def beaten(column, i):
        others = [v for j, v in enumerate(column) if j != i]
        return sum((v < column[i]) + (v == column[i]) / 2 for v in others) / len(others)

    expected = [(2 * beaten(values["params"], i) + beaten(values["macs"], i)) / 3 for i in range(7)]
    assert vote.join(values).tolist() == pytest.approx(expected)


def test_log_ranks_add_up_with_their_weights():
    joined = Composite("both", (("params", 1.0), ("macs", 0.5)), "log rank").join(
        {"params": [10.0, 30.0, 20.0], "macs": [1.0, 1.0, 5.0]}
    )
    log = math.log
    assert joined.tolist() == pytest.approx(
        [log(1 / 3) + 0.5 * log(1.5 / 3), 0.5 * log(1.5 / 3), log(2 / 3)]
    )


def test_lower_is_better_is_turned_round_and_failures_come_last():
    assert not SCORES["ntk"].higher_is_better
    joined = Composite("one", (("ntk", 1.0),), "vote").join({"ntk": [5.0, math.inf, 3.0, math.nan]})
    assert joined.argsort().tolist()[2:] == [0, 2]
    assert joined[1] == joined[3]


def test_every_declared_composite_is_made_of_single_scores_and_says_what_it_needs():
    for name in COMPOSITES:
        composite = COMPOSITES[name]
        assert name not in SCORES
        assert len(composite.cards) == len(composite.parts)
        assert composite.summary
    assert COMPOSITES["vote"].needs == "labels"
    assert COMPOSITES["scout"].needs == "inputs"


def test_a_population_is_scored_like_by_any_score():
    scored = evaluate(THREE, X, ["synflow_jacob_params", "params"])
    parts = evaluate(THREE, X, ["synflow", "jacob_cov", "params"])
    values = {name: [one[name].value for one in parts] for name in parts[0]}
    expected = COMPOSITES["synflow_jacob_params"].join(values)
    assert [one["synflow_jacob_params"].value for one in scored] == pytest.approx(list(expected))
    assert set(scored[0]) == {"synflow_jacob_params", "params"}
    (again,) = resolve("scout")
    assert again is COMPOSITES["scout"]


def test_one_network_has_no_rank():
    with pytest.raises(ConfigError, match="there is one"):
        evaluate(THREE[0], X, "scout")


def test_a_search_scores_one_at_a_time():
    from nascout.data import load

    with pytest.raises(ConfigError, match="one network at a time"):
        make_plan(SearchConfig(score="scout"), load("digits"))
