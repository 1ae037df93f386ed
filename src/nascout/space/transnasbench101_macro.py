"""TransNAS-Bench-101, macro: where a residual network widens, and where it halves its maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from math import comb
from typing import Final

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph
from nascout.graph.ops import BatchNorm, Conv2d
from nascout.space.architecture import Architecture
from nascout.space.constrained import Constrained
from nascout.space.decision import Choice
from nascout.space.skeleton import relu_conv_bn
from nascout.space.space import space
from nascout.space.transnasbench101 import module_network

__all__ = ["TransNasBench101Macro"]

DEPTHS: Final = ("4", "5", "6")
DIGITS: Final = ("1", "2", "3", "4")
DOUBLINGS: Final = range(1, 4)
HALVINGS: Final = range(1, 5)
DECISIONS: Final = (
    Choice("modules", DEPTHS),
    *(
        Choice(f"module{n}", DIGITS, (("modules", tuple(d for d in DEPTHS if int(d) >= n)),))
        for n in range(1, 7)
    ),
)


@space("transnasbench101_macro", paper="arXiv:2105.11871")
class TransNasBench101Macro(Constrained):
    """3,256 residual networks of four to six modules with two basic blocks each.

    A module keeps the shape (1), doubles the channels (2), halves the resolution (3) or both (4).
    From one to three modules double, from one to four halve. A basic block is ReLU-conv-BN
    twice, 3x3, plus its input, or plus a 1x1 convolution and normalisation of it where the shape
    changes. The wiring is that of the released code.

    Deviations: the table gives neither params nor MACs, so they are not checked against it.
    Jigsaw's nine pieces and room_layout's regression have heads of their own in the benchmark;
    here one image is classified.

    Args:
        channels: channels after the stem; the ``64`` of the notation is the benchmark's name for
            its own 64 and is written at any size.
        blocks: basic blocks per module.
        classes: outputs of the classifier; 47 for class_scene.
        input_shape: channels, height and width of one sample.

    Notation: ``64-1234-basic``, one digit per module.

    Example:
        >>> TransNasBench101Macro().parse("64-1234-basic").choices["module3"]
        '3'
    """

    channels: int = 64
    blocks: int = 2
    classes: int = 47
    input_shape: tuple[int, int, int] = (3, 256, 256)

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """The number of modules, then the digit of each."""
        return DECISIONS

    def check(self, choices: Mapping[str, str | None]) -> None:
        """Refuse networks that double or halve too seldom or too often.

        Raises:
            ArchitectureError: not one to three doublings, or not one to four halvings.
        """
        digits = [choices[f"module{n}"] for n in range(1, 7)]
        doublings, halvings = (
            sum(d in changes for d in digits) for changes in (("2", "4"), ("3", "4"))
        )
        if doublings not in DOUBLINGS or halvings not in HALVINGS:
            raise ArchitectureError(
                f"{self.name}: {doublings} modules double the channels, {halvings} halve the maps",
                "Let one to three double (digits 2 and 4) and one to four halve (3 and 4).",
            )

    @cached_property
    def size(self) -> int:
        """How many there are: which modules double and which halve are chosen apart."""
        return sum(
            sum(comb(n, k) for k in DOUBLINGS) * sum(comb(n, k) for k in HALVINGS)
            for n in map(int, DEPTHS)
        )

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, modules, classifier."""
        return module_network(
            _basic_block,
            self._digits(architecture),
            channels=self.channels,
            blocks=self.blocks,
            classes=self.classes,
            input_shape=self.input_shape,
        )

    def parse(self, text: str) -> Architecture:
        """Read the benchmark's notation.

        Raises:
            ArchitectureError: text of another form, or a network that is not of the space.
        """
        match = re.fullmatch(r"64-([1-4]{4,6})-basic", text.strip())
        if match is None:
            raise ArchitectureError(
                f"malformed architecture {text!r}",
                "Write it like 64-1234-basic, with four to six digits from 1 to 4.",
            )
        choices = {f"module{n}": digit for n, digit in enumerate(match[1], 1)}
        return self.architecture({"modules": str(len(match[1])), **choices})

    def format(self, architecture: Architecture) -> str:
        """The benchmark's notation."""
        return f"64-{self._digits(architecture)}-basic"

    @staticmethod
    def _digits(architecture: Architecture) -> str:
        return "".join(digit for digit in architecture.values[1:] if digit)


def _basic_block(g: Builder, x: int, channels: tuple[int, int], stride: int, key: str) -> int:
    c_in, c_out = channels
    y = g.chain(relu_conv_bn(c_out, 3, stride), x, key=f"{key}/conv_a")
    y = g.chain(relu_conv_bn(c_out, 3), y, key=f"{key}/conv_b")
    if stride > 1 or c_in != c_out:
        x = g.chain((Conv2d(c_out, 1, stride), BatchNorm()), x, key=f"{key}/shortcut")
    return g.add(y, x, key=f"{key}/sum")
