"""The course of both controllers: what is learnt, from what, and what is drawn again."""

import copy
import math
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nascout.controller.nas_rl import NasRl
from nascout.controller.ppo import Ppo
from nascout.records import Outcome
from nascout.search import Proposal, Stop, Trial, generator
from nascout.space.nasbench101 import NasBench101
from nascout.space.nasbench201 import NasBench201

SPACE = NasBench201()
BOTH = pytest.mark.parametrize(
    "strategy",
    [NasRl(budget=60, children=5, epochs=1), Ppo(budget=60, children=5, epochs=1)],
    ids=["nas_rl", "ppo"],
)


def convolutions(architecture):
    """Accuracy in percent: 12 for each 3x3 convolution, and 10."""
    return 10.0 + 12.0 * architecture.values.count("nor_conv_3x3")


def fold(strategy, space=SPACE, seed=0, value=convolutions, watch=lambda state: None):
    """To the end of the search, told step by step: the state, and the trials."""
    state, history = strategy.start(space), []
    while True:
        answer = state.ask(generator(seed, history))
        if isinstance(answer, Stop) or answer.stage == "retrain":
            return state, history
        found = value(answer.architecture)
        outcome = Outcome.FAILED if found is None else Outcome.OK
        values = {"independence": found, "val_accuracy": found} if found is not None else {}
        history.append(Trial(len(history), answer, outcome, values))
        watch(state)
        state.tell(history[-1])


def trained(strategy):
    """The state at the end, and every batch that it learnt from."""
    batches = {}

    def watch(state):
        if state.policy is not None:
            batches[state.updates] = state.children

    state, history = fold(strategy, watch=watch)
    first = [trial.architecture for trial in history if trial.stage == "score"]
    return state, [first[: strategy.children], *(batches[n] for n in range(1, state.updates))]


def by_other_lines(strategy, policy, batches, reward):
    """The same training in a few lines of another make."""
    adam = torch.optim.Adam(policy.parameters(), lr=strategy.learning_rate)
    past = []
    for batch in batches:
        rewards = torch.tensor([reward(one) for one in batch], dtype=torch.float64)
        weights = [strategy.momentum ** (len(past) - i) for i in range(len(past))]
        baseline = np.average(past, weights=weights) if past else float(rewards.mean())
        past += rewards.tolist()
        a = (rewards - baseline)[:, None]
        old = policy(policy.numbers(batch))[0].detach()
        for _ in range(getattr(strategy, "passes", 1)):
            log_p, entropy = policy(policy.numbers(batch))
            if isinstance(strategy, Ppo):
                r = torch.exp(log_p - old)
                inside = torch.clamp(r, 1 - strategy.clip, 1 + strategy.clip)
                gain = torch.where(a > 0, torch.minimum(r, inside), torch.maximum(r, inside)) * a
            else:
                gain = log_p * a
            adam.zero_grad()
            loss = -(gain + strategy.entropy * entropy).sum() / len(batch)
            loss.backward()
            adam.step()


@pytest.mark.slow
@BOTH
def test_it_trains_as_the_papers_say(strategy):
    strategy = replace(strategy, budget=43, learning_rate=0.01, entropy=0.02)
    state, batches = trained(strategy)
    # With the parameters of the start.
    still, _ = trained(replace(strategy, learning_rate=1e-300))
    assert len(batches) == state.updates > 5
    policy = copy.deepcopy(still.policy)
    power = 3 if strategy.name == "nas_rl" else 1
    by_other_lines(strategy, policy, batches, lambda one: (convolutions(one) / 100) ** power)
    taken = policy.numbers([SPACE.sample(random.Random(n)) for n in range(20)])
    policies = state.policy, policy, still.policy
    found, expected, start = (one(taken)[0].detach() for one in policies)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    assert float((found - start).abs().max()) > 0.05  # it did learn


@BOTH
def test_without_training_the_reward_is_the_rank(strategy):
    strategy = replace(strategy, budget=20, epochs=0)
    scores = {one: math.sinh(20 * random.Random(str(one)).gauss(0, 1)) for one in SPACE}
    state, history = fold(strategy, value=scores.__getitem__)
    known = [trial.values["independence"] for trial in history]
    some = [trial.architecture for trial in history[5:12]]
    power = 3 if strategy.name == "nas_rl" else 1
    ranks = [np.mean([scores[one] > other for other in known]) + 0.5 / 20 for one in some]
    np.testing.assert_allclose(state.rewards(some), np.array(ranks) ** power)


