"""ProxylessNAS: what is drawn, what moves, and what it costs."""

import math
import subprocess
import sys
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ConfigError, UnknownName
from nascout.hardware import LatencyTable
from nascout.network.supernet import Supernet
from nascout.oneshot import METHODS, share
from nascout.oneshot.bilevel import gradients
from nascout.oneshot.expected_latency import tabulate
from nascout.oneshot.learner import Moment
from nascout.oneshot.proxyless import keep_others
from nascout.space import SPACES
from nascout.train.batches import Batch

CPU = torch.device("cpu")
DOUBLE = torch.float64
SMALL = {"epochs": 4, "batch_size": 16, "val_fraction": 0.5, "every": 1}


def moment(step=0, epoch=5, epochs=10, steps=4):
    return Moment(epoch, epochs, step, steps, 0.025, 0)


def batch(seed=0, n=6, shape=(2, 8, 8), dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *shape, generator=generator, dtype=dtype)
    return Batch(x, (torch.arange(n) % 3,), 1.0, n)


def learner_of(space, name="proxyless", *, double=False, **knobs):
    """With alphas far enough apart to tell probabilities from each other."""
    learner = METHODS[name](**{"warm_up": 0.0, "every": 1, **knobs}).learner(space, 0, CPU)
    generator = torch.Generator().manual_seed(3)
    for alpha in learner.alphas.values():
        spread = torch.randn(len(alpha), generator=generator, dtype=DOUBLE)
        alpha.data = spread if double else spread.float()
    if double:
        learner.net.double()
    return learner


def all_alphas(learner):
    return {name: alpha.detach().clone() for name, alpha in learner.alphas.items()}


@pytest.fixture
def table(tmp_path, space, monkeypatch):
    """A saved table on a clock that counts parameters and values."""

    def time(self, net, shapes, seconds):
        own = sum(math.prod(shape) for shape in shapes)
        own += sum(p.numel() for p in net.parameters())
        return 1e-2 * own

    monkeypatch.setattr(LatencyTable, "_time", time)
    path = tmp_path / "table.json"
    LatencyTable(path=path).latency_ms(next(iter(space)).graph())
    return str(path)


@pytest.mark.slow
def test_a_path_is_drawn_by_the_probabilities_and_uniformly_at_first(space):
    learner = learner_of(space, warm_up=0.5)
    with torch.no_grad():
        learner.alphas["0->1"].copy_(torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1]).log())
    for epoch, chance in ((4, 0.2), (5, 0.6)):
        drawn = [learner.draw(moment(step, epoch, steps=1000), "w")["0->1"] for step in range(300)]
        counted = sum(int(place) == 0 for place in drawn)
        spread = math.sqrt(300 * chance * (1 - chance))
        assert counted == pytest.approx(300 * chance, abs=4 * spread)


def test_pairs_are_drawn_without_replacement(space):
    learner = learner_of(space)
    p = [0.4, 0.3, 0.2, 0.05, 0.05]
    with torch.no_grad():
        learner.alphas["0->1"].copy_(torch.tensor(p).log())
    pairs = [learner.draw(moment(s, steps=1000), "p", 2)["0->1"].tolist() for s in range(300)]
    assert all(len(set(pair)) == 2 for pair in pairs)
    chance = p[0] * p[1] / (1 - p[0]) + p[1] * p[0] / (1 - p[1])
    counted = sum(set(pair) == {0, 1} for pair in pairs)
    assert counted == pytest.approx(300 * chance, abs=4 * math.sqrt(300 * chance * (1 - chance)))


@pytest.mark.parametrize("update", ["two", "full"])
def test_a_certain_edge_still_has_a_pair(space, update):
    learner = learner_of(space, update=update)
    with torch.no_grad():
        learner.alphas["0->1"].copy_(torch.tensor([0.0, 0.0, 500.0, 0.0, 0.0]))
    assert learner.weights()["0->1"] == [0, 0, 1, 0, 0]
    assert 2 in learner.draw(moment(), "p", 2)["0->1"]
    learner.before_step(batch(), repeat(batch()), moment())
    assert all(alpha.isfinite().all() for alpha in learner.alphas.values())


