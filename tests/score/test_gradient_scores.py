"""Scores from gradients of weights, on networks of every make, against plain ways to the same."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.score.card import SCORES
from nascout.testing.unchanged import Snapshot

N, CLASSES = 6, 3
Y = torch.tensor([0, 1, 2, 2, 1, 1])


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 5, 2, batch_first=True), nn.Linear(5, CLASSES)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(
            4, 2, 8, dropout=0, activation="gelu", batch_first=True
        )
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x):
        return {"logits": self.head(self.block(x).mean(1))}


class TwoInputs(nn.Module):
    """Tokens and features; one layer called twice, one not at all."""

    def __init__(self):
        super().__init__()
        self.embedding, self.shared = nn.Embedding(7, 4), nn.Linear(4, 4)
        self.unused, self.head = nn.Linear(4, 4), nn.Linear(4, CLASSES)

    def forward(self, features, tokens):
        x = self.shared(features + self.embedding(tokens).mean(1)).tanh()
        return self.head(self.shared(x).tanh())


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(4, 1, 3, 3))
        self.scale = nn.Parameter(torch.ones(4))
        self.matrix = nn.Parameter(torch.randn(CLASSES, 4))

    def forward(self, x):
        x = F.batch_norm(F.conv2d(x, self.kernel), None, None, self.scale, training=True)
        return F.linear(F.softplus(x).mean((2, 3)), self.matrix)


def convolutional():
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        *(nn.Conv2d(4, 4, 3, groups=2), nn.ELU(inplace=True), nn.GroupNorm(2, 4)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)),
    )


def frozen():
    return convolutional().requires_grad_(False).eval()


IMAGES, SEQUENCES = (N, 1, 6, 6), (N, 5, 4)
NETWORKS = {
    "recurrent": (Recurrent, SEQUENCES),
    "transformer": (Transformer, SEQUENCES),
    "two inputs": (TwoInputs, None),
    "functional": (Functional, IMAGES),
    "convolutional": (convolutional, IMAGES),
    "frozen": (frozen, IMAGES),
}


def made(name):
    """A network in float64, and its batch as a tuple."""
    make, size = NETWORKS[name]
    torch.manual_seed(0)
    net = make().double()
    if size is None:
        return net, (torch.randn(N, 4).double(), torch.randint(7, (N, 5)))
    return net, (torch.randn(size).double(),)


def names_of_weights(net):
    return [n for n, p in net.named_parameters() if p.dim() > 1 and "embedding" not in n]


def trainable(net):
    return copy.deepcopy(net).train().requires_grad_(True)


def first(output):
    return output["logits"] if isinstance(output, dict) else output


def backward(net, x, y):
    """Weights and gradients as arrays, by PyTorch's plain way."""
    net = trainable(net)
    F.cross_entropy(first(net(*x)), y).backward()
    found = [net.get_parameter(name) for name in names_of_weights(net)]
    zeros = [np.zeros(w.shape) if w.grad is None else w.grad.numpy() for w in found]
    return [(w.detach().numpy(), g) for w, g in zip(found, zeros, strict=True)]


def slow_l2_norm(net, x, y):
    return sum(np.sqrt((w**2).sum()) for w, _ in backward(net, x, y))


def slow_grad_norm(net, x, y):
    return sum(np.sqrt((g**2).sum()) for _, g in backward(net, x, y))


def slow_snip(net, x, y):
    return sum(np.abs(w * g).sum() for w, g in backward(net, x, y))


def slow_plain(net, x, y):
    return sum((w * g).sum() for w, g in backward(net, x, y))


def slow_grasp(net, x, y):
    """Minus the slope of W · ∇L along the gradient, by a central difference."""
    here, step = backward(net, x, y), 1e-5

    def moved(distance):
        other = trainable(net)
        for name, (_, g) in zip(names_of_weights(net), here, strict=True):
            other.get_parameter(name).data += distance * torch.from_numpy(g)
        gradients = backward(other, x, y)
        return sum((w * g).sum() for (w, _), (_, g) in zip(here, gradients, strict=True))

    return -(moved(step) - moved(-step)) / (2 * step)


