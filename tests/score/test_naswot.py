"""NASWOT against closed forms, an independent implementation and networks of every make."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.network import build
from nascout.score.evaluate import evaluate
from nascout.score.naswot import agreement, naswot
from nascout.space.nasbench201 import NasBench201

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"


def paper(codes):
    """Equation 2 pair by pair, from (n, units) codes of every ReLU."""
    n = len(codes[0])
    kernel = torch.zeros(n, n, dtype=torch.float64)
    for code in codes:
        for i in range(n):
            for j in range(n):
                kernel[i, j] += code.shape[1] - int((code[i] != code[j]).sum())
    return float(torch.logdet(kernel))


def hooked(net, x):
    """The codes of every call of an nn.ReLU module, by forward hooks, in train mode."""
    codes = []
    hooks = [
        m.register_forward_pre_hook(lambda _, a: codes.append((a[0] > 0).flatten(1)))
        for m in net.modules()
        if isinstance(m, nn.ReLU)
    ]
    net.train()
    net(x)
    for hook in hooks:
        hook.remove()
    return codes


def batch(n=6, *shape):
    return torch.randn((n, *(shape or (5,))), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Signs(nn.Module):
    """A ReLU over the inputs themselves: the batch is the code."""

    def forward(self, x):
        return F.relu(x).sum(1)


def test_codes_1100_and_1010_give_ln_12():
    x = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1]])
    assert naswot(Signs(), x) == pytest.approx(math.log(12), rel=1e-12)


def test_identical_codes_give_minus_infinity_and_the_outcome_nonfinite():
    x = torch.tensor([[1.0, -1, 2], [3.0, -5, 1], [-1, 1, 1]])
    assert naswot(Signs(), x) == -math.inf
    score = evaluate(Signs(), x, "naswot")
    assert score.outcome == "nonfinite" and not math.isfinite(score.value)


@pytest.mark.parametrize("n", [16, 64, 128])
def test_fewer_units_than_samples_make_the_kernel_singular(n):
    """Rank at most units + 1, so det K = 0: rounding must not make a finite score of it."""
    assert naswot(Signs(), batch(n, n // 2)) == -math.inf


def test_zero_is_an_inactive_unit():
    """c = (z > 0), so codes 10 and 11: K = [[2, 1], [1, 2]]."""
    assert naswot(Signs(), torch.tensor([[1.0, 0.0], [1.0, 2.0]])) == pytest.approx(math.log(3))


def test_agreement_is_units_minus_the_hamming_distance():
    code = batch(7, 40) > 0
    expected = [[40 - int((a != b).sum()) for b in code] for a in code]
    assert agreement(code).tolist() == expected


@pytest.mark.parametrize("text", [CELL, CELL.replace("none", "nor_conv_3x3")])
def test_a_cell_agrees_with_the_formula_on_hooked_codes(text):
    net = build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(text))
    x = batch(8, 3, 8, 8)
    assert naswot(net, x) == pytest.approx(paper(hooked(net, x)), rel=1e-9)


def test_released_counts_every_relu_twice_but_the_last():
    net = build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(CELL))
    x = batch(8, 3, 8, 8)
    codes = hooked(net, x)
    expected = paper([*codes[:-1], *codes])
    assert naswot(net, x, released=True) == pytest.approx(expected, rel=1e-9)


# --- the same network written in many ways: a, relu, b, relu, c --------------------------------


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 30), nn.Linear(30, 30), nn.Linear(30, 1)
        self.act = nn.ReLU()

    def forward(self, x):
        z = self.a(x)
        return self.c(self.relu(self.b(self.relu(z))))

    def relu(self, z):
        return self.act(z)


class Functional(Base):
    def relu(self, z):
        return F.relu(z)


class TorchFunction(Base):
    def relu(self, z):
        return torch.relu(z)


class Method(Base):
    def relu(self, z):
        return z.relu()


class InPlaceFunction(Base):
    def relu(self, z):
        return F.relu(z, inplace=True)


class InPlaceMethod(Base):
    def relu(self, z):
        return z.relu_()


class OnViews(Base):
    """In place on views: what goes on is the tensor that was viewed."""

    def relu(self, z):
        z.view(-1, 2, 15).relu_()
        return z


class Halves(Base):
    def relu(self, z):
        z[:, :10].relu_()
        z[:, 10:].relu_()
        return z


class Keyword(Base):
    def relu(self, z):
        return F.relu(input=z)


class Dict(Base):
    def forward(self, x):
        return {"logits": [super().forward(x)], "note": "text"}


class Tuple(Base):
    def forward(self, x):
        return None, (super().forward(x),)


class Unused(Base):
    def forward(self, x):
        F.relu(self.a(-x))
        self.act(self.b(F.relu(self.a(2 * x))))
        return super().forward(x)


def as_base(net):
    base = Base()
    base.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("act")})
    return base


@pytest.mark.parametrize(
    "kind",
    [
        *(Functional, TorchFunction, Method, InPlaceFunction, InPlaceMethod, OnViews, Halves),
        *(Keyword, Dict, Tuple, Unused),
    ],
)
def test_the_way_of_writing_a_relu_does_not_matter(kind):
    net, x = kind(), batch()
    assert naswot(net, x) == pytest.approx(paper(hooked(as_base(net), x)), rel=1e-9)


@pytest.mark.parametrize(
    "act",
    [
        *(nn.ReLU(inplace=True), nn.ReLU6(), nn.ReLU6(inplace=True), nn.LeakyReLU(0.1)),
        *(nn.LeakyReLU(0.1, inplace=True), nn.PReLU(), nn.RReLU(), nn.RReLU(inplace=True)),
    ],
    ids=str,
)
def test_the_whole_family_counts(act):
    net, x = nn.Sequential(nn.Linear(5, 30), act, nn.Linear(30, 1)), batch()
    expected = paper([net[0](x) > 0])
    assert naswot(net, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("act", [nn.GELU(), nn.Tanh(), nn.Hardtanh(), nn.Identity()], ids=str)
def test_a_network_without_relu_is_refused_clearly(act):
    with pytest.raises(UnsupportedNetwork, match="no ReLU that the output depends on"):
        naswot(nn.Sequential(nn.Linear(5, 4), act, nn.Linear(4, 1)), batch())


def test_a_relu_that_no_output_depends_on_is_no_relu():
    class Dead(nn.Module):
        def forward(self, x):
            F.relu(x)
            return x.sum(1)

    with pytest.raises(UnsupportedNetwork, match="no ReLU"):
        naswot(Dead(), batch())


@pytest.mark.parametrize("kind", [Base, Unused])
def test_frozen_parameters_change_nothing(kind):
    net, x = kind(), batch()
    free = naswot(net, x)
    assert naswot(net.requires_grad_(False), x) == free
    assert not any(p.requires_grad for p in net.parameters())


def test_tokens_also_with_frozen_parameters_and_an_unused_branch():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = nn.Embedding(11, 30), nn.Linear(30, 2)

        def forward(self, ids):
            F.relu(self.embed(ids + 1))
            return self.out(F.relu(self.embed(ids))).mean(1)

    net = Tokens().requires_grad_(False)
    ids = torch.arange(6 * 4).reshape(6, 4).remainder(7)
    expected = paper([(net.embed(ids) > 0).flatten(1)])
    assert naswot(net, ids) == pytest.approx(expected, rel=1e-9)


def test_bfloat16():
    net, x = Base().to(torch.bfloat16), batch().to(torch.bfloat16)
    assert naswot(net, x) == pytest.approx(paper(hooked(net, x)), rel=1e-9)


def test_a_batch_that_is_not_first_is_refused():
    class Sequences(nn.Module):
        def forward(self, x):
            return F.relu(x.transpose(0, 1)).sum()

    with pytest.raises(UnsupportedNetwork, match="batch as the first dimension"):
        naswot(Sequences(), batch(6, 4, 3))


def test_patches_folded_into_the_batch_count_for_their_sample():
    class Patches(nn.Module):
        def forward(self, x):
            return F.relu(x.reshape(-1, 3)).reshape(6, -1).sum(1)

    x = batch(6, 4, 3)
    assert naswot(Patches(), x) == pytest.approx(paper([(x > 0).flatten(1)]), rel=1e-9)


def test_a_graph_held_by_the_caller_stays_valid():
    net, x = Base(), batch()
    loss = net(x).square().sum()
    naswot(net, x)
    loss.backward()
    assert net.a.weight.grad.abs().sum() > 0


def test_the_transformer_layer_of_torch_is_scored_in_train_mode():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).eval()
    x = batch(5, 3, 8)
    seen = []
    layer.linear1.register_forward_hook(lambda *a: seen.append((a[2] > 0).flatten(1)))
    score = naswot(layer, x)
    assert score == pytest.approx(paper(seen[-1:]), rel=1e-9)
