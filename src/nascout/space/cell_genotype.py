"""A cell of blocks as data, and the notation ``Genotype(normal=[...], ...)`` of such cells."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from nascout.errors import ArchitectureError

__all__ = [
    "Block",
    "Cell",
    "End",
    "blocks_of",
    "colours",
    "format_genotype",
    "loose_ends",
    "read_genotype",
]

INPUTS = 2
EXAMPLE = "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ...], normal_concat=[2, ...])"


class End(NamedTuple):
    """An operation, and the state that it reads."""

    op: str
    source: int


class Block(NamedTuple):
    """Two operations, and whether their results are added or concatenated."""

    ends: tuple[End, End]
    combine: str = "add"


class Cell(NamedTuple):
    """Blocks, and the states that make the cell's output.

    States 0 and 1 are the cell's inputs, h[k-2] and h[k-1]; block n makes state n + 2.
    """

    blocks: tuple[Block, ...]
    concat: tuple[int, ...]


def loose_ends(blocks: Sequence[Block]) -> tuple[int, ...]:
    """The states, inputs among them, that no block reads."""
    read = {end.source for block in blocks for end in block.ends}
    return tuple(state for state in range(INPUTS + len(blocks)) if state not in read)


def blocks_of(
    pairs: Sequence[tuple[str, int]], combines: Sequence[str] | None = None
) -> tuple[Block, ...]:
    """Blocks from ``(operation, state)`` pairs, two to a block.

    Raises:
        ArchitectureError: an odd number of pairs, something else than pairs, or not one of
            ``combines`` per block.
    """
    try:
        ends = [End(str(op), int(source)) for op, source in pairs]
        blocks = tuple(zip(ends[::2], ends[1::2], strict=True))
        joins = combines or ["add"] * len(blocks)
        return tuple(Block(*both) for both in zip(blocks, map(str, joins), strict=True))
    except (TypeError, ValueError):
        raise ArchitectureError(
            f"{pairs!r} are no blocks", "Give pairs of an operation and a state, two to a block."
        ) from None


def format_genotype(cells: Mapping[str, Cell]) -> str:
    """``Genotype(...)`` as DARTS prints it; ``_combine`` is written where a block concatenates."""
    parts = []
    for kind, cell in cells.items():
        parts.append(f"{kind}={[tuple(end) for block in cell.blocks for end in block.ends]}")
        combines = [block.combine for block in cell.blocks]
        if set(combines) != {"add"}:
            parts.append(f"{kind}_combine={combines}")
        parts.append(f"{kind}_concat={list(cell.concat)}")
    return f"Genotype({', '.join(parts)})"


def read_genotype(text: str) -> dict[str, Any]:
    """The keywords of a text ``Genotype(...)``; a list may be written ``range(2, 6)``.

    Raises:
        ArchitectureError: text of another form.

    >>> read_genotype("Genotype(normal=[('skip_connect', 0)], normal_concat=range(2, 4))")
    {'normal': [('skip_connect', 0)], 'normal_concat': [2, 3]}
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "Genotype" or call.args:
            raise ValueError(text)
        parts = {str(keyword.arg): _literal(keyword.value) for keyword in call.keywords}
        if len(parts) < len(call.keywords):
            raise ValueError(text)
        return parts
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise ArchitectureError(
            f"malformed architecture {text[:200]!r}", f"Write it like {EXAMPLE}"
        ) from None


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "range":
        start, stop = (ast.literal_eval(argument) for argument in node.args)
        return list(range(start, min(stop, start + 100)))
    return ast.literal_eval(node)


@cache
def colours(cell: Cell) -> tuple[str, ...]:
    """A text per state, the same for states in the same place of cells that are the same.

    The numbering of blocks and the order of a block's ends do not count: a state's colour comes
    from what it is made of, and then from what is made of it.
    """
    made = [str(state) for state in range(INPUTS)]
    for block in cell.blocks:
        made.append(_hash(block.combine, *sorted(op + made[source] for op, source in block.ends)))
    shown = [_hash(colour, str(state in cell.concat)) for state, colour in enumerate(made)]
    for state in reversed(range(len(shown))):
        readers = [
            op + shown[reader]
            for reader, block in enumerate(cell.blocks, INPUTS)
            for op, source in block.ends
            if source == state
        ]
        shown[state] = _hash(shown[state], *sorted(readers))
    return tuple(shown)


def _hash(*parts: str) -> str:
    return blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