def slow_fisher(net, x, y):
    """Activations kept by hooks, one sample and one channel after the other."""
    net, seen = trainable(net), []

    def keep(module, _, output):
        output.retain_grad()
        seen.append((isinstance(module, nn.Linear), output))
        return output.clone()

    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(keep)
    F.cross_entropy(first(net(*x)), y).backward()
    total = 0.0
    for linear, a in seen:
        product = (a * a.grad).detach().movedim(-1 if linear else 1, 1).numpy()
        for channel in range(product.shape[1]):
            total += np.mean([product[n, channel].sum() ** 2 for n in range(len(y))]) / 2
    return total


def slow_synflow(net, x, y):
    """On a copy: absolute values in place, normalisations made to do nothing."""
    net = trainable(net).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            module.forward = torch.clone
    for parameter in net.parameters():
        parameter.data.abs_()
    x = [torch.ones_like(t[:1]) if t.is_floating_point() else t[:1] for t in x]
    first(net(*x)).sum().backward()
    found = [net.get_parameter(name) for name in names_of_weights(net)]
    return sum(float((w * w.grad).abs().sum().detach()) for w in found if w.grad is not None)


def slow_zico(net, x, y):
    halves = [backward(net, [t[part] for t in x], y[part]) for part in (slice(0, 3), slice(3, 6))]
    total = 0.0
    for (_, one), (_, two) in zip(*halves, strict=True):
        mean, deviation = (np.abs(one) + np.abs(two)) / 2, np.abs(one - two) / 2
        used = deviation > 0
        total += np.log((mean[used] / deviation[used]).sum()) if used.any() else 0
    return total


SLOW = {
    "l2_norm": slow_l2_norm,
    "grad_norm": slow_grad_norm,
    "snip": slow_snip,
    "plain": slow_plain,
    "grasp": slow_grasp,
    "fisher": slow_fisher,
    "synflow": slow_synflow,
    "zico": slow_zico,
}
# Neither hooks nor replaced forwards reach a function; test_fisher and test_synflow do.
UNREACHED = {("fisher", "functional"), ("synflow", "functional")}
PAIRS = [(score, name) for score in SLOW for name in NETWORKS if (score, name) not in UNREACHED]


def scored(score, net, x, y=Y):
    return SCORES[score](net, x if len(x) > 1 else x[0], y)


@pytest.mark.parametrize(("score", "name"), PAIRS)
def test_it_is_what_the_plain_way_gives(score, name):
    net, x = made(name)
    before = Snapshot(net)
    value = scored(score, net, x)
    assert not before.changes(net)
    expected = SLOW[score](net, x, Y)
    # A central difference is good to about 1e-8, where nothing cancels; zico divides by
    # differences of gradients, and those of weights that have no effect are rounding.
    assert value == pytest.approx(expected, rel=1e-5 if score == "grasp" else 1e-9)
    assert expected != 0


@pytest.mark.parametrize("score", SLOW)
@pytest.mark.parametrize("name", ["transformer", "convolutional"])
def test_bfloat16_gives_about_the_same(score, name):
    net, x = made(name)
    exact = scored(score, net, x)
    rounded = scored(score, net.to(torch.bfloat16), tuple(t.to(torch.bfloat16) for t in x))
    assert math.isfinite(rounded)
    if score in ("plain", "grasp"):  # differences of larger numbers
        assert abs(rounded - exact) < 0.02 * max(scored("snip", net.double(), x), abs(exact))
    else:
        assert rounded == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("score", ["grad_norm", "snip", "plain", "grasp", "fisher"])
def test_the_order_of_the_batch_does_not_matter(score):
    net, (x,) = made("convolutional")
    assert "batch order" in SCORES[score].invariances
    turned = scored(score, net, (x.flip(0),), Y.flip(0))
    assert turned == pytest.approx(scored(score, net, (x,)), rel=1e-9)


def test_a_recurrent_layer_keeps_its_weights():
    """It holds them in a list of its own, too."""
    net, x = made("recurrent")
    scored("synflow", net, x)
    for held, name in zip(net.lstm._flat_weights, net.lstm._flat_weights_names, strict=True):
        assert held is getattr(net.lstm, name)
