"""NASNet: cells of blocks that pick two states, thirteen operations, and how to join them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from nascout.errors import ConfigError
from nascout.space.architecture import Architecture
from nascout.space.cell_blocks import BlockSpace
from nascout.space.cell_genotype import INPUTS, Block
from nascout.space.space import space

__all__ = ["NasNet"]

OPS: Final = (
    "skip_connect",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)
#: Besides loose ends, what the released NASNet-A concatenates in each cell.
RELEASED: Final = {"normal": (0,), "reduce": (3,)}
CONCATS: Final = ("released", "loose_ends", "all")


@space("nasnet", paper="arXiv:1707.07012")
class NasNet(BlockSpace):
    """Two cells of five blocks: (6! · 13^5)^4 · 2^10 pairs, about 5e36.

    A block picks two states and an operation on each, and adds or concatenates the results
    (section 3). States 0 and 1 are h[k-2] and h[k-1], the outputs of the two cells before; in a
    reduction cell what reads them has stride 2. What no block reads is concatenated. Where
    channels do not fit, a 1x1 convolution stands: so behind a block that concatenates.

    The paper calls a network ``N @ F``: N normal cells per stage, F channels at the end, which
    ``label`` gives. NASNet-A at the default sizes is 6 @ 768 with 3,346,538 parameters (3.3M).
    With ``channels=44, cells=4, stem_multiplier=1, imagenet_stem=True, classes=1000,
    input_shape=(3, 224, 224)`` it is 4 @ 1056: 5,289,978 (5.3M) and 564 million MACs; with
    ``channels=168, cells=6, imagenet_stem=True, classes=1000, input_shape=(3, 331, 331)``
    6 @ 4032: 88,753,150 and 23.8 billion. The 88.9M of the paper include 196,668 averages and
    variances of normalisations.

    Deviations: in released NASNet-A, normal cells concatenate h[k-2] and reduction cells
    the second block, though other blocks read them; the published counts are those of
    that network, so ``concat`` is ``"released"`` by default. Released 6 @ 4032 reads one cell
    further back after a reduction, at the same cost. Published counts of three other networks
    are not those of this wiring: 7 @ 2304 has 32.6M here, published are 27.6M (six cells per stage
    would have 28.2M); 7 @ 1920 has 24.6M, 22.6M; 5 @ 1536 (in the paper 1538) has 12.3M, 10.9M.
    The dilated convolution is separable; no code for it was released. No drop-path, and none of the
    normalisations that NASNet-B and C may choose when they combine.

    Args:
        channels: channels of the operations in the first cells; doubled at each reduction.
        cells: normal cells per stage, N; a reduction cell stands between stages.
        stem_multiplier: channels of the stem, in units of ``channels``; for large images, of 32.
        imagenet_stem: a convolution of stride 2 and two reduction cells.
        auxiliary: a second output, from before the second reduction.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.
        blocks: blocks of a cell, B.
        concat: what a cell concatenates: ``released``, ``loose_ends`` for just what no block
            reads, ``all`` for every block, as in NASNet-B.

    Notation: ``Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ...],
    normal_concat=[...], reduce=[...], reduce_concat=[...])``, two pairs per block.
    ``normal_combine=['add', 'concat', ...]`` names how each block joins, if not all add;
    ``_concat`` may be left out.

    Example:
        >>> space = NasNet()
        >>> space.label(space.parse(NasNet.known["nasnet_a"]))
        '6 @ 768'
    """

    channels: int = 32
    cells: int = 6
    concat: str = "released"

    operations = OPS
    combines = ("add", "concat")
    known: ClassVar[Mapping[str, str]] = {
        "nasnet_a": (
            "Genotype(normal=[('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 0), "
            "('sep_conv_3x3', 0), ('avg_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 0), "
            "('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 1)], "
            "reduce=[('sep_conv_5x5', 1), ('sep_conv_7x7', 0), ('max_pool_3x3', 1), "
            "('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 0), ('skip_connect', 3), "
            "('avg_pool_3x3', 2), ('sep_conv_3x3', 2), ('max_pool_3x3', 1)])"
        ),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.concat not in CONCATS:
            raise ConfigError(
                f"{self.name}: concat = {self.concat!r}", f"Choose one of {', '.join(CONCATS)}."
            )

    def concatenated(self, kind: str, blocks: Sequence[Block]) -> tuple[int, ...]:
        """The states that the cell ``kind`` concatenates; see ``concat``."""
        made = range(INPUTS, INPUTS + len(blocks))
        if self.concat == "all":
            return tuple(made)
        also = [i for i in RELEASED[kind] if i < made.stop and self.concat == "released"]
        return tuple(sorted({*super().concatenated(kind, blocks), *also}))

    @property
    def first_concatenated(self) -> int:
        """An input where it is as released."""
        return 0 if self.concat == "released" else INPUTS

    def label(self, architecture: Architecture) -> str:
        """The paper's name of the network's size, ``N @ F``."""
        graph = architecture.graph()
        (before_classifier,) = graph.input_shapes(graph.outputs[0])
        return f"{self.cells} @ {before_classifier.channels}"

    @property
    def layers(self) -> int:
        """Three stages of ``cells``, and the two reductions between them."""
        return 3 * self.cells + 2
