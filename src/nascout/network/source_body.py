"""The body of one generated module: attributes for its layers, statements for its wiring."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from nascout.network.source_layout import COLUMNS, layout
from nascout.network.source_names import ATTRIBUTES, WORDS, Names, identifier
from nascout.network.source_ops import Formula, Layer

__all__ = ["Body", "Part", "write_body"]

INDENT = 8


@dataclass(frozen=True)
class Part:
    """One value of a body: its number, its key, the values it reads and the code that makes it."""

    value: int
    key: str
    inputs: tuple[int, ...]
    code: Layer | Formula

    @property
    def scope(self) -> str:
        """The key without its last component."""
        return self.key.rpartition("/")[0]


@dataclass(frozen=True)
class Body:
    """``init`` and ``forward`` are lines; ``paths`` says where each value's module hangs."""

    init: list[str]
    forward: list[str]
    paths: dict[int, str]


@dataclass(frozen=True)
class _Step:
    """One evaluation: a formula, or a chain of layers under one attribute."""

    value: int
    inputs: tuple[int, ...]
    name: str
    formula: Formula | None


def write_body(
    parts: Sequence[Part], arguments: Mapping[int, str], outputs: tuple[int, ...]
) -> Body:
    """Print ``parts``, which are in topological order, as the inside of a module.

    Args:
        parts: what is computed.
        arguments: the names of the values that ``forward`` is given.
        outputs: the values it returns.
    """
    attributes = Names(ATTRIBUTES)
    in_scope = Counter(part.scope for part in parts)
    init: list[str] = []
    steps: list[_Step] = []
    paths: dict[int, str] = {}
    for chain in _chains(parts, outputs):
        first, last = chain[0], chain[-1]
        whole = len(chain) > 1 or (first.scope and in_scope[first.scope] == 1)
        name = identifier((first.scope or "layers") if whole else first.key)
        if isinstance(first.code, Formula):
            steps.append(_Step(last.value, first.inputs, identifier(first.key), first.code))
            continue
        name = attributes.fresh(name)
        modules: list[str] = []
        for part in chain:
            paths[part.value] = f"{name}.{len(modules)}"
            modules += part.code.modules if isinstance(part.code, Layer) else ()
        if len(modules) == 1:
            paths[first.value] = name
        init += layout(f"self.{name} = ", _sequential(modules), INDENT)
        steps.append(_Step(last.value, first.inputs, name, None))
    return Body(init, _forward(steps, arguments, outputs), paths)


def _chains(parts: Sequence[Part], outputs: tuple[int, ...]) -> list[list[Part]]:
    """Runs of layers of one scope, each read by the next alone; every other part by itself."""
    reads = Counter([i for part in parts for i in part.inputs] + list(outputs))
    chains: list[list[Part]] = []
    ending_in: dict[int, list[Part]] = {}
    for part in parts:
        chain = ending_in.get(part.inputs[0]) if len(part.inputs) == 1 else None
        if (
            chain is not None
            and isinstance(part.code, Layer)
            and chain[-1].scope == part.scope
            and reads[chain[-1].value] == 1
        ):
            chain.append(part)
        else:
            chain = [part]
            chains.append(chain)
        # Only what takes one value and gives one fits into nn.Sequential.
        if isinstance(part.code, Layer) and len(chain[0].inputs) == 1:
            ending_in[part.value] = chain
    return chains


def _sequential(modules: Sequence[str]) -> str:
    if len(modules) == 1:
        return modules[0]
    arguments: list[str] = []
    for module, group in groupby(modules):
        times = len(list(group))
        short = [f"*({module} for _ in range({times}))"]
        arguments += short if times > 2 else [module] * times
    return f"nn.Sequential({', '.join(arguments)})"


def _forward(
    steps: Sequence[_Step], arguments: Mapping[int, str], outputs: tuple[int, ...]
) -> list[str]:
    """One statement per step, except that terms of a sum or a concatenation stand inside it."""
    home = _homes(steps, outputs)
    last_read: dict[int, int] = {}
    for n, step in enumerate(steps):
        for i in step.inputs:
            last_read[i] = max(home[n], last_read.get(i, 0))
    names = Names({*WORDS, *arguments.values()})
    text = dict(arguments)
    lines: list[str] = []
    for n, step in enumerate(steps):
        operands = [text[i] for i in step.inputs]
        if step.formula is None:
            expression = f"self.{step.name}({', '.join(operands)})"
        else:
            expression = _fill(step.formula, operands)
        if home[n] != n and len(expression) < COLUMNS // 2:
            text[step.value] = expression
            continue
        if n == len(steps) - 1 and outputs == (step.value,):
            return [*lines, *layout("return ", expression, INDENT)]
        source = step.inputs[0]
        # x = self.stem(x): an argument's name goes on to what replaces it.
        if (
            len(step.inputs) == 1
            and operands[0] in arguments.values()
            and last_read[source] == n
            and source not in outputs
        ):
            target = operands[0]
        else:
            target = names.fresh(step.name)
        lines += layout(f"{target} = ", expression, INDENT)
        text[step.value] = target
    return [*lines, *layout("return ", ", ".join(text[i] for i in outputs), INDENT)]


def _homes(steps: Sequence[_Step], outputs: tuple[int, ...]) -> list[int]:
    """Per step, the step in whose statement it is written: its only reader if that joins values."""
    readers: dict[int, list[int]] = {}
    for n, step in enumerate(steps):
        for i in step.inputs:
            readers.setdefault(i, []).append(n)
    home = list(range(len(steps)))
    for n, step in reversed(list(enumerate(steps))):
        by = readers.get(step.value, [])
        if len(by) == 1 and step.value not in outputs:
            reader = steps[by[0]]
            if reader.formula is not None and _joins(reader.formula, len(reader.inputs)):
                home[n] = home[by[0]]
    return home


def _joins(formula: Formula, operands: int) -> bool:
    """Whether it reads several operands, each once, so that a call may stand in their place."""
    holes = _holes(operands)
    tree = ast.parse(formula.text(*holes), mode="eval")
    named = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return operands > 1 and all(named[hole] == 1 for hole in holes)


def _holes(operands: int) -> list[str]:
    return [f"_{n}" for n in range(operands)]


class _Fill(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Put the operand in the place of its hole."""
        return self.values.get(node.id, node)


def _fill(formula: Formula, operands: Sequence[str]) -> str:
    """The formula on these operands, with parentheses exactly where they are needed."""
    holes = _holes(len(operands))
    parsed = [ast.parse(operand, mode="eval").body for operand in operands]
    tree = ast.parse(formula.text(*holes), mode="eval").body
    return ast.unparse(_Fill(dict(zip(holes, parsed, strict=True))).visit(tree))
