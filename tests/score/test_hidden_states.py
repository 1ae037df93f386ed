"""Hidden states of recurrent layers: what torch's own modules give, layer by layer."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from nascout.errors import UnsupportedNetwork
from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.score.hidden_states import hidden_states
from nascout.testing.unchanged import Snapshot


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layers_of(rnn):
    """The layers of a fused module as modules of one layer."""
    for k in range(rnn.num_layers):
        directions = 2 if rnn.bidirectional else 1
        size = rnn.input_size if k == 0 else (rnn.proj_size or rnn.hidden_size) * directions
        options = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, nn.RNN) else {}
        if isinstance(rnn, nn.LSTM):
            options["proj_size"] = rnn.proj_size
        layer = type(rnn)(
            size,
            rnn.hidden_size,
            bias=rnn.bias,
            batch_first=rnn.batch_first,
            bidirectional=rnn.bidirectional,
            **options,
        )
        mine = [v for name, v in rnn.named_parameters() if f"_l{k}" in name]
        for own, value in zip(layer.parameters(), mine, strict=True):
            own.data.copy_(value)
        yield layer


FUSED = {
    "lstm": lambda: nn.LSTM(3, 4, 3, batch_first=True),
    "gru": lambda: nn.GRU(3, 4, 3),
    "tanh": lambda: nn.RNN(3, 4, 2, bias=False),
    "relu": lambda: nn.RNN(3, 4, 2, nonlinearity="relu", batch_first=True),
    "both directions": lambda: nn.GRU(3, 4, 2, bidirectional=True, batch_first=True),
    "projected": lambda: nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True),
}


@torch.no_grad()
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("name", FUSED)
def test_a_fused_module_is_its_layers_one_after_the_other(name):
    rnn = FUSED[name]()
    found, x = hidden_states(rnn, noise(5, 6, 3)), noise(5, 6, 3)
    assert len(found) == rnn.num_layers
    for layer, states in zip(layers_of(rnn), found, strict=True):
        x, _ = layer(x)
        torch.testing.assert_close(states, x.flatten(0, 1))


@torch.no_grad()
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_first_states_and_packed_sequences(kind):
    rnn = kind(3, 4, 2, batch_first=True)
    h = noise(2, 5, 4, seed=1)
    hx = (h, noise(2, 5, 4, seed=2)) if kind is nn.LSTM else h
    packed = pack_padded_sequence(noise(5, 6, 3), torch.tensor([6, 5, 3, 2, 1]), batch_first=True)
    for x in (noise(5, 6, 3), packed):
        net = Given(rnn, x, hx)
        expected, _ = rnn(x, hx)
        last = expected if isinstance(expected, torch.Tensor) else expected.data
        found = hidden_states(net, torch.ones(5))
        torch.testing.assert_close(found[1], last.reshape(-1, 4))
        assert found[0].shape == found[1].shape and not torch.equal(found[0], found[1])
    alone, first = next(layers_of(rnn)), noise(5, 6, 3)
    start = tuple(s[:1] for s in hx) if kind is nn.LSTM else hx[:1]
    states = hidden_states(Given(rnn, first, hx), torch.ones(5))[0]
    torch.testing.assert_close(states, alone(first, start)[0].flatten(0, 1))


class Given(nn.Module):
    """Runs a module on inputs of its own."""

    def __init__(self, rnn, *inputs):
        super().__init__()
        self.rnn, self.inputs = rnn, inputs

    def forward(self, x):
        return self.rnn(*self.inputs)


class Loop(nn.Module):
    """Two cells, step by step."""

    def __init__(self, kind, rnn):
        super().__init__()
        self.cells = nn.ModuleList([kind(3, 4), kind(4, 4)])
        for k, cell in enumerate(self.cells):
            for name, parameter in cell.named_parameters():
                parameter.data.copy_(getattr(rnn, f"{name}_l{k}"))

    def forward(self, x):
        states = [None, None]
        for step in x.unbind(1):
            inner = step
            for k, cell in enumerate(self.cells):
                states[k] = cell(inner, states[k])
                inner = states[k][0] if isinstance(states[k], tuple) else states[k]
        return inner


@torch.no_grad()
@pytest.mark.parametrize(
    ("cell", "fused"), [(nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU), (nn.RNNCell, nn.RNN)]
)
def test_cells_in_a_loop_are_the_layers_of_the_fused_module(cell, fused):
    rnn, x = fused(3, 4, 2, batch_first=True), noise(5, 6, 3)
    looped, whole = hidden_states(Loop(cell, rnn), x), hidden_states(rnn, x)
    for one, other in zip(looped, whole, strict=True):
        in_time = other.view(5, 6, 4).transpose(0, 1).reshape(-1, 4)  # a loop has time outside
        torch.testing.assert_close(one, in_time)


class Own(nn.Module):
    """A recurrent cell of one's own: h ← h/2 + x."""

    def forward(self, x, h):
        return {"state": h / 2 + x}


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = Own()

    def forward(self, x):
        h = torch.zeros_like(x[:, 0])
        for step in x.unbind(1):
            h = self.cell(step, h)["state"]
        return h


def test_a_cell_of_ones_own_by_hand():
    x = torch.tensor([[[4.0], [2.0], [1.0]]])
    with pytest.raises(UnsupportedNetwork, match="no recurrent layer"):
        hidden_states(Outer(), x)
    (states,) = hidden_states(Outer(), x, cells=(Own,))
    assert states.tolist() == [[4.0], [4.0], [3.0]]


def test_a_recipes_layers():
    text = '{"h_new_0": {"op": "linear", "input": ["x", "h_prev_0"]}}'
    net = RecipeLanguageModel(text, 9, emsize=3, nhid=5, nlayers=3)
    found = hidden_states(net, torch.arange(8).view(2, 4))
    assert [tuple(states.shape) for states in found] == [(8, 5), (8, 5), (8, 3)]


def test_inputs_by_name_and_values_in_place_of_the_parameters():
    rnn = nn.GRU(3, 4, 2, batch_first=True)
    zero = {name: torch.zeros_like(p).double() for name, p in rnn.named_parameters()}
    x = {"input": noise(5, 6, 3).double(), "hx": torch.ones(2, 5, 4).double()}
    first, second = hidden_states(rnn, x, parameters=zero)
    for states in (first, second):  # z = σ(0) = 1/2 and n = 0: the state halves at each step
        halves = torch.tensor([2.0**-t for t in range(1, 7)] * 5).double()
        torch.testing.assert_close(states, halves.view(-1, 1).expand(30, 4))


class Silent(nn.Module):
    def forward(self, x):
        return None


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_it_was(fails):
    net = nn.Sequential(nn.LSTM(3, 4, 2, batch_first=True), Silent())
    zero = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    before = Snapshot(net)
    if fails:
        with pytest.raises(UnsupportedNetwork, match="Silent gives no hidden state"):
            hidden_states(net, noise(5, 6, 3), cells=(Silent,), parameters=zero)
    else:
        hidden_states(net, noise(5, 6, 3), parameters=zero)
    assert not before.changes(net)
    # What the kernels get is kept apart from the parameters.
    for kept, parameter in zip(net[0]._flat_weights, net.parameters(), strict=True):
        assert kept is parameter
