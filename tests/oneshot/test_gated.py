"""Gates: what they let through, how they move, and cures for the collapse to skips."""

import math

import pytest
import torch
from torch.nn import functional as F

from nascout.errors import ConfigError, UnknownName
from nascout.oneshot import METHODS
from nascout.oneshot.guards import GUARDS
from nascout.oneshot.learner import Moment
from nascout.space import SPACES
from nascout.train.batches import Batch

CPU = torch.device("cpu")
OPTIONS = SPACES["nasbench201"]().decisions[0].options
SKIP = OPTIONS.index("skip_connect")


def moment(epoch=0, step=0, epochs=10):
    return Moment(epoch, epochs, step, 4, 0.025, 0)


def batch(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, 8, 8, generator=generator)
    return Batch(x, (torch.arange(n) % 3,), 1.0, n)


def test_darts_mixes_by_a_softmax(space):
    learner = METHODS["darts"]().learner(space, 0, CPU)
    gates = learner.gates(moment())
    for name, alpha in learner.alphas.items():
        exact = [math.exp(a) for a in alpha.tolist()]
        assert gates[name].tolist() == pytest.approx([e / sum(exact) for e in exact])


def test_first_values_are_near_zero_and_of_the_seed(space):
    one, same, other = (METHODS["darts"]().learner(space, s, CPU).alphas for s in (0, 0, 1))
    flat = torch.cat(list(one.values()))
    assert torch.equal(flat, torch.cat(list(same.values())))
    assert not torch.equal(flat, torch.cat(list(other.values())))
    assert 0 < flat.abs().max() < 0.01


def test_gdas_runs_one_operation_per_edge(space):
    learner = METHODS["gdas"]().learner(space, 0, CPU)
    counted = []
    for step in range(300):
        gates = learner.drawn(moment(step=step), "weights")
        for gate in gates.values():
            assert sorted(gate.tolist()) == pytest.approx([0, 0, 0, 0, 1], abs=1e-6)
        counted.append(int(gates["0->1"].argmax()))
    # With equal alphas every option is as likely: 60 of 300, standard deviation 6.9.
    assert all(abs(counted.count(i) - 60) < 4 * 6.9 for i in range(5))


def test_gdas_draws_by_the_probabilities(space):
    learner = METHODS["gdas"]().learner(space, 0, CPU)
    with torch.no_grad():
        learner.alphas["0->1"].copy_(torch.tensor([0.5, 0.1, 0.1, 0.1, 0.2]).log())
    drawn = [int(learner.drawn(moment(step=s), "w")["0->1"].argmax()) for s in range(1000)]
    assert drawn.count(0) == pytest.approx(500, abs=4 * math.sqrt(250))


def test_gdas_has_the_gradient_of_the_soft_choice(space):
    """Straight through: dL/dalpha = dL/dgate · dh/dalpha, equation 5, at the draw's noise."""
    learner = METHODS["gdas"](tau=2.0, tau_final=2.0).learner(space, 0, CPU)
    alpha = learner.alphas["0->1"]
    slope = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0])
    gate = learner.drawn(moment(), "alphas")["0->1"]
    (got,) = torch.autograd.grad(gate @ slope, alpha)
    generator = moment().generator("alphas")
    noise = -(-torch.rand(5, generator=generator).log()).log()

    def soft(a):
        return torch.softmax((F.log_softmax(a, 0) + noise) / 2.0, 0) @ slope

    (wanted,) = torch.autograd.grad(soft(alpha), alpha)
    torch.testing.assert_close(got, wanted)


def test_gdas_cools_along_a_line(space):
    learner = METHODS["gdas"](tau=10, tau_final=0.1).learner(space, 0, CPU)
    spread = []
    for epoch in (0, 9):
        gate = learner.drawn(moment(epoch), "x")["0->1"]
        (slope,) = torch.autograd.grad(gate.max(), learner.alphas["0->1"])
        spread.append(slope.abs().sum())
    assert spread[0] < 0.1  # at most 1 / (2 tau)