@BOTH
def test_what_failed_teaches_nothing(strategy):
    strategy = replace(strategy, budget=25, learning_rate=0.01)
    state, _ = fold(strategy, value=lambda one: None)
    assert state.updates == 0 and len(state.losses) == 25

    def half(one):
        return convolutions(one) if one.values[0] < "none" else None

    state, _ = fold(strategy, value=half)
    values = [loss for loss in state.losses.values() if loss < math.inf]
    assert state.updates > 0 and 0 < len(values) < 25


@pytest.mark.slow
@BOTH
def test_the_seed_enters_by_the_first_batch(strategy):
    one, same, other = (fold(strategy, seed=seed)[0] for seed in (0, 0, 1))
    taken = one.policy.numbers([SPACE.sample(random.Random(0))])
    assert torch.equal(one.policy(taken)[0], same.policy(taken)[0])
    assert not torch.allclose(one.policy(taken)[0], other.policy(taken)[0])


@pytest.mark.slow
@BOTH
def test_a_settled_policy_goes_on_to_what_is_beside_it(strategy):
    """It draws little but what is known; all that is proposed is new, and close to it."""
    strategy = replace(strategy, budget=120, learning_rate=0.05, units=20)
    state, history = fold(strategy)
    proposed = [trial.architecture for trial in history if trial.stage == "score"]
    assert len(set(proposed)) == 120
    assert len(set(state.children)) < 3 and set(state.children) <= set(proposed)
    assert np.mean([convolutions(one) for one in proposed[-30:]]) > 40 > 10 + 12 * 6 / 5


def test_what_a_space_refuses_is_drawn_again():
    strategy = NasRl(budget=12, children=4)
    state, _ = fold(strategy, NasBench101(), value=lambda one: one.values.count("yes"))
    assert state.updates == 3 and len(state.children) == 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@BOTH
def test_it_learns(strategy, seed):
    """Uniform draws have 1.2 of the rewarded operation among six, with a deviation of .98."""
    strategy = replace(strategy, budget=150, children=10, learning_rate=0.02, units=20)
    state, _ = fold(strategy, seed=seed)
    drawn = state.policy.values(state.policy.sample(400, random.Random(0)))
    assert np.mean([values.count("nor_conv_3x3") for values in drawn]) > 3.5
    still, _ = fold(replace(strategy, budget=10, learning_rate=1e-300), seed=seed)
    drawn = still.policy.values(still.policy.sample(400, random.Random(0)))
    uniform = np.mean([values.count("nor_conv_3x3") for values in drawn])
    assert uniform == pytest.approx(1.2, abs=0.2)


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
import test_batches
from nascout.controller.{module} import {name}
_, history = test_batches.fold({name}(budget=30, children=4, epochs=1, learning_rate=0.02))
print([str(trial.architecture) for trial in history])
"""


@pytest.mark.slow
@BOTH
def test_another_process_goes_on_alike_from_half_way(strategy):
    strategy = replace(strategy, budget=30, children=4, learning_rate=0.02)
    _, history = fold(strategy)
    code = PROGRAM.format(
        here=str(Path(__file__).parent), module=strategy.name, name=type(strategy).__name__
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == str([str(trial.architecture) for trial in history])
    for length in (1, 9, 31, 44, 59):
        prefix = tuple(history[:length])
        answer = strategy.ask(SPACE, prefix, generator(0, prefix))
        assert answer == history[length].proposal


def test_a_batch_of_one():
    """The first reward is its own baseline; then every child is an update."""
    state, history = fold(NasRl(budget=8, children=1))
    assert len(history) == 8 and state.updates >= 8


def test_a_trial_that_is_missing_is_asked_for_again():
    strategy = NasRl(budget=20, children=4)
    _, history = fold(strategy)
    state = strategy.start(SPACE)
    for trial in history[:7]:
        if trial.number != 5:
            state.tell(trial)
    assert state.ask(random.Random(0)) == Proposal(history[5].architecture)