def test_alphas_rest_while_weights_warm_up_and_move_every_fifth_step(space):
    learner = learner_of(space, warm_up=0.5, every=5)
    batches = (batch(seed) for seed in range(100))
    moved = []
    for number in range(20):  # two epochs before the end of the warm-up, two after
        before = all_alphas(learner)
        at = moment(number % 5, 3 + number // 5, steps=5)
        learner.before_step(batch(), batches, at)
        if any((alpha != before[name]).any() for name, alpha in learner.alphas.items()):
            moved.append(number)
    assert moved == [14, 19]


@pytest.mark.parametrize("target", [0.0, 2.0])
def test_only_a_pair_moves_and_the_others_stay_as_likely(space, table, target):
    learner = learner_of(space, double=True, latency_target_ms=target, latency_table=table)
    val = (batch(seed, dtype=DOUBLE) for seed in range(100))
    for step in range(6):
        before, at = all_alphas(learner), moment(step, steps=10)
        pairs = learner.draw(at, "pairs", 2)
        learner.before_step(batch(dtype=DOUBLE), val, at)
        for name, alpha in learner.alphas.items():
            others = torch.ones(5, dtype=torch.bool).index_fill(0, pairs[name], False)
            assert torch.equal(alpha[others], before[name][others])
            likely, was = alpha.softmax(0), before[name].softmax(0)
            assert (likely - was)[others].abs().max() < 1e-12
        assert any((alpha != before[name]).any() for name, alpha in learner.alphas.items())


def test_keeping_the_others_changes_no_difference_within_the_pair():
    before = torch.tensor([0.3, -2.0, 5.0, 0.1], dtype=DOUBLE)
    alpha = before.clone()
    alpha[[0, 2]] += torch.tensor([0.7, -0.4], dtype=DOUBLE)
    moved = alpha.clone()
    keep_others(alpha, before, torch.tensor([0, 2]))
    assert float((alpha[0] - alpha[2]) - (moved[0] - moved[2])) == pytest.approx(0, abs=1e-15)
    assert float((alpha.softmax(0) - before.softmax(0))[[1, 3]].abs().max()) < 1e-15


def mixture_slopes(learner, space, gates, x, y):
    """dL/dg of every gate, from the network with all options computed and summed in full."""
    net = Supernet(0, affine=True)
    everything = space.relaxation().graph()
    net.hold(everything)
    net.double()
    gates = {name: gate.detach().clone().requires_grad_() for name, gate in gates.items()}
    loss = F.cross_entropy(net(everything, x, gates=gates), y)
    return dict(zip(gates, torch.autograd.grad(loss, list(gates.values())), strict=True)), loss


@pytest.mark.parametrize("update", ["two", "full"])
def test_the_gradient_of_the_gates_by_the_formula(space, update):
    learner = learner_of(space, double=True, update=update)
    seen, run = [], learner.run
    learner.run = lambda places, gates, x: seen.append(gates) or run(places, gates, x)
    one = batch(dtype=DOUBLE)
    involved = learner.draw(moment(), "pairs", 2 if update == "two" else 5)
    loss = learner.mixed_loss(one, involved, moment())
    got = dict(zip(learner.alphas, gradients(loss, list(learner.alphas.values())), strict=True))
    gates = seen[0]
    slopes, plain = mixture_slopes(learner, space, gates, one.x, one.targets[0])
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
    sizes = []
    for name, alpha in learner.alphas.items():
        gate = gates[name].tolist()
        assert sorted(gate) == [0, 0, 0, 0, 1] and gate.index(1) in involved[name]
        places = involved[name].tolist()
        exp = [math.exp(a) for a in alpha.tolist()]
        total = sum(exp[j] for j in places)
        q = {j: exp[j] / total for j in places}
        wanted = [
            sum(float(slopes[name][j]) * q[j] * ((i == j) - q[i]) for j in places)
            if i in places
            else 0.0
            for i in range(5)
        ]
        assert got[name].tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-15)
        sizes.append(max(map(abs, wanted)))
    assert max(sizes) > 1e-4