def test_pc_darts_trains_weights_alone_at_first(space):
    learner = METHODS["pc_darts"](frozen=0.5).learner(space, 0, CPU)
    before = learner.weights()
    learner.before_step(batch(), iter([batch(seed=1)]), moment(epoch=4))
    assert learner.weights() == before
    learner.before_step(batch(), iter([batch(seed=1)]), moment(epoch=5))
    assert learner.weights() != before
    assert "3_input" in before and len(before["3_input"]) == 3


def test_orders(space):
    with pytest.raises(ConfigError, match="order = 3"):
        METHODS["darts"](order=3)
    with pytest.raises(UnknownName, match="guard"):
        METHODS["darts"](guard="prayer")


def weights_with(skips, space):
    return {
        edge.name: [float(i == (SKIP if n < skips else 3)) for i in range(5)]
        for n, edge in enumerate(space.decisions)
    }


def guard(name, space):
    return GUARDS[name](space.relaxation())


def test_the_guard_of_skips_stops_at_two(space):
    counted = guard("skips", space)
    for skips in (0, 1, 1, 2, 5):
        counted.after_epoch(weights_with(skips, space), 0.0)
    assert counted.stopped == weights_with(2, space)


def test_the_guard_of_skips_goes_back_over_a_jump(space):
    counted = guard("skips", space)
    for skips in (1, 4):
        counted.after_epoch(weights_with(skips, space), 0.0)
    assert counted.stopped == weights_with(1, space)


def test_the_guard_of_skips_looks_at_normal_cells():
    space = SPACES["darts"](channels=8, cells=3)
    counted = guard("skips", space)
    skip = space.relaxation().operations.index("skip_connect")
    weights = {
        edge.name: [float(i == (skip if edge.name.startswith("reduce") else 4)) for i in range(8)]
        for edge in space.relaxation().edges
    }
    counted.after_epoch(weights, 0.0)
    assert counted.stopped is None


def test_the_guard_of_the_eigenvalue_goes_back(space):
    """Means over five epochs: stop when five epochs ago it was below three quarters of now's."""
    watched = guard("eigenvalue", space)
    values = [1.0] * 6 + [1.1, 1.2, 1.3, 1.4, 1.5, 1.7]
    # Means at epoch 9: (1 + 1.1 + 1.2 + 1.3 + 1.4) / 5 = 1.2 against 1: .83; at 10: 1.3: .77; at
    # 11: 1.44 against the mean of epochs 2 to 6, 1.02: .71.
    for epoch, value in enumerate(values):
        assert watched.stopped is None
        watched.after_epoch(weights_with(epoch % 6, space), value)
    assert watched.stopped == weights_with(6 % 6, space)


def test_the_auxiliary_skip_fades(space):
    learner = METHODS["darts"](guard="auxiliary_skip").learner(space, 0, CPU)
    plain = learner.probabilities()["0->1"]
    for epoch, beta in ((0, 1.0), (5, 0.5), (9, 0.1)):
        extra = learner.gates(moment(epoch))["0->1"] - plain
        wanted = [0.0] * 5
        wanted[SKIP] = beta
        assert extra.tolist() == pytest.approx(wanted, abs=1e-6)
    # What is derived does not count it.
    assert learner.weights()["0->1"] == pytest.approx(plain.tolist())


def test_a_search_that_was_stopped_keeps_its_architecture(space):
    learner = METHODS["darts"](guard="skips").learner(space, 0, CPU)
    with torch.no_grad():
        for n, alpha in enumerate(learner.alphas.values()):
            alpha[SKIP if n < 2 else 3] += 1.0
    learner.after_epoch(iter([]), moment(1))
    kept = learner.current()
    before = learner.weights()
    learner.before_step(batch(), iter([batch(seed=1)]), moment(2))
    assert learner.weights() == before
    assert learner.current() == kept == learner.found(lambda a: 0.0)[0][0]
    assert learner.numbers()["skips"] == 2
