"""Probabilities against enumeration and against an LSTM written out in numpy; draws."""

import math
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from scipy.stats import chisquare

from nascout.controller.policy import Policy, one_thread
from nascout.space.enas_macro import EnasMacro
from nascout.space.nasrl import NasRl

# Far from uniform.
WILD = {"layers": 2, "units": 5, "spread": 1.5, "seed": 3}
KNOBS = pytest.mark.parametrize(
    "knobs",
    [{}, {"attention": False}, {"temperature": 5.0, "tanh_constant": 2.5}],
    ids=["attention", "softmaxes", "flattened"],
)
SPACES = [NasRl(depth=2, filters=(24, 36)), EnasMacro(layers=3, channels=2)]


def everything(space, knobs):
    """A policy, all architectures, and the policy's log-probabilities and entropies of them."""
    policy, all_of_them = Policy(space, **WILD, **knobs), list(space)
    log_p, entropy = policy(policy.numbers(all_of_them))
    return policy, all_of_them, log_p.detach().numpy(), entropy.detach().numpy()


@KNOBS
@pytest.mark.parametrize("space", [None, *SPACES], ids=["conditional", "nasrl", "enas_macro"])
def test_all_architectures_together_have_probability_one(branching, space, knobs):
    _, _, log_p, entropy = everything(space or branching, knobs)
    p = np.exp(log_p.sum(1))
    assert p.sum() == pytest.approx(1, abs=1e-12) and p.max() > 3 * p.min()
    # The entropies along the way add up, on average, to that of the whole.
    assert p @ entropy.sum(1) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-12)


@KNOBS
def test_decisions_that_are_not_open_have_no_part(branching, knobs):
    _, architectures, log_p, entropy = everything(branching, knobs)
    closed = np.array([[value is None for value in one.values] for one in architectures])
    assert closed.any() and (log_p[closed] == 0).all() and (entropy[closed] == 0).all()
    assert (log_p[~closed] < 0).all() and (entropy[~closed] > 0).all()


def by_hand(policy, architecture, *, attention, temperature=1.0, tanh_constant=0.0):
    """log p of one architecture: the papers' formulas, one decision after another."""
    weights = {name: value.detach().numpy() for name, value in policy.named_parameters()}
    space, units = policy.space, policy.units
    hidden = [np.zeros((2, units)) for _ in policy.cells]
    x, total, done, anchors = weights["first"], 0.0, set(), {}

    def read(node):
        return anchors[node] if node in anchors else weights[f"anchors.{node}"]

    def squashed(logits):
        logits = np.asarray(logits) / temperature
        return tanh_constant * np.tanh(logits) if tanh_constant else logits

    for place, choice in enumerate(space.decisions):
        if place in done:
            continue
        for depth in range(len(hidden)):
            h, c = hidden[depth]
            w = {k: weights[f"cells.{depth}.{k}"] for k in ("weight_ih", "weight_hh")}
            bias = weights[f"cells.{depth}.bias_ih"] + weights[f"cells.{depth}.bias_hh"]
            gates = w["weight_ih"] @ x + w["weight_hh"] @ h + bias
            i, f, g, o = np.split(gates, 4)
            c = expit(f) * c + expit(i) * np.tanh(g)
            hidden[depth] = np.array([expit(o) * np.tanh(c), c])
            x = hidden[depth][0]
        if attention and "->" in choice.name:
            target = choice.name.split("->")[1]
            bits = [c for c in space.decisions if c.name.endswith(f"->{target}")]
            done |= {space.decisions.index(c) for c in bits}
            sources = [c.name.split("->")[0] for c in bits]
            w1, w2, v = (weights[f"attention.{n}"] for n in range(3))
            for bit, source in zip(bits, sources, strict=True):
                q = (v @ np.tanh(w1 @ read(source) + w2 @ x)).item()
                no, yes = log_softmax(squashed([-q / 2, q / 2]))
                if temperature == 1 and not tanh_constant:  # the paper's sigmoid
                    assert yes == pytest.approx(math.log(expit(q)))
                total += {"yes": yes, "no": no, None: 0.0}[architecture.choices[bit.name]]
            joined = [
                read(source)
                for bit, source in zip(bits, sources, strict=True)
                if architecture.choices[bit.name] == "yes"
            ]
            anchors[target] = x
            x = np.sum(joined, axis=0) / (1 + len(joined)) if joined else np.zeros(units)
        else:
            head, value = weights[f"heads.{place}"], architecture.values[place]
            chosen = -1 if value is None else choice.options.index(value)
            if value is not None:
                total += log_softmax(squashed(head[:, :-1] @ x + head[:, -1]))[chosen]
            x = weights[f"tokens.{place}"][chosen]
    return total


