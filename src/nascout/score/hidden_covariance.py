"""Hidden covariance: how independent the units of a recurrent layer are."""

from __future__ import annotations

import math

import torch
from torch import nn

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.hidden_states import Cells, hidden_states
from nascout.score.inputs import Inputs
from nascout.score.jacob_cov import correlations, spectrum_score
from nascout.score.untouched import untouched

__all__ = ["hidden_covariance", "hidden_covariances"]


@score(
    "hidden_covariance",
    paper="arXiv:2306.00288",
    equation="hidden covariance of recurrent networks, k = 1e-5",
    applies="networks with recurrent layers (RNN, LSTM, GRU, their cells, recipes)",
    deviations="from the published table: eval mode, float64, a symmetric eigensolver",
    invariances=("batch order", "output scale"),
)
def hidden_covariance(net: nn.Module, x: Inputs, *, layer: int = 1, cells: Cells = ()) -> float:
    """Minus the sum of log(v + k) + 1/(v + k) over the eigenvalues v of the units' correlation.

    The hidden states H (units, observations) of one layer, an observation being a sample at a
    step, are centred per unit; C = H Hᵀ is scaled to the correlation R_ij = C_ij / √(C_ii C_jj);
    k = 1e-5. The best score is about minus the number of units, where no two are correlated. Every
    eigenvalue of zero costs about 1/k = 100,000, so give more observations than there are units.

    A high score goes with a *low* perplexity.

    Args:
        net: any network with recurrent layers; it is left as found. It runs in eval mode.
        x: (n, t, features) a batch, or tokens (n, t), or whatever the network takes.
        layer: which one, counting from 1 in the order of calls; see
            :func:`~nascout.score.hidden_states.hidden_states`. The first predicts perplexity best
            on NAS-Bench-NLP.
        cells: more classes of modules that are recurrent layers.

    Returns:
        The score; NaN where a unit does not move over the batch, or for one observation.

    Raises:
        UnsupportedNetwork: no recurrent layer, or fewer than ``layer``.

    The table of NAS-Bench-NLP does not say what is correlated with what, but its values do: its
    layers have 600, 600 and 400 units, and the worst values amount to 319, 590 and 397 eigenvalues
    of zero. So the matrix is units by units; and the best values need more observations than units.
    Read so, over 20 texts of 70 words, 89 recipes with other random weights and another text come
    in the published order: Spearman .88, .96 and .94 for layers 1 to 3
    (``benchmarks/results/recurrent_scores.csv``).

    Example:
        >>> net = nn.LSTM(3, 4, num_layers=2, batch_first=True)
        >>> x = torch.randn(8, 5, 3, generator=torch.Generator().manual_seed(0))
        >>> hidden_covariance(net, x) == hidden_covariances(net, x)[0]
        True
    """
    found = hidden_covariances(net, x, cells=cells)
    if not 1 <= layer <= len(found):
        raise UnsupportedNetwork(
            f"recurrent layer {layer} of {len(found)} is asked for",
            f"Give a layer from 1 to {len(found)}.",
        )
    return found[layer - 1]


def hidden_covariances(net: nn.Module, x: Inputs, *, cells: Cells = ()) -> tuple[float, ...]:
    """The score of every recurrent layer, from one run; see :func:`hidden_covariance`."""
    with untouched(net), torch.no_grad():
        net.eval()
        layers = hidden_states(net, x, cells=cells)
    return tuple(
        spectrum_score(correlations(states.double().T)) if len(states) > 1 else math.nan
        for states in layers
    )
