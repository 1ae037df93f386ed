"""How many channels of every layer say something that the others do not: the default score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.gates import Sigmoid, SiLU
from nascout.graph.ops import ReLU
from nascout.score.card import score
from nascout.score.channels import CHANNELS
from nascout.score.example_inputs import made_inputs
from nascout.score.inputs import Inputs, each, samples, tensors
from nascout.score.live_inputs import live_inputs
from nascout.score.nonlinearities import hidden_states, is_nonlinear
from nascout.score.population import alike, readings

__all__ = ["independence", "independent_channels", "spectra", "spectra_of_graphs", "spectrum"]

# An eigenvalue below this share of the largest is what rounding makes of zero, and so is a
# deviation below CONSTANT of the largest value.
ZERO: Final = 1e-4
CONSTANT: Final = 1e-5
# Samples and positions of the noise, at least; but no fewer samples than FEWEST.
OBSERVATIONS: Final = 8192
FEWEST: Final = 16
NONLINEAR: Final = (ReLU, Sigmoid, SiLU)
NO_NONLINEARITY: Final = UnsupportedNetwork(
    "the graph has no nonlinearity", "Choose another score (nascout scores)."
)


@alike
def independences(
    graphs: Sequence[Graph],
    x: Inputs | None,
    y: Tensor | None = None,
    *,
    seed: int,
    memory: int,
) -> Iterator[float | UnsupportedNetwork]:
    """:func:`independence` of many graphs; see :class:`nascout.score.card.AtOnce`."""
    for found in spectra_of_graphs(graphs, x, seed=seed, memory=memory):
        yield sum(map(independent_channels, found)) if found else NO_NONLINEARITY


@score(
    "independence",
    needs="network",
    applies="networks with a pointwise nonlinearity or a recurrent layer",
    invariances=("batch order", "input scale", "output scale", "function form"),
    at_once=independences,
)
def independence(net: nn.Module, x: Inputs | None = None, *, seed: int = 0) -> float:
    """Sum over layers of the channels that vary independently of the others, on random inputs.

    A layer is a call of a nonlinearity, read where it reads (see :func:`sign_pattern` for the
    list). Over the samples and positions of a batch of noise, its channels have a correlation
    matrix; with r eigenvalues that are not zero, the layer adds r · (smallest of them) / (mean of
    them): all r channels if none can be told from the others, few if some nearly can. So depth
    counts, as more layers; width counts, as more channels; and both only as far as they bring
    something new. The network runs once, in train mode (batch statistics), without gradients.

    The smallest eigenvalue of a layer's correlation matrix, summed over layers, is MeCo (Jiang,
    Wang and Bie, NeurIPS 2023), there over the positions of a single sample. New here are the
    batch, the number of channels as a factor, and the rank: behind an expansion to more channels
    most eigenvalues are zero, and with them MeCo's whole term. ``docs/scores.md`` has what each of
    them does to the ranking.

    Args:
        net: any network; it is left as found.
        x: (n, ...) only tells the inputs' sizes; integers (tokens) are taken as they are. A
            network built by nascout does not need it.
        seed: of the noise.

    Returns:
        The score; 0 if no channel varies.

    Raises:
        UnsupportedNetwork: a foreign module without ``x``, or no nonlinearity that the output
            depends on.

    Example: four channels in pairs of copies are two.
        >>> net = nn.Sequential(nn.Conv2d(2, 4, 1, bias=False), nn.ReLU())
        >>> net[0].weight.data = torch.eye(2).repeat(2, 1).view(4, 2, 1, 1)
        >>> round(independence(net, torch.zeros(1, 2, 64, 64)), 1)
        2.0
    """
    return sum(independent_channels(spectrum) for spectrum in spectra(net, x, seed))


def independent_channels(spectrum: Tensor) -> float:
    """r · smallest / mean of the r eigenvalues that are not zero.

    Args:
        spectrum: (channels,) eigenvalues of a correlation matrix, ascending.

    Returns:
        Between 0 and the number of channels.

    >>> [independent_channels(torch.tensor(s)) for s in ([1.0, 1.0], [0.0, 2.0], [0.5, 1.5])]
    [2.0, 1.0, 1.0]
    """
    if not len(spectrum):
        return 0.0
    # Not "> ZERO * largest", so that what is not a number stays.
    nonzero = spectrum[~(spectrum <= ZERO * spectrum[-1])]
    return float(len(nonzero) * nonzero[0] / nonzero.mean())


def spectra(net: nn.Module, x: Inputs | None = None, seed: int = 0) -> list[Tensor]:
    """The :func:`spectrum` of every layer; see :func:`independence`.

    In a network with layers that have positions (pixels, tokens), those that have none are left
    out: gates and classifiers see one value per channel and sample, too few to tell.
    """
    noise = _noise(made_inputs(net, x, lambda sample: sample), seed)
    axis = _ChannelAxis()

    def read(z: Tensor) -> tuple[bool, Tensor]:
        observed = z.movedim(axis.of(z), -1).flatten(0, -2)
        return len(observed) > samples(noise), spectrum(observed)

    with axis:
        layers = live_inputs(
            net,
            noise,
            read,
            kind="nonlinearity",
            activation=is_nonlinear,
            hidden=hidden_states,
        )
    return _placed(layers)


def spectra_of_graphs(
    graphs: Sequence[Graph], x: Inputs | None, *, seed: int, memory: int
) -> Iterator[list[Tensor]]:
    """:func:`spectra` of every ``build(graph, seed)``; empty for one without a nonlinearity."""
    if not graphs:
        return
    shapes = [graphs[0].shapes[index] for index in graphs[0].inputs]
    noise = _noise(tuple(torch.empty(1, *shape) for shape in shapes) if x is None else x, seed=0)
    layers = readings(graphs, tensors(noise), NONLINEAR, _read, seed=seed, memory=memory)
    yield from map(_placed, layers)


def _read(z: Tensor) -> tuple[bool, Tensor]:
    observed = z.movedim(1, -1).flatten(0, -2)
    return len(observed) > len(z), spectrum(observed)


def _placed(layers: Sequence[tuple[bool, Tensor]]) -> list[Tensor]:
    """The spectra of layers with positions; all, if there is none."""
    placed = [found for has_positions, found in layers if has_positions]
    return placed or [found for _, found in layers]


def spectrum(z: Tensor) -> Tensor:
    """Eigenvalues of the correlation matrix of the channels that vary.

    Args:
        z: (observations, channels).

    Returns:
        As many as channels that vary, ascending, in float64; one NaN if z is not finite. With fewer
        observations than channels, the rank is theirs.

    >>> spectrum(torch.tensor([[1.0, 1.0, 0.0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]]))
    tensor([1., 1.], dtype=torch.float64)
    """
    centred = z.float() - z.float().mean(0)
    deviation = centred.square().mean(0).sqrt()
    if not deviation.isfinite().all():
        return torch.tensor([math.nan], dtype=torch.float64)
    varies = deviation > CONSTANT * z.float().abs().amax(0)
    scaled = centred[:, varies] / deviation[varies]
    eigenvalues: Tensor = torch.linalg.eigvalsh((scaled.T @ scaled / len(z)).double())
    return eigenvalues.cpu()


def _noise(like: Inputs, seed: int) -> Inputs:
    """Standard normal inputs of the sizes of ``like``, of many samples; integers stay."""
    generator = torch.Generator().manual_seed(seed)
    given = [len(t) for t in tensors(like) if not t.is_floating_point()]
    positions = max(prod(t.shape[2:]) for t in tensors(like))
    n = given[0] if given else max(FEWEST, math.ceil(OBSERVATIONS / positions))

    def draw(t: Tensor) -> Tensor:
        return torch.randn((n, *t.shape[1:]), generator=generator).to(t.device, t.dtype)

    return each(lambda t: draw(t) if t.is_floating_point() else t, like)


class _ChannelAxis(TorchFunctionMode):
    """Follows which dimension holds the channels: where the last layer with weights put them."""

    def __init__(self) -> None:
        super().__init__()
        self.last = -3

    def of(self, z: Tensor) -> int:
        """Of (n, features) the last; (n, channels, ...) otherwise, unless a layer says other."""
        return -1 if z.dim() == 2 else max(self.last, 1 - z.dim())

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        self.last = CHANNELS.get(func, self.last)
        return func(*args, **(kwargs or {}))
