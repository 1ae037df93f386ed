"""The controller of ENAS against closed forms, and the whole sharing."""

import math
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nascout.controller.policy import Policy
from nascout.controller.steps import Step
from nascout.data import load
from nascout.errors import ArchitectureError, ConfigError
from nascout.oneshot import METHODS, share
from nascout.oneshot.enas import Controller, Enas
from nascout.oneshot.learner import Moment
from nascout.oneshot.skip_density import skip_penalty
from nascout.space import SPACES, Choice, Space
from nascout.train.batches import Batch
from nascout.train.endings import Stopped
from nascout.train.schedule import learning_rate

SMALL = {"channels": 4, "cells": 1, "input_shape": (1, 8, 8)}
SPACE = SPACES["nasbench201"](**SMALL)
MACRO = SPACES["enas_macro"](layers=4, channels=4, network="search", input_shape=(1, 8, 8))
TINY = Enas(epochs=2, batch_size=128, controller_steps=2, aggregate=3, samples=4, units=8)


class OneDecision(Space):
    """Three architectures without a network. Not registered."""

    name = "one_decision"
    classes, input_shape = 2, (1, 4, 4)
    decisions = (Choice("only", ("a", "b", "c")),)

    def parameters(self):
        return {}

    def graph(self, architecture):
        raise NotImplementedError

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(self.name)


def learner(space=SPACE, knobs=TINY):
    return knobs.learner(space, 0, torch.device("cpu"))


@pytest.fixture(scope="module")
def split():
    return load("digits").split()


def test_the_baseline_moves_before_it_is_subtracted():
    """Two arms, b = .9 b + .1 R by hand, and the gradient -(R - b)(one-hot - p) of the logits.

    The first step of Adam without momentum is lr · g / (|g| + eps).
    """
    knobs = Enas(baseline=0.9, entropy=0, tanh_constant=0, controller_lr=0.01, units=4)
    controller = Controller(knobs, OneDecision(), seed=1)
    bias = controller.policy.heads["0"][:, -1]
    a, b, c = controller.policy(torch.tensor([[0], [1], [2]]))[0].exp().flatten().tolist()
    before = bias.tolist()
    children = list(OneDecision())
    controller.learn([children[0], children[1]], [0.5, 0.8])
    first, second = 0.05, 0.9 * 0.05 + 0.08
    assert controller.baseline.item() == pytest.approx(second)
    one, other = 0.5 - first, 0.8 - second
    gradient = [
        -(one * (1 - a) - other * a) / 2,
        -(-one * b + other * (1 - b)) / 2,
        -(-one * c - other * c) / 2,
    ]
    expected = [x - 0.01 * g / (abs(g) + 1e-3) for x, g in zip(before, gradient, strict=True)]
    assert controller.policy.heads["0"][:, -1].tolist() == pytest.approx(expected, abs=1e-9)


def test_the_reward_has_the_entropy_of_the_whole_softmaxes():
    controller = Controller(Enas(entropy=0.01, units=4), SPACE, seed=0)
    controller.policy.requires_grad_(False)
    for head in controller.policy.heads.values():
        head.zero_()
    controller.policy.requires_grad_(True)
    assert controller.learn(list(SPACE)[:2], [0.25, 0.5]) == pytest.approx(
        [0.25 + 0.06 * math.log(5), 0.5 + 0.06 * math.log(5)]
    )


def test_tanh_bounds_what_an_option_can_reach():
    knobs = Enas(tanh_constant=1.1, controller_lr=0.5, baseline=0.0, units=4)
    controller = Controller(knobs, OneDecision(), seed=0)
    only = controller.policy.heads["0"]
    with torch.no_grad():
        only[:, -1] = torch.tensor([100.0, -100.0, -100.0])
    p = controller.policy(torch.tensor([[0]]))[0].exp().item()
    assert p == pytest.approx(1 / (1 + 2 * math.exp(-2.2)))


