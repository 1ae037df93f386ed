"""How much every layer's output owes to the neighbours of a pixel, at constant weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.score.card import score
from nascout.score.channels import CHANNELS
from nascout.score.epsilon import epsilon_of_outputs, output_at
from nascout.score.inputs import Inputs, each, samples
from nascout.score.untouched import untouched

__all__ = ["epsilon_spatial"]

# Samples that differ by less than this share of a layer's largest value differ by rounding.
ALIKE: Final = 1e-10


@score(
    "epsilon_spatial",
    paper="arXiv:2302.04406",
    equation="section 3, steps 3 to 5, at every layer and with another pair of weights",
    applies=(
        "networks with a kernel wider than 1, and no normalisation over channels, "
        "which are all equal here"
    ),
    deviations=(
        "not the paper's metric: one constant, kernels whole or cut to their centre instead of "
        "two constants; summed over layers; float64"
    ),
    batch=64,
    invariances=("batch order",),
)
def epsilon_spatial(
    net: nn.Module, x: Inputs, *, constant: float = 1.0, train: bool = True
) -> float:
    """Change of every layer's output when constant kernels are cut to their centre, summed.

    A variant of :func:`~nascout.score.epsilon.epsilon` that also ranks the networks on which that
    metric fails. There, the small constant silences every layer with weights, since the scale of
    its normalisation is small too, and leaves the paths of skips and pooling: epsilon says how far
    the former move the output of the latter. If each path has a layer with weights, float32
    underflows and the score is NaN; in float64 the first and second output are nearly one
    function, and the score is close to zero however good the network is.

    Here the second network is one that always exists: the same, blind to neighbours. Every weight
    is ``constant`` and every bias zero; in the second network, kernels keep only their centre.
    For every call of a convolution or linear layer, its output is averaged to one number per
    sample, and the distance of the two networks' numbers is the paper's. The score is the sum of
    these, so it grows with depth. Layers whose output is the same for all samples are left out; a
    layer whose output goes nowhere counts. ``benchmarks/epsilon_variants.py`` compares the two.

    Args:
        net: any network; it is left as found, and computed in float64.
        x: (n, ...) a batch.
        constant: the weight. It matters where a convolution is not followed by a normalisation.
        train: batch statistics, or the running ones.

    Returns:
        The score, at least 0; NaN if every layer's output is the same for all samples.

    Raises:
        UnsupportedNetwork: no kernel is wider than 1, or the two networks do not make the same
            calls.

    Example:
        >>> net = nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), nn.Flatten(), nn.Linear(4, 1))
        >>> x = torch.tensor([[[0.0, 0, 0, 0]], [[1, 0, 0, 1]], [[0, 2, 2, 0]]])
        >>> round(epsilon_spatial(net, x), 4)  # at both layers: 0, 1/3, 1 against 0, 1/2, 1
        0.2353
    """
    x = each(lambda t: t.double() if t.is_floating_point() else t, x)
    whole, centre = _Layers(samples(x), cut=False), _Layers(samples(x), cut=True)
    for layers in (whole, centre):
        # Each from the same state, and the same seed for what the network draws.
        with untouched(net), torch.no_grad():
            net.train(train)
            with layers:
                output_at(net, x, constant, torch.float64)
    if not whole.wide:
        raise UnsupportedNetwork(
            "no kernel of the network is wider than 1, so cutting kernels changes nothing",
            "Use a score that does not compare kernels, such as epsilon.",
        )
    if len(whole.means) != len(centre.means):
        raise UnsupportedNetwork(
            "the network calls other layers when its kernels are cut to their centre",
            "Score a network whose layers do not depend on the values it computes.",
        )
    pairs = zip(whole.means, centre.means, strict=True)
    distances = [epsilon_of_outputs(a, b) for a, b in pairs if a is not None and b is not None]
    return math.fsum(distances) if distances else math.nan


class _Layers(TorchFunctionMode):
    """Keeps the mean output of every layer for each sample, with kernels whole or cut.

    Attributes:
        means: (n,) by call; None where all samples are alike.
        wide: whether a kernel is wider than 1.
    """

    def __init__(self, samples: int, *, cut: bool) -> None:
        super().__init__()
        self.samples = samples
        self.cut = cut
        self.means: list[Tensor | None] = []
        self.wide = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in CHANNELS:
            return func(*args, **kwargs)
        kernel = args[1] if len(args) > 1 else kwargs["weight"]
        self.wide |= any(size > 1 for size in kernel.shape[2:])
        if self.cut and len(args) > 1:
            args = (args[0], _centre(kernel), *args[2:])
        elif self.cut:
            kwargs = kwargs | {"weight": _centre(kernel)}
        output = func(*args, **kwargs)
        if output.dim() and len(output) == self.samples:
            self.means.append(_means(output.reshape(self.samples, -1)))
        return output


def _centre(kernel: Tensor) -> Tensor:
    """The kernel (out, in, ...) with zeros everywhere but in the middle of its extent.

    >>> _centre(torch.ones(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    middle: tuple[EllipsisType | int, ...] = (..., *(size // 2 for size in kernel.shape[2:]))
    cut = torch.zeros_like(kernel)
    cut[middle] = kernel[middle]
    return cut


def _means(output: Tensor) -> Tensor | None:
    """(n,) the mean of each row; None if they are all the same but for rounding."""
    means = output.mean(1)
    return None if means.max() - means.min() <= ALIKE * output.abs().max() else means
