"""The battery for scores: every registered one passes, and every kind of broken one fails."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score import SCORES, Card
from nascout.testing.score import check_score, networks


def card(function, needs="inputs"):
    return Card("toy", function, needs, True, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SCORES))
def test_every_registered_score_passes(name):
    check_score(name)


def honest(net, x, y=None):
    return float(sum(p.detach().square().sum() for p in net.parameters()))


def stays_in_train_mode(net, x):
    net.train()
    return honest(net, x)


def stays_in_eval_mode(net, x):
    net.eval()
    return honest(net, x)


def changes_a_buffer(net, x):
    mode = {m: m.training for m in net.modules()}
    net.train()
    net(x)
    for module, training in mode.items():
        module.training = training
    return honest(net, x)


def changes_a_weight(net, x):
    next(net.parameters()).data.mul_(-1)
    return honest(net, x)


def leaves_a_hook(net, x):
    net.register_forward_hook(lambda *_: None)
    return honest(net, x)


def leaves_gradients(net, x):
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    return honest(net, x)


def freezes(net, x):
    next(net.parameters()).requires_grad_(False)
    return honest(net, x)


def draws_from_torch(net, x):
    return honest(net, x) + torch.rand(1).item()


def draws_from_python(net, x):
    return honest(net, x) + random.random()


def draws_from_numpy(net, x):
    return honest(net, x) + np.random.rand()


def remembers(net, x, calls=[]):  # noqa: B006
    calls.append(1)
    return honest(net, x) + len(calls)


def gives_a_tensor_of_two(net, x):
    return torch.zeros(2)


def changes_the_batch(net, x):
    x.mul_(2)
    return honest(net, x)


def swallows_errors(net, x):
    try:
        with torch.no_grad():
            modes = [(m, m.training) for m in net.modules()]
            net.eval()
            net(x)
    except Exception:  # noqa: BLE001
        return 0.0
    finally:
        for module, mode in modes:
            module.training = mode
    return honest(net, x)


def tidies_up_only_on_success(net, x):
    modes = [(m, m.training) for m in net.modules()]
    net.eval()
    with torch.no_grad(), torch.random.fork_rng():
        net(x)
    for module, mode in modes:
        module.training = mode
    return honest(net, x)


def supports_nothing(net, x):
    raise UnsupportedNetwork("no", "none")


BROKEN = {
    stays_in_train_mode: "mode of",
    stays_in_eval_mode: "mode of",
    changes_a_buffer: "buffer",
    changes_a_weight: "parameter",
    leaves_a_hook: "hooks of",
    leaves_gradients: "gradient of",
    freezes: "requires_grad of",
    draws_from_torch: "torch's generator",
    draws_from_python: "Python's generator",
    draws_from_numpy: "NumPy's generator",
    remembers: "an earlier call",
    changes_the_batch: "the batch",
    swallows_errors: "though the network failed",
    tidies_up_only_on_success: "when raising",
    supports_nothing: "supports none",
}


@pytest.mark.parametrize("function", BROKEN, ids=lambda f: f.__name__)
def test_every_kind_of_broken_score_fails(function):
    with pytest.raises(AssertionError, match=BROKEN[function]):
        check_score(card(function))


def test_something_that_is_no_number_fails():
    with pytest.raises((RuntimeError, ValueError)):
        check_score(card(gives_a_tensor_of_two))


@pytest.mark.parametrize("needs", ["network", "inputs", "labels"])
def test_an_honest_score_passes(needs):
    check_score(card(honest, needs))


def test_a_score_may_be_undefined_on_some_networks():
    def picky(net, x):
        if not isinstance(net, nn.Sequential):
            raise UnsupportedNetwork("a Sequential is needed", "Pass one.")
        return float("nan")

    check_score(card(picky))


def test_the_battery_registers_nothing():
    assert "toy" not in SCORES
    assert len(networks()) >= 5
