"""How evenly the last layer before the classifier uses its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.score.card import score
from nascout.score.independence import NO_NONLINEARITY, spectra, spectra_of_graphs
from nascout.score.inputs import Inputs
from nascout.score.population import alike

__all__ = ["diversity", "entropy"]


@alike
def diversities(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int,
    memory: int,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`diversity` of many graphs; see :class:`nascout.score.card.AtOnce`."""
    for found in spectra_of_graphs(graphs, x, seed=seed, memory=memory):
        yield entropy(found[-1]) if found else NO_NONLINEARITY


@score(
    "diversity",
    needs="network",
    applies="networks with a pointwise nonlinearity or a recurrent layer",
    invariances=("batch order", "input scale", "output scale", "function form"),
    at_once=diversities,
)
def diversity(net: nn.Module, x: Inputs | None = None, *, seed: int = 0) -> float:
    """Entropy of the last layer's spectrum on random inputs: log of how many directions it uses.

    The layers and their spectra are those of :func:`nascout.score.independence.independence`.
    Alone it says little; beside ``independence``, which adds up all layers, it tells the best
    networks apart (``docs/scores.md``).

    Args:
        net: any network; it is left as found.
        x: (n, ...) only tells the inputs' sizes; integers (tokens) are taken as they are.
        seed: of the noise.

    Returns:
        Between 0 and log(channels); 0 if no channel varies.

    Raises:
        UnsupportedNetwork: a foreign module without ``x``, or no nonlinearity that the output
            depends on.

    Example: two independent channels, each of them twice.
        >>> import math, torch
        >>> net = nn.Sequential(nn.Conv2d(2, 4, 1, bias=False), nn.ReLU())
        >>> net[0].weight.data = torch.eye(2).repeat(2, 1).view(4, 2, 1, 1)
        >>> round(math.exp(diversity(net, torch.zeros(1, 2, 64, 64))), 2)
        2.0
    """
    return entropy(spectra(net, x, seed)[-1])


def entropy(spectrum: Tensor) -> float:
    """-Σ p log p over the eigenvalues' shares p of their sum; 0 for none.

    >>> import torch
    >>> round(entropy(torch.tensor([0.0, 1.0, 1.0])), 4)  # log 2
    0.6931
    """
    shares = spectrum.clamp_min(0) / spectrum.clamp_min(0).sum()
    # xlogy is 0 at 0, and passes on what is not a number.
    return float(-shares.xlogy(shares).sum()) + 0.0
