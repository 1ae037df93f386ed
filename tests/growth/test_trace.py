import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.growth import trace

NAMES = ["cnn", "mlp", "transformer", "nasbench201", "darts"]


def outputs(net, x, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return net(x)


@pytest.mark.parametrize("name", NAMES)
def test_same_function_and_same_names_in_both_modes(models, name):
    model, x = models(name), models.batch(name, 5)
    before = copy.deepcopy(model.state_dict())
    traced = trace(model, x[:2])
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert traced.state_dict().keys() == before.keys()
    assert all(torch.equal(before[key], value) for key, value in traced.state_dict().items())
    for training in (True, False):
        model.train(training), traced.train(training)
        assert torch.equal(outputs(traced, x), outputs(model, x))
    assert len({node.meta["path"] for node in traced.graph.nodes}) == len(traced.graph.nodes)


def test_the_model_is_untouched(models):
    model = models("cnn")
    model.layer1.eval()
    trace(model, models.batch("cnn", 2))
    assert model.layer1[0].relu.inplace and model.stem[2].inplace
    assert not model.layer1[0].training and model.layer2[0].training


def test_names(models):
    traced = trace(models("cnn"), models.batch("cnn", 2))
    paths = [node.meta["path"] for node in traced.graph.nodes]
    start = paths.index("layer1.1.conv1")
    assert paths[start : start + 7] == [
        *("layer1.1.conv1", "layer1.1.norm1", "layer1.1.relu", "layer1.1.conv2"),
        *("layer1.1.norm2", "layer1.1.skip", "layer1.1.add"),
    ]
    assert "layer1.1.relu:2" in paths


def test_a_copy_is_the_same_and_keeps_unused_weights(models):
    traced = trace(models("cnn"), models.batch("cnn", 2)).eval()
    copied = copy.deepcopy(traced)
    assert "auxiliary.weight" in copied.state_dict()
    assert copied.state_dict().keys() == traced.state_dict().keys()
    x = models.batch("cnn", 3)
    assert torch.equal(copied(x), traced(x))
    assert [n.meta for n in copied.graph.nodes] == [n.meta for n in traced.graph.nodes]
    assert copied.meta == traced.meta


class WritesInPlace(nn.Module):
    def forward(self, x):
        y = x * 2
        y.add_(1)
        y.relu_()
        z = torch.sigmoid_(y)
        return F.elu(z + y, 1.0, True) + y


class Leafy(nn.Module):
    def __init__(self):
        super().__init__()
        self.write = WritesInto()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        y = self.linear(x)
        return self.write(y) + y


class WritesInto(nn.Module):
    def forward(self, x):
        if x.sum() > -1e9:
            x += 1
        return x * x


@pytest.mark.parametrize(("net", "leaf"), [(WritesInPlace(), []), (Leafy(), [WritesInto])])
def test_nothing_is_written_in_place(net, leaf):
    x = torch.randn(5, 4)
    traced = trace(net, x, leaf=leaf)
    assert torch.equal(traced(x), net(x))

    made = []

    class Versions(torch.fx.Interpreter):
        def run_node(self, n):
            result = super().run_node(n)
            # A clone is there to be written into, and is read by nobody as it was.
            if n.target != "clone":
                made.append((n.name, result, result._version))
            return result

    Versions(traced).run(x.clone())
    assert [name for name, tensor, version in made if tensor._version != version] == []


class Fused(nn.Module):
    """Dropout in the manner of the fused attention of torch: a number, not a flag."""

    def __init__(self):
        super().__init__()
        self.read = nn.Linear(4, 12)

    def forward(self, x):
        q, k, v = self.read(x).chunk(3, -1)
        p = 0.5 if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, dropout_p=p)


def test_constants_follow_the_mode():
    net = nn.Sequential(Fused(), Fused())
    x = torch.randn(3, 6, 4)
    traced = trace(net, x)
    for training in (True, False, True):
        net.train(training), traced.train(training)
        assert torch.equal(outputs(traced, x, 1), outputs(net, x, 1))
    assert not torch.equal(outputs(traced, x, 1), outputs(traced, x, 2))


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Assigning(nn.Module):
    def forward(self, x):
        y = x * 1
        y[:, 0] = 0
        return y


class Looping(nn.Module):
    def forward(self, x):
        return torch.stack([row * 2 for row in x])


@pytest.mark.parametrize(
    ("construct", "code"),
    [(Branching, "if x.sum() > 0"), (Assigning, "y[:, 0] = 0"), (Looping, "for row in x")],
)
def test_what_cannot_be_traced_is_named_with_the_way_out(construct, code):
    net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(construct(), nn.ReLU()))
    x = torch.randn(3, 4)
    with pytest.raises(UnsupportedNetwork) as caught:
        trace(net, x)
    assert code in caught.value.problem and "'1.0'" in caught.value.problem
    assert "leaf=['1.0']" in caught.value.remedy
    assert torch.equal(trace(net, x, leaf=["1.0"])(x), net(x))
    with pytest.raises(UnsupportedNetwork, match="Move it into a submodule"):
        trace(construct(), x)


class OnlyInTraining(nn.Module):
    def forward(self, x):
        if self.training:
            x = x + torch.randn_like(x)
        return x.relu()


class Aliased(nn.Module):
    def forward(self, x):
        y = x * 2
        z = y
        z += 1  # a new name for the tracer, the same tensor for torch
        return y + z


def test_other_functions_than_the_network_s_are_refused():
    x = torch.randn(3, 4)
    with pytest.raises(UnsupportedNetwork, match=r"in training.*leaf=\['0'\]"):
        trace(nn.Sequential(OnlyInTraining(), nn.Linear(4, 4)), x)
    with pytest.raises(UnsupportedNetwork, match="gives other outputs"):
        trace(Aliased(), x)


def test_wrong_arguments(models):
    with pytest.raises(UnsupportedNetwork, match="no submodule"):
        trace(models("mlp"), models.batch("mlp", 2), leaf=["nothing"])
    with pytest.raises(UnsupportedNetwork, match="of one row or more"):
        trace(models("mlp"), torch.tensor(1.0))
    with pytest.raises(UnsupportedNetwork, match="cannot run on inputs of shape"):
        trace(models("mlp"), torch.zeros(2, 5))
