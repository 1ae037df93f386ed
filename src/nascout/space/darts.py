"""DARTS: cells of four nodes, each the sum of two operations on different earlier nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, Final

from nascout.space.cell_genotype import Block, End
from nascout.space.darts_relaxation import DartsRelaxation
from nascout.space.decision import Choice
from nascout.space.space import space
from nascout.space.two_input_cell_network import Conventions
from nascout.space.two_input_cell_space import TwoInputCellSpace

__all__ = ["Darts"]

OPS: Final = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NODES: Final = range(2, 6)
PARTS: Final = ("inputs", "op1", "op2")
DECISIONS: Final = tuple(
    Choice(f"{kind}{node}_{part}", options)
    for kind in ("normal", "reduce")
    for node in NODES
    for part, options in zip(
        PARTS, (tuple(f"{i},{j}" for i, j in combinations(range(node), 2)), OPS, OPS), strict=True
    )
)


@space("darts", paper="arXiv:1806.09055")
class Darts(TwoInputCellSpace):
    """About 1.1e18 pairs of cells: 180 · 7^8 normal ones and as many that reduce.

    A node adds two operations, which read two different ones of the states before it; 0 and 1
    are h[k-2] and h[k-1], the outputs of the two cells before. The four nodes are concatenated.
    These are the networks that a search ends with (section 2.3), so ``none`` is no operation
    here, though the search weighs it. An identity at a stride is a factorized reduction.

    At the default sizes this is the network of the paper's CIFAR experiments: DARTS_V2 has
    3,349,342 parameters (3.3M), DARTS_V1 3,169,414. With ``channels=48, cells=14, classes=1000,
    imagenet_stem=True, input_shape=(3, 224, 224)`` it is that of the ImageNet experiments:
    4,718,752 (4.7M) and 530 million MACs. The auxiliary head comes on top: the paper does
    not count it.

    Deviations: the paper's table says 3.3M for DARTS_V1 too. It says 574 million MACs for
    ImageNet, and not how they were counted: normalisations, ReLUs and sums give 11 million values
    there, too few for the difference of 44 million. In that network's auxiliary head, the
    released code leaves out the second normalisation, by mistake as it says; here it stands. No
    drop-path, which is part of the training.

    Args:
        channels: channels of the operations in the first cells; doubled at each reduction.
        cells: all of them; number ``cells // 3`` and ``2 * cells // 3`` reduce.
        stem_multiplier: how many times more channels the stem for small images has.
        imagenet_stem: three convolutions of stride 2 instead of one of stride 1.
        auxiliary: a second output, from behind the second reduction.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: ``Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ...],
    normal_concat=[2, 3, 4, 5], reduce=[...], reduce_concat=[2, 3, 4, 5])``, as the released code
    prints it: two pairs per node, in any order. ``_concat`` may be left out.

    Example:
        >>> Darts().parse(Darts.known["darts_v2"]).choices["normal5_op2"]
        'dil_conv_3x3'
    """

    operations: ClassVar[tuple[str, ...]] = OPS
    nodes: ClassVar[range] = NODES
    conventions = Conventions(
        skip="relu_factorized",
        project="always",
        reducing_stem=False,
        auxiliary_after=0,
        final_relu=False,
    )
    known: ClassVar[Mapping[str, str]] = {
        "darts_v1": (
            "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), "
            "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
            "('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
            "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0), "
            "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], "
            "reduce_concat=[2, 3, 4, 5])"
        ),
        "darts_v2": (
            "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
            "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
            "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
            "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
            "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
            "reduce_concat=[2, 3, 4, 5])"
        ),
    }

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """For each node, the pair of states that it reads, and the operation on each."""
        return DECISIONS

    def relaxation(self, partial: int = 1) -> DartsRelaxation:
        """Every operation on every edge, ``none`` among them."""
        return DartsRelaxation(self, partial)

    def concatenated(self, kind: str, blocks: Sequence[Block]) -> tuple[int, ...]:
        """All four nodes."""
        return tuple(NODES)

    def choices_of(self, kind: str, blocks: Sequence[Block]) -> dict[str, str]:
        """The decisions that make these nodes."""
        choices: dict[str, str] = {}
        for node, block in enumerate(blocks, NODES[0]):
            one, other = sorted(block.ends, key=lambda end: end.source)
            values = (f"{one.source},{other.source}", one.op, other.op)
            choices |= {f"{kind}{node}_{part}": v for part, v in zip(PARTS, values, strict=True)}
        return choices

    def blocks_of(self, kind: str, choices: Mapping[str, str | None]) -> tuple[Block, ...]:
        """The nodes that decisions make."""
        blocks = []
        for node in NODES:
            inputs, *ops = (str(choices[f"{kind}{node}_{part}"]) for part in PARTS)
            one, other = map(End, ops, map(int, inputs.split(",")))
            blocks.append(Block((one, other)))
        return tuple(blocks)