@pytest.mark.parametrize("update", ["two", "full"])
def test_the_gradient_of_the_latency_is_that_of_the_update(space, table, update, monkeypatch):
    """Finite differences of E, after the pair's alphas moved and the others were kept as likely."""
    learner = learner_of(
        space,
        double=True,
        update=update,
        latency_target_ms=1.0,
        latency_table=table,
        latency_loss="paper",
        latency_strength=1.0,
    )
    involved = learner.draw(moment(), "pairs", 2 if update == "two" else 5)
    alphas = list(learner.alphas.values())
    one = batch(dtype=DOUBLE)
    loss = learner.mixed_loss(one, involved, moment())
    with_latency = gradients(loss, alphas)
    latency, learner.latency = learner.latency, None
    without = gradients(learner.mixed_loss(one, involved, moment()), alphas)
    got = {n: a - b for n, a, b in zip(learner.alphas, with_latency, without, strict=True)}

    def after(name, place, step):
        moved = {n: a.detach().clone() for n, a in learner.alphas.items()}
        before = moved[name].clone()
        moved[name][place] += step
        keep_others(moved[name], before, involved[name])
        return float(latency({n: a.softmax(0) for n, a in moved.items()}))

    for name in learner.alphas:
        for place in range(5):
            h = 1e-5
            slope = (after(name, place, h) - after(name, place, -h)) / (2 * h)
            inside = place in involved[name]
            assert float(got[name][place]) == pytest.approx(slope if inside else 0.0, abs=1e-7)
    assert max(float(g.abs().max()) for g in got.values()) > 1e-3


@pytest.mark.slow
def test_latency_drives_the_search_to_its_target(space, table):
    """With the loss of a network that cannot learn, what remains is the latency."""
    method = METHODS["proxyless"](
        alpha_lr=0.1,
        latency_target_ms=1.0,
        latency_table=table,
        latency_strength=100.0,
        warm_up=0.0,
        every=1,
    )
    learner = method.learner(space, 0, CPU)
    target = (learner.latency.fastest + learner.latency.slowest) / 3
    learner._knobs = replace(method, latency_target_ms=target)
    assert learner.numbers()["expected_latency_ms"] > 1.1 * target
    val = repeat(batch())
    for step in range(60):
        learner.before_step(batch(), val, moment(step, steps=100))
    numbers = learner.numbers()
    assert numbers["expected_latency_ms"] == pytest.approx(target, rel=0.1)
    assert numbers["entropy"] < math.log(5)


def test_reward_is_accuracy_times_a_power_of_speed(space, table):
    learner = learner_of(
        space, "proxyless_reinforce", latency_target_ms=3.0, latency_table=table, tradeoff=0.5
    )
    path = learner.draw(moment(), "x")
    one = batch()
    right = (learner.run_path(path, one.x).argmax(1) == one.targets[0]).double().mean()
    gates = {n: F.one_hot(place[0], 5).double() for n, place in path.items()}
    wanted = float(right) * (3.0 / float(learner.latency(gates))) ** 0.5
    assert float(learner.reward(path, one)) == pytest.approx(wanted)
    assert right > 0


def test_rewards_move_alphas_by_the_gradient_of_the_log_probability(space):
    learner = learner_of(space, "proxyless_reinforce", double=True)
    paths = [learner.draw(moment(), f"{i}") for i in range(4)]
    advantages = torch.tensor([0.3, -0.2, 0.1, 0.5], dtype=DOUBLE)
    got = learner.gradients(paths, advantages)
    objective = sum(
        a * sum(learner.alphas[n].log_softmax(0)[place[0]] for n, place in path.items())
        for a, path in zip(advantages, paths, strict=True)
    )
    wanted = torch.autograd.grad(objective / 4, list(learner.alphas.values()))
    torch.testing.assert_close(got, list(wanted))


def test_the_baseline_moves_before_it_is_subtracted(space):
    learner = learner_of(space, "proxyless_reinforce", baseline=0.25)
    first = learner.advantages(torch.tensor([1.0, 3.0], dtype=DOUBLE))
    assert first.tolist() == [-1, 1]
    second = learner.advantages(torch.tensor([4.0, 8.0], dtype=DOUBLE))
    assert second.tolist() == [4 - 3, 8 - 3]  # 2 + .25 (6 - 2) = 3


@pytest.mark.slow
def test_a_better_reward_makes_a_path_more_likely(space, monkeypatch):
    """A reward of one for the third option of an edge, and of zero for all others."""
    learner = learner_of(space, "proxyless_reinforce", alpha_lr=0.1)
    monkeypatch.setattr(
        learner, "reward", lambda path, _: (path["0->1"][0] == 2).double(), raising=True
    )
    before = learner.weights()["0->1"][2]
    for step in range(40):
        learner.before_step(batch(), repeat(batch()), moment(step, steps=40))
    assert learner.weights()["0->1"][2] > max(0.8, before)


