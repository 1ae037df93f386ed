"""The epsilon metric of recurrent networks: random embedding, hidden states of the last layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.network.collapsed_recipe import collapsed_states
from nascout.network.recurrent_recipe import RecipeLanguageModel
from nascout.score.card import score
from nascout.score.epsilon import epsilon_of_outputs
from nascout.score.hidden_states import Cells, hidden_states
from nascout.score.inputs import Inputs, each
from nascout.score.untouched import untouched

__all__ = ["epsilon_rnn"]


@score(
    "epsilon_rnn",
    paper="arXiv:2302.04406",
    equation="section 3, steps 1 to 5, as on NAS-Bench-NLP",
    applies="networks with recurrent layers (RNN, LSTM, GRU, their cells, recipes)",
    deviations="eval mode, so no dropout",
    batch=256,
    invariances=("batch order", "output scale"),
)
def epsilon_rnn(
    net: nn.Module,
    x: Inputs,
    *,
    constants: tuple[float, float] = (1e-5, 1e-3),
    dtype: torch.dtype | None = None,
    cells: Cells = (),
    seed: int = 0,
) -> float:
    """Mean distance of the normalised hidden states at two constant weights, over their mean.

    As :func:`~nascout.score.epsilon.epsilon`, but embeddings are not constant, since all tokens
    would be alike: they are drawn uniformly from 0..1. What is read is one unit of the last
    recurrent layer, at every step of every sample; under constant weights all its units are equal.

    A high score goes with a *low* perplexity.

    Args:
        net: any network with recurrent layers; it is left as found. It runs in eval mode.
        x: tokens (n, t), or whatever the network takes; the paper uses 256 samples.
        constants: the two weights; the paper's for NAS-Bench-NLP.
        dtype: of the computation; the network's own by default, in which small differences may
            be lost (saturating cells) and the score is NaN; float64 keeps more of them.
        cells: more classes of modules that are recurrent layers.
        seed: of the embedding.

    Returns:
        The score; NaN if the hidden state is constant over the batch.

    Raises:
        UnsupportedNetwork: no recurrent layer.

    Example:
        >>> net = nn.Sequential(nn.Embedding(9, 3), nn.RNN(3, 4, batch_first=True))
        >>> 0 < epsilon_rnn(net, torch.arange(8).view(2, 4), constants=(0.1, 1.0)) < 1
        True
    """
    dtype = dtype or next((p.dtype for p in net.parameters()), torch.get_default_dtype())
    x = each(lambda t: t.to(dtype) if t.is_floating_point() else t, x)
    with untouched(net), torch.no_grad():
        net.eval()
        low, high = _collapsed(net, x, constants, dtype, seed) or [
            hidden_states(net, x, cells=cells, parameters=_values(net, one, dtype, seed))[-1][:, 0]
            for one in constants
        ]
    return epsilon_of_outputs(low, high)


def _collapsed(
    net: nn.Module, x: Inputs, constants: tuple[float, float], dtype: torch.dtype, seed: int
) -> list[Tensor]:
    """The same of a recipe, where its units are equal: one unit is computed, and no decoder."""
    # In less precision many recipes saturate, and the score is how sums of equal numbers round.
    if dtype != torch.float64 or type(net) is not RecipeLanguageModel:
        return []
    if not isinstance(x, Tensor) or x.dim() != 2 or x.is_floating_point():
        return []
    generator = torch.Generator().manual_seed(seed)
    embedding = _embedding(net.embedding.weight, generator, dtype)
    try:
        return [collapsed_states(net, x, embedding, one).flatten() for one in constants]
    except UnsupportedNetwork:
        return []


def _embedding(parameter: Tensor, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
    return drawn.to(parameter.device, dtype)


def _values(net: nn.Module, constant: float, dtype: torch.dtype, seed: int) -> dict[str, Tensor]:
    """Weights at ``constant``, biases at zero, embeddings random, buffers as they are."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = {
        id(m.weight) for m in net.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)
    }
    values: dict[str, Tensor] = {}
    for name, parameter in net.named_parameters():
        if id(parameter) in embeddings:
            values[name] = _embedding(parameter, generator, dtype)
        else:
            value = 0.0 if "bias" in name.rpartition(".")[2] else constant
            values[name] = torch.full_like(parameter, value, dtype=dtype)
    for name, buffer in net.named_buffers():
        values[name] = buffer.to(dtype) if buffer.is_floating_point() else buffer
    return values
