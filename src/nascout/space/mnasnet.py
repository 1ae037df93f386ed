"""The MnasNet space of Accel-NASBench: seven stages of inverted residual blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Builder, Graph, Op
from nascout.graph.gates import SiLU
from nascout.graph.ops import GlobalAvgPool, Linear, ReLU
from nascout.space.architecture import Architecture
from nascout.space.conv_block import conv_bn
from nascout.space.decision import Choice
from nascout.space.inverted_residual import inverted_residual
from nascout.space.space import Space, space

__all__ = ["MnasNet"]

STRIDES: Final = (1, 2, 2, 2, 1, 2, 1)
#: Channels of the stem, of each stage and before the classifier, at a stem of 32.
WIDTHS: Final = (32, 16, 24, 40, 80, 112, 192, 320, 1280)
PARTS: Final = ("e", "k", "l", "se")
ACTIVATIONS: Final[Mapping[str, Op]] = {"silu": SiLU(), "relu": ReLU()}
DECISIONS: Final = tuple(
    choice
    for i in range(7)
    for choice in (
        Choice(f"block{i}_e", ("1", "4", "6")),
        Choice(f"block{i}_k", ("3", "5")),
        Choice(f"block{i}_l", ("1", "2", "3", "4") if i == 5 else ("1", "2", "3")),
        Choice(f"block{i}_se", ("False", "True")),
    )
)
EXAMPLE: Final = "e1k3l1-e6k3l2-e6k5l2se-e6k3l3-e4k5l3se-e6k5l4-e6k3l1se"


@space("mnasnet", paper="arXiv:2404.08005")
class MnasNet(Space):
    """About 1.0e11 networks: expansion, kernel, layers and gates of seven stages.

    Every stage decides its expansion (1, 4, 6), the side of its filters (3, 5), its number of
    layers (1 to 3, the sixth stage to 4) and whether its blocks squeeze and excite, with a
    quarter of the block's input channels in the middle. The first layer of a stage has the
    stage's stride.

    At the default sizes ``params`` is the benchmark's ``info_params``. Its ``info_macs`` also
    counts 4 operations per normalised value and the additions and divisions of pooling, and
    leaves out biases; ``macs`` here is multiply-adds alone.

    Deviations: no stochastic depth and no dropout, which are part of the training.

    Args:
        channels: channels of the stem; all widths are in proportion to it, rounded down.
        activation: ``silu``, as the benchmark's networks were trained, or ``relu``, as they were
            deployed on FPGAs.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: one part per stage, ``e`` expansion, ``k`` kernel, ``l`` layers, ``se`` if gated.

    Example:
        >>> MnasNet().parse(EXAMPLE).choices["block2_se"]
        'True'
    """

    channels: int = 32
    activation: str = "silu"
    classes: int = 1000
    input_shape: tuple[int, int, int] = (3, 224, 224)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in ACTIVATIONS:
            raise ConfigError(
                f"{self.name}: activation = {self.activation!r}",
                f"Choose one of {', '.join(ACTIVATIONS)}.",
            )

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """Expansion, kernel, layers and gate of each stage."""
        return DECISIONS

    def graph(self, architecture: Architecture) -> Graph:
        """Stem of stride 2, seven stages, a 1x1 convolution, classifier."""
        activation = ACTIVATIONS[self.activation]
        stem, *stages, last = (max(1, width * self.channels // WIDTHS[0]) for width in WIDTHS)
        g = Builder()
        x = g.chain(conv_bn(stem, 3, 2, activation), g.input(self.input_shape), key="stem")
        width = stem
        for i, out in enumerate(stages):
            e, k, layers, se = (architecture.choices[f"block{i}_{part}"] for part in PARTS)
            for layer in range(int(layers or 0)):
                x = inverted_residual(
                    g,
                    x,
                    (width, out),
                    expansion=int(e or 1),
                    kernel=int(k or 1),
                    stride=STRIDES[i] if layer == 0 else 1,
                    key=f"stage{i + 1}/layer{layer}",
                    squeeze=max(1, width // 4) if se == "True" else 0,
                    activation=activation,
                )
                width = out
        head = (*conv_bn(last, activation=activation), GlobalAvgPool(), Linear(self.classes))
        return g.graph(g.chain(head, x, key="head"))

    def parse(self, text: str) -> Architecture:
        """Read the notation that ``format`` writes.

        Raises:
            ArchitectureError: text of another form, or a value that is not of the space.
        """
        parts = [
            re.fullmatch(r"e(\d)k(\d)l(\d)(se)?", part, re.ASCII)
            for part in text.strip().split("-")
        ]
        if len(parts) != len(STRIDES) or None in parts:
            raise ArchitectureError(f"malformed architecture {text!r}", f"Write it like {EXAMPLE}")
        values = ((*m.groups()[:3], str(m[4] is not None)) for m in parts if m)
        return Architecture(self, tuple(value for stage in values for value in stage))

    def format(self, architecture: Architecture) -> str:
        """One part per stage, such as ``e6k5l2se``."""
        values = [value or "" for value in architecture.values]
        stages = (values[i : i + 4] for i in range(0, len(values), 4))
        return "-".join(f"e{e}k{k}l{n}{'se' if se == 'True' else ''}" for e, k, n, se in stages)

    def from_row(self, row: Mapping[str, Any]) -> Architecture:
        """The architecture of a row of the benchmark's table.

        Args:
            row: ``block0_e``, ``block0_k``, ``block0_l``, ``block0_se`` and so on to ``block6_se``;
                other entries are ignored.

        Raises:
            ArchitectureError: an entry that is missing, or a value that is not of the space.
        """
        names = [choice.name for choice in self.decisions if choice.name in row]
        return self.architecture({name: str(row[name]) for name in names})
