"""One step of each against its formula, with and without decay of vectors."""

import pytest
import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.train import AdamW, RmsProp, Sgd


def stepped(optimizer, lr=0.1, steps=1):
    """Weights and biases before and after steps with gradients of 0.5 everywhere."""
    net = nn.Linear(2, 1).double()
    nn.init.constant_(net.weight, 2.0)
    nn.init.constant_(net.bias, 3.0)
    made = optimizer.make(net)
    for group in made.param_groups:
        group["lr"] = lr
    for _ in range(steps):
        for parameter in net.parameters():
            parameter.grad = torch.full_like(parameter, 0.5)
        made.step()
    return net.weight[0, 0].item(), net.bias.item()


def test_sgd():
    w, b = stepped(Sgd(momentum=0.9, nesterov=True, weight_decay=0.25))
    # Nesterov's first step: gradient + momentum times gradient.
    assert w == pytest.approx(2 - 0.1 * 1.9 * (0.5 + 0.25 * 2))
    assert b == pytest.approx(3 - 0.1 * 1.9 * 0.5)
    w, b = stepped(Sgd(momentum=0.9, nesterov=False, weight_decay=0.25, decay_norm_and_bias=True))
    assert b == pytest.approx(3 - 0.1 * (0.5 + 0.25 * 3))


def test_rmsprop():
    how = RmsProp(smoothing=0.8, momentum=0.5, epsilon=1.0, weight_decay=0.0)
    first = 0.5 / ((0.2 * 0.25) ** 0.5 + 1)
    second = 0.5 * first + 0.5 / ((0.8 * 0.05 + 0.05) ** 0.5 + 1)
    assert stepped(how)[0] == pytest.approx(2 - 0.1 * first)
    assert stepped(how, steps=2)[0] == pytest.approx(2 - 0.1 * (first + second))
    decayed = RmsProp(smoothing=0.8, momentum=0.0, epsilon=1.0, weight_decay=0.25)
    assert stepped(decayed)[0] == pytest.approx(2 - 0.1 * 1 / (0.2**0.5 + 1))


def test_adamw():
    """The first step is lr times the sign of the gradient; the decay is lr times decay times w."""
    w, b = stepped(AdamW(weight_decay=0.25))
    assert w == pytest.approx(2 * (1 - 0.1 * 0.25) - 0.1, abs=1e-6)
    assert b == pytest.approx(3 - 0.1, abs=1e-6)


def test_there_must_be_something_to_train():
    with pytest.raises(UnsupportedNetwork, match="no trainable"):
        Sgd().make(nn.ReLU())
