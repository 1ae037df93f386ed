"""What the recurrent layers of a network hold, at every step of every sample."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nascout.errors import UnsupportedNetwork
from nascout.network.recurrent_recipe import RecipeCell
from nascout.score.inputs import Inputs, tensors
from nascout.score.outputs import output_tensors
from nascout.score.untouched import untouched

__all__ = ["Cells", "hidden_states"]

# Classes of modules of which a call is one step, or several, of one recurrent layer.
Cells = tuple[type[nn.Module], ...]


def hidden_states(
    net: nn.Module,
    x: Inputs,
    *,
    cells: Cells = (),
    parameters: Mapping[str, Tensor] | None = None,
) -> list[Tensor]:
    """Run the network once; each recurrent layer's hidden states, (observations, units).

    An observation is one sample at one step. Layers come in the order of their first call. An
    ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU`` has ``num_layers`` of them, both directions side by
    side; a fused module of several is run again layer by layer, without the dropout between. An
    ``nn.RNNCell``, ``nn.LSTMCell``, ``nn.GRUCell`` or ``RecipeCell`` is one layer, however often
    it is called. What a module gives first is its hidden state (an LSTM's h, not c).

    Args:
        net: the network, in the mode to run it in.
        x: (n, ...) a batch.
        cells: more classes of modules that are recurrent layers.
        parameters: values to use instead of the network's own parameters and buffers, by name.

    Raises:
        UnsupportedNetwork: no recurrent layer is called.

    Example:
        >>> net = nn.LSTM(3, 4, num_layers=2, batch_first=True)
        >>> [states.shape for states in hidden_states(net, torch.ones(5, 6, 3))]
        [torch.Size([30, 4]), torch.Size([30, 4])]
    """
    found: dict[nn.Module, list[list[Tensor]]] = {}

    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        layers = list(_layers(module, args, kwargs, output))
        kept = found.setdefault(module, [[] for _ in layers])
        for calls, states in zip(kept, layers, strict=True):
            calls.append(states.detach().reshape(-1, states.shape[-1]))

    with untouched(net), ExitStack() as hooks:
        for module in net.modules():
            if isinstance(module, (nn.RNNBase, nn.RNNCellBase, RecipeCell, *cells)):
                hooks.enter_context(module.register_forward_hook(keep, with_kwargs=True))
        arguments = () if isinstance(x, Mapping) else tuple(tensors(x))
        options = dict(x) if isinstance(x, Mapping) else {}
        functional_call(net, dict(parameters or {}), arguments, options)
    if not found:
        raise UnsupportedNetwork(
            "no recurrent layer is called",
            "Score a network with nn.RNN, nn.LSTM, nn.GRU or their cells, or name its own: cells=.",
        )
    return [torch.cat(calls) for kept in found.values() for calls in kept]


def _layers(
    module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Iterator[Tensor]:
    """What each layer of a recurrent module gave in a call, (..., units)."""
    if isinstance(module, nn.RNNBase) and module.num_layers > 1:
        yield from _one_by_one(module, *args, **kwargs)
        return
    first = next(output_tensors(output), None)
    if first is None or first.dim() == 0:
        raise UnsupportedNetwork(
            f"a {type(module).__name__} gives no hidden state",
            "Let the recurrent module return its hidden state first, (..., units).",
        )
    yield first


def _one_by_one(
    rnn: nn.RNNBase, input: Any, hx: Tensor | tuple[Tensor, ...] | None = None
) -> Iterator[Tensor]:
    """The outputs of each layer of a fused module, which itself gives the last layer's only."""
    directions = 2 if rnn.bidirectional else 1
    names = rnn._flat_weights_names
    each = len(names) // rnn.num_layers
    for index in range(rnn.num_layers):
        layer = copy.copy(rnn)
        layer.num_layers = 1
        layer.input_size = input.data.shape[-1]  # of a packed sequence, too
        layer._flat_weights_names = names[index * each : (index + 1) * each]
        layer._init_flat_weights()
        start = hx
        if hx is not None:
            here = slice(index * directions, (index + 1) * directions)
            start = hx[here] if isinstance(hx, Tensor) else tuple(h[here] for h in hx)
        # Of the class: the module's own may be replaced, and calling it would call hooks.
        input, _ = type(rnn).forward(layer, input, start)
        yield next(output_tensors(input))
