"""One cell that reads the two cells before it: projections, blocks, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from nascout.graph import Builder
from nascout.graph.cuts import Blank
from nascout.graph.ops import Zero
from nascout.space.cell_genotype import INPUTS, Cell, End, colours
from nascout.space.cell_ops import factorized_reduction, operation
from nascout.space.conv_block import conv_bn
from nascout.space.skeleton import relu_conv_bn

__all__ = ["Project", "Skip", "State", "cell_inputs", "cell_output"]

Project = Literal["always", "misfits", "misfits_twice"]
Skip = Literal["convolution", "factorized", "relu_factorized"]


class State(NamedTuple):
    """A node, its channels, and how often the resolution was halved before it."""

    node: int
    channels: int
    halvings: int


def cell_inputs(
    g: Builder, before: State | None, x: State, width: int, project: Project, key: str
) -> list[State]:
    """States 0 and 1 of a cell of ``width`` channels: h[k-2] and h[k-1], made to fit.

    h[k-1] is projected by ReLU, 1x1 convolution and normalisation. h[k-2] is brought to the
    resolution of h[k-1] by a factorized reduction, or else projected too. Without an h[k-2],
    state 0 is h[k-1] as it comes.

    Args:
        g: the graph that grows.
        before: h[k-2], if there is one.
        x: h[k-1].
        width: channels of the cell.
        project: ``always``; ``misfits``: h[k-2] only where its channels are not ``width``, as in
            TF-Slim; ``misfits_twice``: h[k-1] there a second time, as in ENAS.
        key: prefix of the nodes' keys.
    """
    ops = relu_conv_bn(width, 1)
    node = x.node
    if project == "misfits_twice" and x.channels != width:
        node = g.chain(ops, node, key=f"{key}/fit1")
    last = State(g.chain(ops, node, key=f"{key}/input1"), width, x.halvings)
    if before is None:
        return [x, last]
    node = before.node
    if before.halvings != x.halvings:
        node = factorized_reduction(g, node, width, f"{key}/input0")
    elif project == "always" or before.channels != width:
        node = g.chain(ops, node, key=f"{key}/input0")
    return [State(node, width, x.halvings), last]


def cell_output(
    g: Builder,
    cell: Cell,
    inputs: Sequence[State],
    width: int,
    stride: int,
    skip: Skip,
    key: str,
    places: Sequence[int] = (),
) -> State:
    """The blocks on top of the cell's ``inputs``, and the concatenation of what it gives.

    Operations that read an input have the ``stride``. An input that is concatenated is brought
    to the width and the resolution of the blocks, without a ReLU. What is concatenated stands in
    an order that does not depend on how the blocks are numbered.

    Args:
        g: the graph that grows.
        cell: the blocks.
        inputs: states 0 and 1.
        width: channels of every operation.
        stride: 1, or 2 in a reduction cell.
        skip: what an identity at a stride becomes: a ``convolution`` (ReLU, 1x1 of that stride,
            normalisation) or a factorized reduction, with or without a ReLU.
        key: prefix of the nodes' keys.
        places: states that are concatenated in this order, with zeros for those that the cell
            does not; by default those that it does. With them blocks keep the order of their ends.
    """
    states = list(inputs)
    colour = colours(cell)
    halvings = inputs[-1].halvings + (stride > 1)
    for target, block in enumerate(cell.blocks, INPUTS):
        by_colour = sorted(block.ends, key=lambda end: (colour[end.source], end))
        nodes = [
            _edge(g, end, states, width, stride, skip, f"{key}/{end.source}->{target}/{end.op}")
            for end in (block.ends if places else by_colour)
        ]
        join, times = (g.add, 1) if block.combine == "add" else (g.concat, len(nodes))
        node = join(*nodes, key=f"{key}/{target}/{block.combine}")
        states.append(State(node, times * width, halvings))
    given = [
        (_fitted if i in cell.concat else _absent)(
            g, states, i, width, halvings, f"{key}/{i}->concat"
        )
        for i in places or sorted(cell.concat, key=lambda state: (colour[state], state))
    ]
    node = g.concat(*(state.node for state in given), key=f"{key}/concat")
    return State(node, sum(state.channels for state in given), halvings)


def _edge(
    g: Builder, end: End, states: Sequence[State], width: int, stride: int, skip: Skip, key: str
) -> int:
    node, channels, _ = states[end.source]
    step = stride if end.source < INPUTS else 1
    if end.op == "skip_connect" and step > 1 and skip != "convolution":
        return factorized_reduction(g, node, width, key, relu=skip == "relu_factorized")
    return g.chain(operation(end.op, channels, width, step), node, key)


def _fitted(
    g: Builder, states: Sequence[State], index: int, width: int, halvings: int, key: str
) -> State:
    state = states[index]
    if index >= INPUTS or state[1:] == (width, halvings):
        return state
    if state.halvings != halvings:
        node = factorized_reduction(g, state.node, width, key, relu=False)
    else:
        node = g.chain(conv_bn(width, activation=None), state.node, key)
    return State(node, width, halvings)


def _absent(
    g: Builder, states: Sequence[State], index: int, width: int, halvings: int, key: str
) -> State:
    node, channels, before = states[index]
    if index >= INPUTS:
        return State(g.node(Zero(), node, key=f"{key}/zero"), channels, halvings)
    zeros = Blank(width, 2 ** (halvings - before))
    return State(g.node(zeros, node, key=f"{key}/zero"), width, halvings)