def test_skip_penalty_against_the_logits():
    """sum of s log(s / t) over both logits' sigmoids, per node, averaged over the nodes."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3, 3)) * 2  # three architectures, three skips
    logits = np.stack([-z, z], -1)
    s = 1 / (1 + np.exp(-logits))
    kl = (s * np.log(s / [0.6, 0.4])).sum(-1)
    expected = (kl[:, 0] + (kl[:, 1] + kl[:, 2])) / 2
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    taken = rng.integers(2, size=(3, 3))
    chosen = np.log(np.take_along_axis(p, taken[..., None], -1)[..., 0])
    # A decision that is no skip stands between them.
    steps = [Step((0,), ("0",), "2"), Step((1,)), Step((2, 3), ("0", "1"), "3")]
    taken, chosen = (np.insert(x, 1, 0, axis=1) for x in (taken, chosen))
    found = skip_penalty(steps, torch.tensor(taken), torch.tensor(chosen), 0.4)
    assert found.tolist() == pytest.approx(expected.tolist())
    assert skip_penalty([Step((0,))], torch.tensor([[0]]), torch.tensor([[-1.0]]), 0.4) == 0


def test_closed_skips_have_no_penalty_and_no_gradient():
    log_p = torch.tensor([[-0.7, 0.0]], dtype=torch.float64, requires_grad=True)
    both = [Step((0, 1), ("0", "1"), "3")]
    found = skip_penalty(both, torch.tensor([[1, -1]]), log_p, 0.4)
    alone = skip_penalty([Step((0,), ("0",), "3")], torch.tensor([[1]]), log_p[:, :1], 0.4)
    assert found.item() == alone.item() > 0
    found.backward()
    assert log_p.grad[0, 1] == 0 and log_p.grad.isfinite().all()


@pytest.mark.slow
def test_skips_drift_to_the_density_of_the_penalty():
    """Where nothing is rewarded: sigmoid(z) = .4, so a probability of sigmoid(2z) = .3077."""
    knobs = Enas(controller_lr=0.02, skip_weight=5.0, units=16, entropy=0)
    controller, rng = Controller(knobs, MACRO, seed=0), random.Random(0)

    def density():
        drawn = [one.choices for one in controller.draw(400, rng)]
        return np.mean([v == "yes" for one in drawn for k, v in one.items() if "->" in k])

    assert density() == pytest.approx(0.5, abs=0.08)
    for _ in range(60):
        controller.learn(controller.draw(4, rng), [0.0] * 4)
    assert density() == pytest.approx(0.16 / (0.16 + 0.36), abs=0.04)


@pytest.mark.slow
def test_it_learns_a_synthetic_reward():
    """Of a uniform draw 1.2 edges of six are 3x3 convolutions."""
    controller = Controller(Enas(baseline=0.9, tanh_constant=2.5), SPACE, seed=0)
    rng = random.Random(0)

    def convolutions(one):
        return one.values.count("nor_conv_3x3")

    for _ in range(150):
        children = controller.draw(10, rng)
        controller.learn(children, [convolutions(one) / 6 for one in children])
    assert np.mean([convolutions(one) for one in controller.draw(300, rng)]) > 4


def test_what_a_space_refuses_is_drawn_again_or_refused():
    class Without(OneDecision):
        def __init__(self, refused):
            self.refused = refused

        def check(self, choices):
            if choices["only"] in self.refused:
                raise ArchitectureError("refused", "Take another.")

    drawn = Controller(TINY, Without("b"), seed=0).draw(50, random.Random(0))
    assert len(drawn) == 50 and {one.values for one in drawn} == {("a",), ("c",)}

    with pytest.raises(ConfigError, match="refuses nearly all"):
        Controller(TINY, Without("abc"), seed=0).draw(2, random.Random(0))


def test_two_architectures_share_what_they_have_in_common():
    one = SPACE.parse(SPACE.known["nasbench201_resnet"])
    choices = {**one.choices, "0->1": "nor_conv_1x1"}
    other = SPACE.architecture(choices)
    sharing, x = learner(), torch.rand(4, 1, 8, 8)
    sharing.run(one, x)
    first = dict(sharing.net.weighted)
    before = sharing.run(other, x)
    new = sharing.net.weighted.keys() - first.keys()
    assert len(new) == 3 and all("0->1" in name and "1x1" in name for name in new)
    assert all(sharing.net.weighted[name] is module for name, module in first.items())
    assert sharing.held() == [str(one), str(other)]

    def moved(name):
        with torch.no_grad():
            next(first[name].parameters()).mul_(-2)
        return not torch.equal(sharing.run(other, x), before)

    assert not moved(next(name for name in first if "0->1" in name))
    assert moved(next(name for name in first if "1->2" in name))


def test_the_weights_recipe_is_a_cosine_with_restarts():
    recipe = Enas().recipe()
    rates = [learning_rate(recipe, epoch, 1) for epoch in range(40)]

    def cosine(epoch, period):
        return 5e-4 + (0.05 - 5e-4) * (1 + math.cos(math.pi * epoch / period)) / 2

    expected = [cosine(e, 10) for e in range(10)] + [cosine(e, 20) for e in range(20)]
    assert rates == pytest.approx(expected + [cosine(e, 40) for e in range(10)])
    assert recipe.optimizer.nesterov and recipe.gradient_clip == 5


@pytest.mark.parametrize(
    "knobs",
    [{"aggregate": 0}, {"baseline": 1.0}, {"skip_target": 0.0}, {"entropy": -1.0}, {"samples": 0}],
    ids=str,
)
def test_knobs_out_of_range(knobs):
    with pytest.raises(ConfigError, match=next(iter(knobs))):
        Enas(**knobs)


def test_what_it_shows():
    found = learner(MACRO, Enas(units=8))
    with torch.no_grad():
        for parameter in found.controller.policy.parameters():
            parameter.zero_()
    skips = sum("->" in choice.name for choice in MACRO.decisions)
    entropy = (4 * math.log(6) + skips * math.log(2)) / (4 + skips)
    assert found.numbers() == pytest.approx({"entropy": entropy, "baseline": 0, "reward": 0})
    weights = found.weights()
    assert list(weights) == [choice.name for choice in MACRO.decisions]
    assert all(sum(shares) == pytest.approx(1) for shares in weights.values())
    assert weights["op1"] == pytest.approx([1 / 6] * 6, abs=0.1)


@pytest.mark.slow
def test_a_resumed_sharing_ends_with_the_same_bits(split, tmp_path):
    straight = share(TINY, SPACE, split, checkpoint=tmp_path / "straight")
    epochs = []
    with pytest.raises(Stopped):
        share(
            TINY,
            SPACE,
            split,
            checkpoint=tmp_path / "resumed",
            on_epoch=epochs.append,
            should_stop=lambda: bool(epochs),
        )
    assert len(epochs) == 1
    assert share(TINY, SPACE, split, checkpoint=tmp_path / "resumed") == straight
    one, other = (load_file(tmp_path / name) for name in ("straight", "resumed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    unmoved = other.keys() - one.keys()  # weights that came with a path of the controller's
    assert all(name.startswith("momentum") and not other[name].any() for name in unmoved)
    assert any(name.startswith("learned.adam") for name in one)
    assert len(straight.architectures) <= 4
    accuracies = [accuracy for _, accuracy in straight.architectures]
    assert accuracies == sorted(accuracies, reverse=True)
    for epoch in straight.curve:
        assert epoch.architecture == "" and set(epoch.weights) == {c.name for c in SPACE.decisions}
    again = share(TINY, SPACE, split)
    assert again == straight  # without a checkpoint, too


def test_an_epoch_moves_the_controller_by_the_accuracies(split):
    """The last reward is that of the last batches; b has taken in all of them."""
    sharing, seen = learner(), []
    accuracy = sharing.accuracy
    sharing.accuracy = lambda one, batch: seen.append(accuracy(one, batch)) or seen[-1]
    start = Policy(SPACE, units=8, seed=0, tanh_constant=1.1).state_dict()

    def batches():
        for i in range(6):
            x = torch.as_tensor(split.train.x[40 * i : 40 * i + 40] / 255)
            y = split.train.y[40 * i : 40 * i + 40]
            yield Batch(x.float(), (y,), 1.0, 40)

    sharing.after_epoch(batches(), Moment(0, 2, 1, 1, 0.1, 0))
    assert len(seen) == TINY.controller_steps * TINY.aggregate
    assert all(float(40 * a).is_integer() for a in seen)
    numbers = sharing.numbers()
    bonus = numbers["reward"] - np.mean(seen)
    assert 0 < bonus <= 6e-4 * math.log(5) + 1e-12
    b = 0.0
    for a in seen:
        b = b - 0.01 * (b - a)
    assert numbers["baseline"] == pytest.approx(b, abs=1e-4)
    now = sharing.controller.policy.state_dict()
    assert any(not torch.equal(now[name], start[name]) for name in now)


PROGRAM = """
import sys
from pathlib import Path
import torch
from torch import distributed
from nascout.data import load
from nascout.oneshot import METHODS, share
from nascout.space import SPACES

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
)
torch.manual_seed(rank)
knobs = METHODS["enas"](
    epochs=2, batch_size=128, controller_steps=2, aggregate=3, samples=3, units=8
)
space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
made = []
learner = type(knobs).learner
type(knobs).learner = lambda *a: made.append(learner(*a)) or made[-1]
shared = share(knobs, space, load("digits").split())
tensors = {name: one.detach() for name, one in made[0].tensors().items()}
tensors |= made[0].net.state_dict()
torch.save((tensors, [(str(a), v) for a, v in shared.architectures]), folder / f"{rank}.pt")
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_have_one_controller(tmp_path):
    arguments = [(str(rank), str(tmp_path)) for rank in range(2)]
    running = [subprocess.Popen([sys.executable, "-c", PROGRAM, *a]) for a in arguments]
    assert [process.wait(200) for process in running] == [0, 0]
    (one, found), (other, also) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert found == also
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("enas_macro", {"channels": 4, "layers": 3, "network": "search"}),
        ("enas_micro", {"channels": 4, "cells": 1}),
        ("nasbench101", {"channels": 8}),
    ],
)
def test_on_other_spaces(split, name, options):
    space = SPACES[name](**options, input_shape=(1, 8, 8))
    knobs = Enas(epochs=1, batch_size=256, controller_steps=1, aggregate=2, samples=2, units=4)
    shared = share(knobs, space, split)
    assert shared.architectures and all(0 <= a <= 100 for _, a in shared.architectures)


def test_a_space_without_a_list_of_decisions():
    with pytest.raises(ConfigError, match="growing"):
        learner(SPACES["growing"](channels=4, input_shape=(1, 8, 8)))


def test_it_is_listed():
    assert METHODS["enas"] is Enas
