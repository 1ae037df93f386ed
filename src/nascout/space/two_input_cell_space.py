"""What the spaces of cells with two inputs share: sizes, notation, graph."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph
from nascout.space.architecture import Architecture
from nascout.space.cell_genotype import (
    INPUTS,
    Block,
    Cell,
    blocks_of,
    format_genotype,
    loose_ends,
    read_genotype,
)
from nascout.space.space import Space
from nascout.space.two_input_cell import State, cell_output
from nascout.space.two_input_cell_network import Conventions, Sizes, cell_network

__all__ = ["TwoInputCellSpace"]


@dataclass(frozen=True)
class TwoInputCellSpace(Space):
    """Cells of blocks; a subclass says which decisions make blocks and what is concatenated.

    Args:
        channels: channels of the operations in the first cells; doubled at each reduction.
        cells: how many; each space says how they are counted.
        stem_multiplier: how many times more channels the stem has.
        imagenet_stem: whether the stem is the one for large images.
        auxiliary: whether the network has the auxiliary head's classes as a second output.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.
    """

    channels: int = 36
    cells: int = 20
    stem_multiplier: int = 3
    imagenet_stem: bool = False
    auxiliary: bool = False
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    conventions: ClassVar[Conventions]
    kinds: ClassVar[tuple[str, ...]] = ("normal", "reduce")

    @property
    def layers(self) -> int:
        """The number of cells, those that reduce among them, without those of the stem."""
        return self.cells

    @abstractmethod
    def choices_of(self, kind: str, blocks: Sequence[Block]) -> dict[str, str]:
        """The decisions that make the ``blocks`` of the cell ``kind``."""

    @abstractmethod
    def blocks_of(self, kind: str, choices: Mapping[str, str | None]) -> tuple[Block, ...]:
        """The blocks that decisions make."""

    def concatenated(self, kind: str, blocks: Sequence[Block]) -> tuple[int, ...]:
        """The states that the cell ``kind`` concatenates: those of blocks that no block reads."""
        return tuple(state for state in loose_ends(blocks) if state >= INPUTS)

    @property
    def first_concatenated(self) -> int:
        """The first state that a cell of this space may concatenate."""
        return INPUTS

    def genotype(self, architecture: Architecture) -> dict[str, Cell]:
        """The cells by their names, ``normal`` and ``reduce``."""
        made = {kind: self.blocks_of(kind, architecture.choices) for kind in self.kinds}
        return {
            kind: Cell(blocks, self.concatenated(kind, blocks)) for kind, blocks in made.items()
        }

    def from_genotype(self, genotype: Mapping[str, Any]) -> Architecture:
        """The architecture of a genotype as data, such as a benchmark's JSON holds.

        Args:
            genotype: ``normal`` and ``reduce``, each a list of (operation, state) pairs, two to a
                block; states 0 and 1 are h[k-2] and h[k-1]. ``normal_concat`` and
                ``reduce_concat`` may be left out, for this space knows them.

        Raises:
            ArchitectureError: a part that is missing, unknown or malformed, operations or states
                that are not of the space, or another concatenation.
        """
        parts = {f"{kind}{part}" for kind in self.kinds for part in ("", "_combine", "_concat")}
        if not set(self.kinds) <= genotype.keys() <= parts:
            raise ArchitectureError(
                f"a genotype of {self.name} of the parts {', '.join(genotype) or 'none'}",
                f"Give {' and '.join(self.kinds)}; beside them may stand "
                f"{', '.join(sorted(parts - set(self.kinds)))}.",
            )
        choices: dict[str, str] = {}
        for kind in self.kinds:
            blocks = blocks_of(genotype[kind], genotype.get(f"{kind}_combine"))
            choices |= self.choices_of(kind, blocks)
        architecture = self.architecture(choices)
        for kind, cell in self.genotype(architecture).items():
            length, states = 2 * len(cell.blocks), list(cell.concat)
            given = genotype.get(f"{kind}_concat", states)
            if len(genotype[kind]) != length or given not in (states, cell.concat):
                raise ArchitectureError(
                    f"{self.name}: a {kind} cell of {len(genotype[kind])} pairs that concatenates "
                    f"{given}",
                    f"In this space it has {length} pairs and concatenates {states}.",
                )
        return architecture

    def graph(self, architecture: Architecture) -> Graph:
        """The cells in their network; see :mod:`nascout.space.two_input_cell_network`.

        Without a cell named ``reduce`` the normal one serves for both.
        """
        return self._network(architecture, by_state=False)

    def shared_graph(self, architecture: Architecture) -> Graph:
        """The same network, but what a cell concatenates stands in the order of its states.

        States that a cell does not concatenate are zeros there, so that what reads a cell has the
        same weights for a state in all architectures, as in ENAS's released code.
        """
        return self._network(architecture, by_state=True)

    def _network(self, architecture: Architecture, *, by_state: bool) -> Graph:
        cells = self.genotype(architecture)

        def cell(g: Builder, inputs: Sequence[State], width: int, stride: int, key: str) -> State:
            chosen = cells[self.kinds[-1] if stride > 1 else self.kinds[0]]
            last = INPUTS + len(chosen.blocks)
            places = range(self.first_concatenated, last) if by_state else ()
            skip = self.conventions.skip
            return cell_output(g, chosen, inputs, width, stride, skip, key, places)

        return cell_network(cell, self.conventions, self.sizes)

    @property
    def sizes(self) -> Sizes:
        """What the network around the cells needs to know."""
        return Sizes(
            width=self.channels,
            layers=self.layers,
            stem_multiplier=self.stem_multiplier,
            imagenet_stem=self.imagenet_stem,
            auxiliary=self.auxiliary,
            classes=self.classes,
            input_shape=self.input_shape,
        )

    def picture(self, architecture: Architecture) -> Graph:
        """The cells side by side, from their two inputs on."""
        g = Builder()
        shape = (self.channels, *self.input_shape[1:])
        inputs = [State(g.input(shape, key=key), self.channels, 0) for key in ("h[k-2]", "h[k-1]")]
        outputs = []
        for kind, cell in self.genotype(architecture).items():
            stride = 1 if kind == "normal" else 2
            skip = self.conventions.skip
            outputs.append(cell_output(g, cell, inputs, self.channels, stride, skip, kind).node)
        return g.graph(*outputs)

    def parse(self, text: str) -> Architecture:
        """Read ``Genotype(normal=[...], ...)``; see :meth:`from_genotype`.

        Raises:
            ArchitectureError: text of another form, or a genotype that is not of the space.
        """
        return self.from_genotype(read_genotype(text))

    def format(self, architecture: Architecture) -> str:
        """``Genotype(normal=[...], normal_concat=[...], ...)`` as DARTS prints it."""
        return format_genotype(self.genotype(architecture))
