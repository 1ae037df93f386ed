"""PNAS: one cell, which also reduces, grown block by block in the paper's search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from nascout.space.cell_blocks import BlockSpace
from nascout.space.cell_genotype import INPUTS, Block
from nascout.space.space import space

__all__ = ["Pnas"]

OPS: Final = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "conv_7x1_1x7",
    "skip_connect",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
)


@space("pnas", paper="arXiv:1712.00559")
class Pnas(BlockSpace):
    """One cell of five blocks: (6! · 8^5)^2, about 5.6e14 of them.

    A block adds two operations, each on a state made before it (section 3.1). States 0 and 1 are
    h[k-2] and h[k-1], the outputs of the two cells before. All blocks are concatenated. Where the
    resolution halves, the same cell has stride 2 at its inputs.

    The networks are NASNet's, with a stage's first cell as the one that reduces. PNASNet-5 at
    the default sizes has 3,189,082 parameters (3.2M). With ``channels=216, cells=4,
    imagenet_stem=True, classes=1000, input_shape=(3, 331, 331)`` it has 86,057,668 (86.1M); with
    ``channels=54, cells=3, stem_multiplier=1, imagenet_stem=True, classes=1000,
    input_shape=(3, 224, 224)`` 5,064,487 (5.1M).

    Deviations: the paper has 25.0 billion and 588 million MACs for these two, here they are 24.94
    billion and 587 million. The dilated convolution is separable; no code for it was
    released. No drop-path, which is part of the training.

    Args:
        channels: channels of the operations in the first cells, F; doubled at each reduction.
        cells: cells per stage, N.
        stem_multiplier: channels of the stem, in units of ``channels``; for large images, of 32.
        imagenet_stem: a convolution of stride 2 and two cells that reduce.
        auxiliary: a second output, from before the second reduction.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.
        blocks: blocks of a cell, B.

    Notation: ``Genotype(normal=[('sep_conv_5x5', 0), ('max_pool_3x3', 0), ...],
    normal_concat=[2, 3, 4, 5, 6])``, two pairs per block. ``normal_concat`` may be left out.

    Example:
        >>> Pnas().parse(Pnas.known["pnasnet_5"]).choices["normal5_input1"]
        '4'
    """

    channels: int = 48
    cells: int = 3

    operations = OPS
    kinds = ("normal",)
    known: ClassVar[Mapping[str, str]] = {
        "pnasnet_5": (
            "Genotype(normal=[('sep_conv_5x5', 0), ('max_pool_3x3', 0), ('sep_conv_7x7', 1), "
            "('max_pool_3x3', 1), ('sep_conv_5x5', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 4), "
            "('max_pool_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 1)], "
            "normal_concat=[2, 3, 4, 5, 6])"
        ),
    }

    @property
    def layers(self) -> int:
        """Three stages of ``cells``."""
        return 3 * self.cells

    def concatenated(self, kind: str, blocks: Sequence[Block]) -> tuple[int, ...]:
        """Every block."""
        return tuple(range(INPUTS, INPUTS + len(blocks)))
