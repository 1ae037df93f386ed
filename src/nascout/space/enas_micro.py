"""ENAS micro: the networks that are trained after its search for cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from nascout.errors import ArchitectureError
from nascout.space.architecture import Architecture
from nascout.space.cell_blocks import BlockSpace
from nascout.space.cell_genotype import Block, loose_ends
from nascout.space.space import space
from nascout.space.two_input_cell_network import Conventions

__all__ = ["EnasMicro"]

#: In the order of the released code's numbers.
OPS: Final = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
NUMBERS: Final = 4  # state and operation, twice


@space("enas_micro", paper="arXiv:1802.03268")
class EnasMicro(BlockSpace):
    """Two cells of five blocks: (6! · 5^5)^4, about 2.6e25 pairs.

    A block adds two operations, each on a state made before it (section 2.4). States 0 and 1 are
    h[k-2] and h[k-1], the outputs of the two cells before; in a reduction cell what reads
    them has stride 2. Every state that no block reads is concatenated, an input too. The paper
    counts (5 · 5!)^4, about 1.3e11.

    The network is the fixed one of the released code, in which h[k-1] passes two projections;
    the one of the search projects the concatenation as well.

    At the default sizes, those of the released script, the released cells have 3,894,372
    parameters, and 4,389,220 with the auxiliary head.

    Deviations: the paper has 4.6M parameters, which are those of six normal cells per stage
    (4,587,372), not of the script's five. No drop-path, which is part of the training.

    Args:
        channels: channels of the operations in the first cells; doubled at each reduction.
        cells: normal cells per stage; a reduction cell stands between stages.
        stem_multiplier: how many times more channels the stem for small images has.
        imagenet_stem: three convolutions of stride 2, as in DARTS; ENAS itself has none.
        auxiliary: a second output, from behind the cell after the second reduction.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.
        blocks: blocks of a cell.

    Notation: the released code's numbers, four per block: state, operation, state, operation;
    first those of the normal cell. Operations are 0 sep_conv_3x3, 1 sep_conv_5x5,
    2 avg_pool_3x3, 3 max_pool_3x3, 4 skip_connect.

    Example:
        >>> EnasMicro().parse(EnasMicro.known["enas_micro"]).choices["normal2_op1"]
        'avg_pool_3x3'
    """

    channels: int = 36
    cells: int = 5

    operations = OPS
    conventions = Conventions(
        skip="factorized",
        project="misfits_twice",
        reducing_stem=False,
        auxiliary_after=1,
        final_relu=True,
        final_bias=False,
    )
    known: ClassVar[Mapping[str, str]] = {
        "enas_micro": (
            "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
        ),
    }

    @property
    def layers(self) -> int:
        """Three stages of ``cells``, and the two reductions between them."""
        return 3 * self.cells + 2

    def concatenated(self, kind: str, blocks: Sequence[Block]) -> tuple[int, ...]:
        """The states that no block reads, an input among them if so."""
        return loose_ends(blocks)

    @property
    def first_concatenated(self) -> int:
        """An input, which a cell may leave unread."""
        return 0

    def parse(self, text: str) -> Architecture:
        """Read the released code's numbers.

        Raises:
            ArchitectureError: something else than four numbers per block, or a state that is not
                made yet.
        """
        length = NUMBERS * self.blocks
        count = length * len(self.kinds)
        words = text.split()
        if len(words) != count or not all(re.fullmatch(r"\d{1,3}", w, re.ASCII) for w in words):
            raise ArchitectureError(
                f"malformed architecture {text[:200]!r}",
                f"Write {count} numbers, such as {self.known['enas_micro']}",
            )
        named = dict(enumerate(OPS))
        numbers = [int(word) for word in words]
        pairs = [
            (named.get(op, str(op)), state)
            for state, op in zip(numbers[::2], numbers[1::2], strict=True)
        ]
        half = len(pairs) // len(self.kinds)
        return self.from_genotype({"normal": pairs[:half], "reduce": pairs[half:]})

    def format(self, architecture: Architecture) -> str:
        """The released code's numbers."""
        return " ".join(
            f"{end.source} {OPS.index(end.op)}"
            for cell in self.genotype(architecture).values()
            for block in cell.blocks
            for end in block.ends
        )