@KNOBS
@pytest.mark.parametrize("space", [None, *SPACES], ids=["conditional", "nasrl", "enas_macro"])
def test_log_probabilities_are_those_of_the_formulas(branching, space, knobs):
    policy, architectures, log_p, _ = everything(space or branching, knobs)
    knobs = {"attention": True} | knobs
    some = random.Random(0).sample(range(len(architectures)), 12)
    expected = [by_hand(policy, architectures[i], **knobs) for i in some]
    np.testing.assert_allclose(log_p.sum(1)[some], expected, rtol=1e-10)


@KNOBS
def test_draws_come_as_often_as_their_probabilities_say(branching, knobs):
    policy, architectures, log_p, _ = everything(branching, knobs)
    drawn = Counter(policy.values(policy.sample(4000, random.Random(0))))
    expected = 4000 * np.exp(log_p.sum(1))
    observed = np.array([drawn.pop(one.values, 0) for one in architectures])
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    assert not drawn and chisquare(observed, expected).pvalue > 0.001


def test_temperature_flattens_and_the_constant_bounds(branching):
    """Of two options whose logits lie in [-C, C] the likelier has at most 1 / (1 + exp(-2C))."""
    cold = everything(branching, {})[3].sum()
    assert everything(branching, {"temperature": 50.0})[3].sum() > cold
    skips = everything(branching, {"tanh_constant": 0.1})[2][:, 2:4]
    assert 0.5 < np.exp(skips[skips < 0]).max() <= 1 / (1 + math.exp(-0.2))


def test_numbers_and_values_are_each_others_inverse(branching):
    policy, architectures = Policy(branching, units=4), list(branching)
    numbers = policy.numbers(architectures)
    assert policy.values(numbers) == [one.values for one in architectures]
    assert numbers[0].tolist() == [0, 0, -1, -1, -1, -1]
    assert policy.numbers([]).shape == (0, 6)


def test_parameters_start_uniform():
    policy = Policy(EnasMacro(layers=3), units=40, spread=0.08, seed=1)
    drawn = torch.cat([one.detach().flatten() for one in policy.parameters()]) / 0.08
    assert drawn.abs().max() <= 1 and drawn.dtype == torch.float64
    assert float(drawn.mean()) == pytest.approx(0, abs=0.02)
    assert float(drawn.var()) == pytest.approx(1 / 3, rel=0.02)


def test_the_global_generator_and_the_threads_are_left_alone(branching):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with one_thread():
        Policy(branching, units=4).sample(3, random.Random(0))
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


PROGRAM = """
import hashlib, random
from nascout.controller.policy import Policy, one_thread
from nascout.space.nasrl import NasRl
with one_thread():
    policy = Policy(NasRl(depth=4), layers=2, units=35, seed=5)
    taken = policy.sample(8, random.Random(1))
    log_p, entropy = policy(taken)
    log_p.sum().backward()
    content = [taken, log_p, entropy, *(one.grad for one in policy.parameters())]
    print(hashlib.sha256(b"".join(x.detach().numpy().tobytes() for x in content)).hexdigest())
"""


@pytest.mark.slow
def test_equal_bits_in_every_process():
    printed = {
        subprocess.run(
            [sys.executable, "-c", f"import torch; torch.set_num_threads({threads}){PROGRAM}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in (1, 2, 1)
    }
    assert len(printed) == 1
