"""ENAS's macro space: an operation for each layer, and which earlier layers join it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Final

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Builder, Graph, Op
from nascout.graph.cuts import Shift
from nascout.graph.ops import (
    AvgPool,
    BatchNorm,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Linear,
    MaxPool,
    ReLU,
)
from nascout.space.architecture import Architecture
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.skeleton import relu_conv_bn, stem
from nascout.space.space import Space, space

__all__ = ["EnasMacro"]

CONVS: Final = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5")
POOLS: Final[Mapping[str, Op]] = {"avg_pool_3x3": AvgPool(3), "max_pool_3x3": MaxPool(3)}
OPS: Final = (*CONVS, *POOLS)
NETWORKS: Final = ("final", "released", "search")
SKIP: Final = ("no", "yes")
RELEASED: Final = (
    *("0", "30", "010", "2001", "20000", "311010", "2000001", "20110111", "101110101"),
    *("0000000000", "20000010000", "010011000011", "2010000010110", "10010001110101"),
    *("011010100000100", "2001000000010101", "20100010011110010", "200001010100101001"),
    *("3011010000010101000", "30110000000001100001", "010010110001000001100"),
    *("3010110010110110100100", "01010100000000101001000", "011000111010001010011000"),
)


@space("enas_macro", paper="arXiv:1802.03268")
class EnasMacro(Space):
    """Chains of layers with skips: 6^L · 2^(L(L-1)/2) networks, 1.6e29 at 12 layers.

    A layer applies to the layer before it a 1x1 convolution and one of six operations:
    convolutions or separable convolutions of 3x3 or 5x5, average or max pooling of 3x3. Then every
    layer before that one, the stem included, may join it. After a third and two thirds of the
    layers, all that there is so far is halved by factorised reductions, whether a later layer
    reads it or not. ``network`` says how the parts are made:

    - ``search``, the network that shares weights: what joins is summed and normalised; the width
      stays; ReLU comes after normalisation.
    - ``final``, the one trained in the end: what joins is concatenated, and a ReLU, a 1x1
      convolution and normalisation bring it back to the width; reductions double the width; ReLU
      comes before each convolution.
    - ``released``: ``final`` as in the released code, where separable convolutions are plain ones.

    ``known`` has the 24 layers of the released code. The paper publishes 21.3M params and, with
    more channels, 38.0M; neither is what these layers have at the released width of 96. That is
    30,947,424, or 42,559,392 as ``released``, where plain convolutions in the place of separable
    ones make the operations 28.4M instead of 16.8M; in both, the joins have 11.2M, the reductions
    1.4M and the 1x1 convolutions before the operations 1.6M.

    Deviations: the released final network has no pooling operations; here pooling stands behind
    the 1x1 convolution as in the search. Dropout is part of the training.

    Args:
        layers: number of layers; 12 in the search.
        channels: channels of the stem, even; 36 in the search.
        network: ``final``, ``released`` or ``search``.
        classes: outputs of the classifier, which has no bias.
        input_shape: channels, height and width of one sample.

    Notation: the released one, numbers with spaces between them: for every layer its operation (0
    and 2 plain, 1 and 3 separable convolutions of 3x3 and 5x5, 4 average, 5 max pooling), then a 0
    or 1 for the stem and each layer but the last before it.

    Example:
        >>> EnasMacro(layers=3).parse("0 3 0 5 1 0").choices["0->3"]
        'yes'
    """

    known: ClassVar[Mapping[str, str]] = {"enas_macro": " ".join("".join(RELEASED))}
    layers: int = 24
    channels: int = 96
    network: str = "final"
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network not in NETWORKS:
            raise ConfigError(
                f"{self.name}: network = {self.network!r}", f"Choose one of {', '.join(NETWORKS)}."
            )
        if self.channels % 2:
            raise ConfigError(
                f"{self.name}: channels = {self.channels}",
                "Give an even number: a factorised reduction makes half of them at a time.",
            )

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """For each layer its operation, and which nodes ``i`` join it; node 0 is the stem."""
        choices = []
        for layer in range(1, self.layers + 1):
            choices.append(Choice(f"op{layer}", OPS))
            choices += [Choice(f"{i}->{layer}", SKIP) for i in range(layer - 1)]
        return tuple(choices)

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, layers, reductions after a third and two thirds of them, classifier."""
        choices = architecture.choices
        third = self.layers // 3
        g = Builder()
        width = self.channels
        nodes = [g.chain(stem(width), g.input(self.input_shape), key="stem")]
        for layer in range(1, self.layers + 1):
            key, op = f"layer{layer}", choices[f"op{layer}"] or ""
            x = g.chain(self._operation(op, width), nodes[-1], key=f"{key}/{op}")
            skips = [nodes[i] for i in range(layer - 1) if choices[f"{i}->{layer}"] == "yes"]
            nodes.append(self._join(g, (*skips, x), width, key) if layer > 1 else x)
            if layer in (third, 2 * third):
                width *= 1 if self.network == "search" else 2
                reduction = f"reduction{layer // third}"
                nodes = [
                    _reduced(g, node, width, key=f"{reduction}/from{i}")
                    for i, node in enumerate(nodes)
                ]
        head = GlobalAvgPool(), Linear(self.classes, bias=False)
        return g.graph(g.chain(head, nodes[-1], key="head"))

    def _operation(self, op: str, width: int) -> tuple[Op, ...]:
        """A 1x1 convolution and ``op``."""
        first = conv_bn(width) if self.network == "search" else relu_conv_bn(width, 1)
        if op in POOLS:
            return *first, POOLS[op]
        kernel = int(op[-1])
        if op.startswith("sep") and self.network != "released":
            convolution: tuple[Op, ...] = DepthwiseConv2d(kernel), Conv2d(width, 1)
        else:
            convolution = (Conv2d(width, kernel),)
        if self.network == "search":
            return *first, *convolution, BatchNorm(), ReLU()
        return *first, ReLU(), *convolution, BatchNorm()

    def _join(self, g: Builder, xs: tuple[int, ...], width: int, key: str) -> int:
        """A layer's own result and what joins it, as one."""
        if self.network == "search":
            return g.node(BatchNorm(), g.add(*xs, key=f"{key}/sum"), key=f"{key}/join/batchnorm")
        x = g.concat(*xs, key=f"{key}/concat")
        return g.chain(relu_conv_bn(width, 1), x, key=f"{key}/join")

    def parse(self, text: str) -> Architecture:
        """Read the released notation.

        Raises:
            ArchitectureError: not numbers of the space, or not as many as the layers need.
        """
        numbers = text.split()
        if len(numbers) != len(self.decisions):
            raise ArchitectureError(
                f"{len(numbers)} numbers for {self.layers} layers",
                f"Write {len(self.decisions)}: each layer's operation and skips, such as 0 3 0.",
            )
        values = []
        for choice, number in zip(self.decisions, numbers, strict=True):
            allowed = {str(i): option for i, option in enumerate(choice.options)}
            if number not in allowed:
                raise ArchitectureError(
                    f"{choice.name} of {self.name} cannot be {number!r}",
                    f"Use a number from 0 to {len(allowed) - 1}.",
                )
            values.append(allowed[number])
        return Architecture(self, tuple(values))

    def format(self, architecture: Architecture) -> str:
        """The released notation."""
        pairs = zip(self.decisions, architecture.values, strict=True)
        return " ".join(str(choice.options.index(value or "")) for choice, value in pairs)


def _reduced(g: Builder, x: int, width: int, key: str) -> int:
    """Even positions in one half of the channels, odd ones in the other; normalised."""
    half = Conv2d(width // 2, 1, stride=2)
    even = g.node(half, x, key=f"{key}/even")
    odd = g.node(half, g.node(Shift(), x, key=f"{key}/shift"), key=f"{key}/odd")
    return g.node(BatchNorm(), g.concat(even, odd, key=f"{key}/concat"), key=f"{key}/batchnorm")