class Enough(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proxyless", "proxyless_reinforce"])
def test_resumed_as_if_never_stopped(name, space, split, table, tmp_path):
    knobs = {"latency_target_ms": 2.0, "latency_table": table, "warm_up": 0.25}
    method = METHODS[name](**SMALL, **knobs)
    whole = share(method, space, split, seed=1)

    def once(epoch):
        raise Enough

    for _ in range(method.epochs - 1):
        with pytest.raises(Enough):
            share(method, space, split, seed=1, checkpoint=tmp_path / "parts", on_epoch=once)
    assert share(method, space, split, seed=1, checkpoint=tmp_path / "parts") == whole
    rests, *moves = whole.curve
    assert rests.weights != moves[0].weights != moves[1].weights
    assert {"entropy", "expected_latency_ms", "latency_ms"} <= whole.curve[-1].numbers.keys()
    (found, accuracy), *none = whole.architectures
    assert (str(found), accuracy, none) == (whole.curve[-1].architecture, None, [])


CREW = """
import sys
from torch import distributed
from nascout.data import load
from nascout.oneshot import METHODS, share
from nascout.space import SPACES
rank, name, store, table = int(sys.argv[1]), *sys.argv[2:]
distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
knobs = {"latency_target_ms": 1.0, "latency_table": table, "any_device": True, "every": 2}
method = METHODS[name](epochs=1, batch_size=64, warm_up=0.0, alpha_lr=0.1, **knobs)
shared = share(method, space, load("digits").split(), seed=2)
print(shared.architectures, shared.curve[0].train_loss, shared.curve[0].weights)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["proxyless", "proxyless_reinforce"])
def test_two_processes_find_one_architecture(name, table, tmp_path):
    space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
    tabulate(space.relaxation(), LatencyTable(path=Path(table)))
    command = [sys.executable, "-c", CREW]
    crew = [
        subprocess.Popen(
            [*command, str(rank), name, str(tmp_path / "store"), table],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=240)[0] for process in crew]
    assert said[0] == said[1] != ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["darts", "fbnet", "nasbench_macro", "proxylessnas"])
def test_it_works_on_every_relaxed_space(name):
    sizes = {
        "darts": {"channels": 4, "cells": 1},
        "fbnet": {"channels": 4, "last": 16},
        "nasbench_macro": {"channels": 4},
        "proxylessnas": {"divisor": 8},
    }
    space = SPACES[name](classes=3, input_shape=(2, 32, 32), **sizes[name])
    learner = METHODS["proxyless"](warm_up=0.0, every=1).learner(space, 0, CPU)
    before = all_alphas(learner)
    one = batch(shape=(2, 32, 32))
    learner.before_step(one, repeat(one), moment())
    moved = {name: int((a != before[name]).sum()) for name, a in learner.alphas.items()}
    assert max(moved.values()) == 2
    assert sum(count == 2 for count in moved.values()) >= len(moved) / 2
    learner.loss(one, moment()).backward()
    assert learner.current().graph()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"update": "three"}, "update"),
        ({"warm_up": 1.0}, "warm_up"),
        ({"every": 0}, "every"),
        ({"latency_target_ms": -1.0}, "latency_target_ms"),
        ({"latency_strength": -1.0}, "latency_strength"),
        ({"latency_batch": 0}, "latency_batch"),
    ],
)
def test_knobs_out_of_range(knobs, message):
    with pytest.raises(ConfigError, match=f"proxyless has {message}"):
        METHODS["proxyless"](**knobs)


def test_an_unknown_form_of_the_loss():
    with pytest.raises(UnknownName, match="Did you mean mul_log"):
        METHODS["proxyless"](latency_loss="mul#log")


def test_logarithms_of_less_than_a_millisecond_are_refused(space, table):
    method = METHODS["proxyless"](
        latency_target_ms=0.5, latency_loss="mul_log", latency_table=table
    )
    with pytest.raises(ConfigError, match=r"0\.5 ms is not above 1"):
        method.learner(space, 0, CPU)
