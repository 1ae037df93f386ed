"""AmoebaNet: the space in which regularised evolution found its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from nascout.space.cell_blocks import BlockSpace
from nascout.space.space import space

__all__ = ["AmoebaNet"]

OPS: Final = (
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
    "conv_7x1_1x7",
)


@space("amoebanet", paper="arXiv:1802.01548")
class AmoebaNet(BlockSpace):
    """Two cells of five blocks: (6! · 8^5)^4, about 3.1e29 pairs.

    NASNet's blocks with eight operations, always added; what no block reads is concatenated.
    States 0 and 1 are h[k-2] and h[k-1], the outputs of the two cells before; in a reduction cell
    what reads them has stride 2.

    The networks are NASNet's. AmoebaNet-A at the default sizes has 3,155,518 parameters, which
    the paper (table 1, N = 6, F = 36) gives as 3.2M.

    Deviations: two published networks for large images are a little larger. With ``channels=50,
    cells=4, stem_multiplier=1, imagenet_stem=True, classes=1000, input_shape=(3, 224, 224)``
    AmoebaNet-A has 4.99M parameters, where the paper has 5.1M; with ``channels=190`` and
    ``(3, 331, 331)`` 84.4M, not 86.7M. One more concatenated state in the reduction cells would
    give 5.1M and 86.6M, but the published cell does not show it. MACs are 589 million and 23.5
    billion, where the paper has 555 million and 23.1 billion: the 1x7 filter of the reduction
    cells has stride 2 along rows only, as in DARTS' code; with 2 along both they are 550 million
    and 22.3 billion. No drop-path, which is part of the training.

    Args:
        channels: channels of the operations in the first cells, F; doubled at each reduction.
        cells: normal cells per stage, N; a reduction cell stands between stages.
        stem_multiplier: channels of the stem, in units of ``channels``; for large images, of 32.
        imagenet_stem: a convolution of stride 2 and two reduction cells.
        auxiliary: a second output, from before the second reduction.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.
        blocks: blocks of a cell.

    Notation: ``Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ...],
    normal_concat=[...], reduce=[...], reduce_concat=[...])``, two pairs per block. ``_concat``
    may be left out.

    Example:
        >>> AmoebaNet().parse(AmoebaNet.known["amoebanet_a"]).choices["reduce6_op1"]
        'conv_7x1_1x7'
    """

    channels: int = 36
    cells: int = 6

    operations = OPS
    known: ClassVar[Mapping[str, str]] = {
        "amoebanet_a": (
            "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), "
            "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), "
            "('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], "
            "normal_concat=[4, 5, 6], reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), "
            "('max_pool_3x3', 0), ('sep_conv_7x7', 2), ('sep_conv_7x7', 0), ('avg_pool_3x3', 1), "
            "('max_pool_3x3', 0), ('max_pool_3x3', 1), ('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], "
            "reduce_concat=[3, 4, 6])"
        ),
    }

    @property
    def layers(self) -> int:
        """Three stages of ``cells``, and the two reductions between them."""
        return 3 * self.cells + 2
