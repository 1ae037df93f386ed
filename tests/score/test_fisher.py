import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.score.fisher import fisher


def head_part(activation, labels):
    """Of a linear layer (n, classes) under cross-entropy, by the definition."""
    slope = (softmax(activation, axis=1) - np.eye(activation.shape[1])[labels]) / len(labels)
    return sum(np.mean((activation * slope)[:, k] ** 2) / 2 for k in range(activation.shape[1]))


def test_one_layer_has_the_gradient_of_softmax_regression():
    torch.manual_seed(0)
    net = nn.Linear(3, 4).double()
    x, y = torch.randn(5, 3).double(), torch.tensor([0, 1, 1, 3, 2])
    expected = head_part(net(x).detach().numpy(), y)
    assert fisher(net, x, y) == pytest.approx(expected, rel=1e-12)
    assert fisher(net, x, y, released=True) == pytest.approx(3 * expected, rel=1e-12)


MAPS = {
    "conv1d": (nn.Conv1d(2, 4, 3), (6,)),
    "conv2d": (nn.Conv2d(2, 4, 3, stride=2), (5, 6)),
    "conv3d": (nn.Conv3d(2, 4, 2), (3, 3, 2)),
    "grouped": (nn.Conv2d(2, 4, 3, groups=2), (5, 5)),
    "transposed": (nn.ConvTranspose2d(2, 4, 3, groups=2), (2, 3)),
    "channels last": (nn.Conv2d(2, 4, 3).to(memory_format=torch.channels_last), (5, 5)),
}


@pytest.mark.parametrize("name", MAPS)
def test_positions_are_summed_before_the_square(name):
    """Against loops over samples, channels and positions; the mean over positions is the head."""
    module, size = MAPS[name]
    torch.manual_seed(0)
    module.double().reset_parameters()
    net = nn.Sequential(module, nn.ReLU(inplace=True), nn.Flatten(2)).double()

    class Mean(nn.Module):
        def forward(self, x):
            return net(x).mean(2)

    x, y = torch.randn(5, 2, *size).double(), torch.tensor([0, 1, 1, 3, 2])
    a = module(x).detach().flatten(2).numpy()
    logits = np.maximum(a, 0).mean(2)
    slope = (softmax(logits, axis=1) - np.eye(4)[y]) / 5
    expected = 0.0
    for k in range(4):
        squares = 0.0
        for n in range(5):
            inner = sum(value * slope[n, k] * (value > 0) / a.shape[2] for value in a[n, k])
            squares += inner**2
        expected += squares / 5 / 2
    mean = Mean()
    mean.net = net
    assert fisher(mean, x, y) == pytest.approx(expected, rel=1e-12)
    weights = module.weight.numel() / 4
    assert fisher(mean, x, y, released=True) == pytest.approx(weights * expected, rel=1e-12)


def test_every_call_of_a_shared_layer_counts():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4, bias=False).double()
    copy = nn.Linear(4, 4, bias=False).double()
    copy.load_state_dict(layer.state_dict())
    x, y = torch.randn(5, 4).double(), torch.tensor([0, 1, 1, 3, 2])
    twice, two = nn.Sequential(layer, nn.Tanh(), layer), nn.Sequential(layer, nn.Tanh(), copy)
    assert fisher(twice, x, y) == pytest.approx(fisher(two, x, y), rel=1e-12)
    assert fisher(twice, x, y) > head_part(twice(x).detach().numpy(), y)


def test_functions_count_like_modules():
    torch.manual_seed(0)
    modules = nn.Sequential(
        *(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    ).double()

    class Functions(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel, self.matrix = modules[0].weight, modules[4].weight
            self.biases = nn.ParameterList([modules[0].bias, modules[4].bias])

        def forward(self, x):
            x = F.conv2d(input=x, weight=self.kernel, bias=self.biases[0]).relu_()
            return F.linear(x.mean((2, 3)), self.matrix, self.biases[1])

    x, y = torch.randn(5, 2, 5, 5).double(), torch.tensor([0, 1, 1, 3, 2])
    for released in (False, True):
        expected = fisher(modules, x, y, released=released)
        assert fisher(Functions(), x, y, released=released) == pytest.approx(expected, rel=1e-12)


def test_positions_of_a_sequence_are_summed_also_where_they_are_rows():
    """Linear on (n, t, c) and on (n · t, c) is the same map."""
    torch.manual_seed(0)
    inner, head = nn.Linear(3, 4).double(), nn.Linear(4, 4).double()

    class Sequence(nn.Module):
        def __init__(self, rows):
            super().__init__()
            self.rows, self.inner, self.head = rows, inner, head

        def forward(self, x):
            flat = self.inner(x.flatten(0, 1) if self.rows else x)
            return self.head(flat.view(5, 6, 4).tanh().mean(1))

    x, y = torch.randn(5, 6, 3).double(), torch.tensor([0, 1, 1, 3, 2])
    assert fisher(Sequence(True), x, y) == pytest.approx(fisher(Sequence(False), x, y), rel=1e-12)


def test_layers_that_the_output_does_not_depend_on_add_nothing():
    torch.manual_seed(0)
    layer = nn.Linear(3, 4).double()

    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.aside = layer, nn.Linear(3, 4).double()

        def forward(self, x):
            return self.layer(x), self.aside(x)

    x, y = torch.randn(5, 3).double(), torch.tensor([0, 1, 1, 3, 2])
    assert fisher(Aside(), x, y) == fisher(layer, x, y)


def test_what_it_cannot_read_it_names():
    y = torch.tensor([0, 1, 1])
    with pytest.raises(UnsupportedNetwork, match="no convolution or linear layer"):
        fisher(nn.BatchNorm1d(2), torch.randn(3, 2), y)

    class TimeFirst(nn.Linear):
        def forward(self, x):
            return super().forward(x.transpose(0, 1)).mean(0)

    with pytest.raises(UnsupportedNetwork, match="no batch of 3"):
        fisher(TimeFirst(2, 2), torch.randn(3, 5, 2), y)
