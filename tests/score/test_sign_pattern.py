"""sign_pattern: NASWOT itself on ReLUs, and the same kernel of other nonlinearities' signs."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascout.errors import UnsupportedNetwork
from nascout.network import build
from nascout.score.naswot import naswot
from nascout.score.sign_pattern import sign_pattern
from nascout.space.nasbench201 import NasBench201

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|"


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def batch(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def kernel_score(*codes):
    """Equation 2 pair by pair, from (n, units) codes."""
    n = len(codes[0])
    rows = torch.cat(codes, 1)
    kernel = [[int((rows[i] == rows[j]).sum()) for j in range(n)] for i in range(n)]
    return float(torch.logdet(torch.tensor(kernel, dtype=torch.float64)))


def test_on_relus_alone_it_is_naswot():
    net = build(NasBench201(channels=4, cells=1, input_shape=(3, 8, 8)).parse(CELL))
    x = batch(8, 3, 8, 8)
    assert sign_pattern(net, x) == naswot(net, x)


@pytest.mark.parametrize(
    "act",
    [
        *(nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.SiLU(inplace=True), nn.Mish()),
        *(nn.Hardswish(), nn.Hardsigmoid(), nn.ELU(), nn.ELU(inplace=True), nn.SELU(), nn.CELU()),
        *(nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.Softsign(), nn.LogSigmoid(), nn.Hardtanh()),
        *(nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.PReLU()),
    ],
    ids=str,
)
def test_every_nonlinearity_counts_by_the_signs_of_its_input(act):
    net, x = nn.Sequential(nn.Linear(5, 30), act, nn.Linear(30, 1)), batch(6, 5)
    assert sign_pattern(net, x) == pytest.approx(kernel_score(net[0](x) > 0), rel=1e-9)


@pytest.mark.parametrize(
    "act",
    [
        *(F.gelu, F.silu, F.tanh, F.sigmoid, torch.tanh, torch.sigmoid, torch.special.expit),
        *(torch.Tensor.tanh, torch.Tensor.sigmoid, F.elu_, torch.tanh_, torch.Tensor.sigmoid_),
        *(F.logsigmoid, torch.selu, torch.celu_, torch.erf),
    ],
)
def test_functions_and_methods_count_as_modules_do(act):
    class Net(nn.Module):
        def forward(self, x):
            return act(2 * x).sum(1)

    x = batch(6, 30)
    assert sign_pattern(Net(), x) == pytest.approx(kernel_score(x > 0), rel=1e-9)


class Recurrent(nn.Module):
    """Reads all hidden states, or only the last (``ends``)."""

    def __init__(self, kind, batch_first=True, ends=False, layers=1):
        super().__init__()
        self.rnn = kind(5, 8, layers, batch_first=batch_first)
        self.batch_first, self.ends = batch_first, ends

    def states(self, x):
        x = x if self.batch_first else x.transpose(0, 1)
        output, last = self.rnn(x)
        return (output if self.batch_first else output.transpose(0, 1)), last

    def forward(self, x):
        states, last = self.states(x)
        last = last[0] if isinstance(last, tuple) else last
        return last[-1].sum(1) if self.ends else states.sum((1, 2))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("ends", [True, False])
def test_recurrent_layers_give_the_signs_of_their_hidden_states(kind, batch_first, ends):
    net, x = Recurrent(kind, batch_first, ends, layers=2), batch(6, 7, 5)
    expected = kernel_score((net.states(x)[0] > 0).flatten(1))
    assert sign_pattern(net, x) == pytest.approx(expected, rel=1e-9)


def test_as_many_steps_as_samples_are_not_mixed_up():
    net, x = Recurrent(nn.LSTM, batch_first=False), batch(6, 6, 5)
    expected = kernel_score((net.states(x)[0] > 0).flatten(1))
    assert sign_pattern(net, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells_too(kind):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(5, 20)

        def states(self, x):
            state, seen = None, []
            for step in x.unbind(1):
                state = self.cell(step, state)
                seen.append(state[0] if isinstance(state, tuple) else state)
            return seen

        def forward(self, x):
            return torch.stack(self.states(x)).sum((0, 2))

    net, x = Net(), batch(6, 3, 5)
    expected = kernel_score(*[state > 0 for state in net.states(x)])
    assert sign_pattern(net, x) == pytest.approx(expected, rel=1e-9)


def test_an_unused_nonlinearity_does_not_count():
    class Net(nn.Module):
        def forward(self, x):
            torch.tanh(x - 1)
            nn.functional.gelu(x + 1)
            return torch.sigmoid(x).sum(1)

    x = batch(6, 30)
    assert sign_pattern(Net(), x) == pytest.approx(kernel_score(x > 0), rel=1e-9)


def test_a_transformer_counts_its_gelu():
    layer = nn.TransformerEncoderLayer(8, 2, 64, 0.0, "gelu", batch_first=True).eval()
    seen = []
    layer.linear1.register_forward_hook(lambda *a: seen.append((a[2] > 0).flatten(1)))
    score = sign_pattern(layer, batch(5, 3, 8))
    assert math.isfinite(score) and score == pytest.approx(kernel_score(seen[0]), rel=1e-9)


def test_equal_patterns_give_minus_infinity():
    net = nn.Sequential(nn.Tanh(), nn.Flatten())
    assert sign_pattern(net, torch.tensor([[1.0, -1, 2], [3, -5, 1], [-1, 1, 1]])) == -math.inf


def test_a_linear_network_is_refused():
    with pytest.raises(UnsupportedNetwork, match="no nonlinearity that the output depends on"):
        sign_pattern(nn.Linear(5, 2), batch(6, 5))
