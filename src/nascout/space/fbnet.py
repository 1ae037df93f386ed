"""FBNet: 22 layers, each one of eight inverted residual blocks or a skip."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Builder, Graph
from nascout.graph.cuts import Shuffle
from nascout.graph.ops import BatchNorm, Conv2d, DepthwiseConv2d, GlobalAvgPool, Linear, ReLU
from nascout.space.architecture import Architecture
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.relaxation import ByDecision, need_whole
from nascout.space.space import Space, space
from nascout.space.superposition import pick

__all__ = ["FBNet"]

#: In the order in which HW-NAS-Bench numbers them.
BLOCKS: Final = ("k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6")
OPS: Final = (*BLOCKS, "skip")
#: Channels and layers of each stage, at a stem of 16.
STEM: Final = 16
STAGES: Final = ((16, 1), (24, 4), (32, 4), (64, 4), (112, 4), (184, 4), (352, 1))
LAST: Final = 1984
DECISIONS: Final = tuple(Choice(f"layer{i}", OPS) for i in range(1, 23))


@space("fbnet", paper="arXiv:1812.03443")
class FBNet(Space):
    """9^22 networks: each of 22 layers picks a block, or a skip.

    A block ``k5_e3`` widens three times by a 1x1 convolution, filters each channel by 5x5, and
    narrows by 1x1; normalisation and ReLU follow the first two. At ``g2`` both 1x1 convolutions
    are in two groups, with a channel shuffle after the first. The first layer of a stage has the
    stage's stride and width; a skip there is a 1x1 convolution, normalisation and ReLU. All of
    this is table 1 of the paper, with the blocks of the released code: a block of expansion 1 has
    its first convolution too.

    ``known`` has FBNet-C of the released code: 5,572,200 params, published as 5.5M. Its 385.0M
    MACs are published as 375M, which is what it has with the 1504 channels before the classifier
    of the paper's table (``last=1504``) and the classifier itself left out: 374.7M; but that
    network has 4.92M params. FBNet-A and FBNet-B are not here: no list of their layers was at
    hand whose counts could be checked.

    Args:
        channels: channels of the stem; all widths are in proportion to it, rounded down to even.
        last: channels before the classifier, at a stem of 16; HW-NAS-Bench has 1504.
        strides: of the stem and of each stage; (1, 1, 1, 2, 2, 1, 2, 1) for images of 32x32.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: the layers, such as ``k5_e6|skip|k3_e1_g2|...``, as tables of latencies have them.

    Example:
        >>> FBNet().parse(FBNet.known["fbnet_c"]).choices["layer2"]
        'k3_e6'
    """

    known: ClassVar[Mapping[str, str]] = {
        "fbnet_c": "|".join(
            (
                *("k3_e1", "k3_e6", "skip", "k3_e1", "k3_e1"),
                *("k5_e6", "k5_e3", "k5_e6", "k3_e6", "k5_e6", "k5_e3", "k5_e6", "k5_e6"),
                *("k5_e6", "k5_e3", "k5_e6", "k5_e6", "k5_e6", "k5_e6", "k5_e6", "k5_e6"),
                "k3_e6",
            )
        )
    }
    channels: int = STEM
    last: int = LAST
    strides: tuple[int, ...] = (2, 1, 2, 2, 2, 1, 2, 1)
    classes: int = 1000
    input_shape: tuple[int, int, int] = (3, 224, 224)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.strides) != 1 + len(STAGES):
            raise ConfigError(
                f"{self.name}: {len(self.strides)} strides",
                f"Give {1 + len(STAGES)}: of the stem and of each stage.",
            )

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """One of nine operations for each layer."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, seven stages, a 1x1 convolution, classifier."""
        values = iter(architecture.values)
        stem_stride, *strides = self.strides
        g = Builder()
        width = self._width(STEM)
        x = g.chain(conv_bn(width, 3, stem_stride), g.input(self.input_shape), key="stem")
        for stage, ((wide, layers), stride) in enumerate(zip(STAGES, strides, strict=True), 1):
            for layer in range(layers):
                channels = width, self._width(wide)
                here = stride if layer == 0 else 1
                x = _layer(g, x, next(values) or "", channels, here, f"stage{stage}/layer{layer}")
                width = channels[1]
        head = (*conv_bn(self._width(self.last)), GlobalAvgPool(), Linear(self.classes))
        return g.graph(g.chain(head, x, key="head"))

    def _width(self, wide: int) -> int:
        return max(2, wide * self.channels // STEM // 2 * 2)

    def relaxation(self, partial: int = 1) -> ByDecision:
        """Every operation in every layer."""
        return ByDecision(self, need_whole(self, partial))

    def parse(self, text: str) -> Architecture:
        """Read the notation that ``format`` writes.

        Raises:
            ArchitectureError: not 22 layers, or an operation that is not of the space.
        """
        values = tuple(text.strip().split("|"))
        if len(values) != len(DECISIONS):
            raise ArchitectureError(
                f"malformed architecture {text!r}",
                "Write 22 layers with | between them, such as k5_e6|skip|k3_e1_g2.",
            )
        return Architecture(self, values)

    def format(self, architecture: Architecture) -> str:
        """The layers, with ``|`` between them."""
        return "|".join(value or "" for value in architecture.values)


def _layer(g: Builder, x: int, name: str, channels: tuple[int, int], stride: int, key: str) -> int:
    return pick(g, name, partial(_operation, g, x, channels, stride), key, alone=key)


def _operation(
    g: Builder, x: int, channels: tuple[int, int], stride: int, name: str, key: str
) -> int:
    c_in, c_out = channels
    keeps = stride == 1 and c_in == c_out
    if name == "skip":
        return g.chain(() if keeps else conv_bn(c_out, 1, stride), x, key=f"{key}/skip")
    kernel, expansion, groups = int(name[1]), int(name[4]), 2 if name.endswith("g2") else 1
    shuffle = (Shuffle(groups),) if groups > 1 else ()
    block = (
        *(Conv2d(c_in * expansion, 1, groups=groups), BatchNorm(), ReLU(), *shuffle),
        *(DepthwiseConv2d(kernel, stride), BatchNorm(), ReLU()),
        *(Conv2d(c_out, 1, groups=groups), BatchNorm()),
    )
    y = g.chain(block, x, key=f"{key}/{name}")
    return g.add(y, x, key=f"{key}/sum") if keeps else y
