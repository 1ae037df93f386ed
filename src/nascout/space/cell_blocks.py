"""Blocks as NASNet decides them: two earlier states, an operation on each, how to join them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

from nascout.space.cell_genotype import INPUTS, Block, End
from nascout.space.decision import Choice
from nascout.space.two_input_cell_network import Conventions
from nascout.space.two_input_cell_space import TwoInputCellSpace

__all__ = ["NASNET", "BlockSpace"]

#: TF-Slim's networks: the released NASNet and PNASNet.
NASNET: Final = Conventions(
    skip="convolution",
    project="misfits",
    reducing_stem=True,
    auxiliary_after=-1,
    final_relu=True,
)


@dataclass(frozen=True)
class BlockSpace(TwoInputCellSpace):
    """A block picks any two states made before it, the same one twice if it likes.

    Block n makes state n + 2 and is named by it: ``normal2_input1``, ``normal2_op1``,
    ``normal2_input2``, ``normal2_op2`` and, where there is more than one way,
    ``normal2_combine``.

    Args:
        blocks: blocks of a cell.
    """

    blocks: int = 5

    operations: ClassVar[tuple[str, ...]]
    combines: ClassVar[tuple[str, ...]] = ("add",)
    conventions = NASNET

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """Inputs and operations of every block, cell by cell."""
        return tuple(
            choice
            for kind in self.kinds
            for state in self._made
            for choice in self._block(f"{kind}{state}", tuple(map(str, range(state))))
        )

    @property
    def _made(self) -> range:
        return range(INPUTS, INPUTS + self.blocks)

    def _block(self, name: str, states: tuple[str, ...]) -> list[Choice]:
        choices = [
            Choice(f"{name}_{part}{end}", options)
            for end in (1, 2)
            for part, options in (("input", states), ("op", self.operations))
        ]
        if len(self.combines) > 1:
            choices.append(Choice(f"{name}_combine", self.combines))
        return choices

    def choices_of(self, kind: str, blocks: Sequence[Block]) -> dict[str, str]:
        """The decisions that make these blocks."""
        choices = {}
        for state, block in enumerate(blocks, INPUTS):
            for place, end in enumerate(block.ends, 1):
                choices[f"{kind}{state}_input{place}"] = str(end.source)
                choices[f"{kind}{state}_op{place}"] = end.op
            choices[f"{kind}{state}_combine"] = block.combine
        return choices

    def blocks_of(self, kind: str, choices: Mapping[str, str | None]) -> tuple[Block, ...]:
        """The blocks that decisions make."""

        def end(name: str, place: int) -> End:
            return End(str(choices[f"{name}_op{place}"]), int(choices[f"{name}_input{place}"] or 0))

        names = [f"{kind}{state}" for state in self._made]
        return tuple(
            Block((end(name, 1), end(name, 2)), choices.get(f"{name}_combine") or "add")
            for name in names
        )
