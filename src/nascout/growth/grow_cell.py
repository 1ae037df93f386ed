"""Growing the cell of a recurrent language model: candidates inside its step, at every step."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from torch import Tensor, fx, nn

from nascout.errors import ConfigError, UnsupportedNetwork
from nascout.growth.candidates import MODULE, Candidates, candidate_nodes
from nascout.growth.grow_once import Growth, grow_part
from nascout.growth.method import Method
from nascout.growth.places import Group, groups
from nascout.growth.select import By
from nascout.growth.trace import trace
from nascout.network import Network
from nascout.network.language_model import LanguageModel
from nascout.network.traced_cell import TracedCell

__all__ = ["grow_cell", "trace_cell", "with_cell"]

R = TypeVar("R")


def trace_cell(net: LanguageModel, layer: int = 0) -> fx.GraphModule:
    """One step of a layer's cell, to be looked at, attached to and grown as any traced network.

    Its inputs are x and the states of the step before, its outputs the next states, and its
    places the vectors in between. The model is left alone.

    Args:
        net: a language model.
        layer: which of its layers.

    Raises:
        ConfigError: no such layer.
        UnsupportedNetwork: a cell that shares its weights with others.

    >>> from nascout.growth import places
    >>> from nascout.network.language_model import language_model
    >>> from nascout.space import SPACES
    >>> space = SPACES["darts_rnn"](width=4)
    >>> net = language_model(space.parse(space.known["darts_rnn_v2"]), vocabulary=5)
    >>> cell = trace_cell(net)
    >>> [place.name for place in places(cell)][-2:], len(places(cell)[-1].inputs)
    (['5->8.blend', 'mean'], 48)
    """
    cell = _layer(net, layer)
    if isinstance(cell, TracedCell):
        return copy.deepcopy(cell.net)
    if not isinstance(cell, Network):
        raise UnsupportedNetwork(
            f"the cell of layer {layer} is a {type(cell).__name__}",
            "Build the cell that was found on its own, with language_model(architecture).",
        )
    shapes = [cell.graph.shapes[i] for i in cell.graph.inputs]
    like = next(net.parameters())
    return trace(cell, *(like.new_zeros(2, *shape) for shape in shapes))


def with_cell(net: LanguageModel, cell: fx.GraphModule, layer: int = 0) -> LanguageModel:
    """A copy of ``net`` around ``cell``, which is not copied: who trains the model trains it.

    With candidates in it (:func:`nascout.growth.attach`), they run at every step. A selection
    weight is one number for all steps: its gradient is the sum over time, and the L1 penalty
    counts once per backward pass, however many steps it goes through. (A deep copy of the model
    loses the penalty.) No connection of a candidate is dropped, and none of their random numbers
    are the model's.

    Args:
        net: with a cell of the same inputs and states.
        cell: of :func:`trace_cell`, or what was made of it.
        layer: which of the layers.

    Raises:
        ConfigError: no such layer.
    """
    made = copy.deepcopy(net)
    made.cells[layer] = TracedCell(cell, _layer(net, layer).graph, apart=[MODULE])
    strengths: Counter[str] = Counter()
    for node in candidate_nodes(cell):
        candidates = cell.get_submodule(str(node.target))
        assert isinstance(candidates, Candidates)
        strengths[str(node.all_input_nodes[1].target)] += candidates.l1  # type: ignore[assignment]
        candidates.l1 = 0.0  # once per step would be too often
    for name, l1 in strengths.items():
        omega = cell.get_parameter(name)
        omega.register_hook(partial(_penalised, omega, l1))  # type: ignore[no-untyped-call]
    return made


def _penalised(omega: nn.Parameter, l1: float, gradient: Tensor) -> Tensor:
    return gradient + l1 * omega.detach().sign()


def _layer(net: LanguageModel, layer: int) -> Network | TracedCell:
    if not 0 <= layer < len(net.layers):
        raise ConfigError(f"layer {layer} of {len(net.layers)}", "They count from 0.")
    return net.layers[layer]  # type: ignore[return-value]


def grow_cell(
    parent: LanguageModel,
    train: Callable[[nn.Module], R],
    *,
    layer: int = 0,
    at: Sequence[Group] | None = None,
    operations: Mapping[str, Sequence[str]] | None = None,
    method: str | Method = "petridish",
    by: By = "weight",
    seed: int = 0,
) -> Growth[LanguageModel, R]:
    """Train a language model with candidates in its cell, keep the best, and train the child.

    As :func:`~nascout.growth.grow_once`, of which this is the recurrent case (arXiv:1905.13360,
    section 4.2): the child's cell has more operations in its step, shared by all steps; at birth
    the child computes what its parent computes.

    Args:
        parent: with its weights; left as it is.
        train: trains a language model in place; called twice. For instance
            ``functools.partial(nascout.train.language.fit_language, text=text, recipe=recipe)``.
        layer: whose cell.
        at: groups of :func:`~nascout.growth.groups` of :func:`trace_cell`; by default the last
            place of the step, which may read everything before it. Every candidate runs at every
            step: :func:`~nascout.growth.thinned` makes them fewer.
        operations, method, by, seed: see :func:`~nascout.growth.grow_once`.

    Deviation from the paper: no gate multiplies a candidate's output; its operations are a
    linear map with ReLU, tanh, sigmoid or nothing, normalised.

    Raises:
        AllFailed: no candidate is worth keeping.
        ConfigError: no such layer, or groups that do not fit.
        UnsupportedNetwork: a cell that shares its weights with others.

    >>> import random, torch
    >>> from nascout.growth import thinned
    >>> from nascout.network.language_model import language_model
    >>> from nascout.space import SPACES
    >>> space = SPACES["darts_rnn"](width=4)
    >>> net = language_model(space.parse(space.known["darts_rnn_v2"]), vocabulary=5)
    >>> words = torch.randint(5, (3, 9))
    >>> def train(net):
    ...     loss = nn.functional.cross_entropy(net(words[:, :-1]).mT, words[:, 1:])
    ...     loss.backward()
    ...     torch.optim.SGD(net.parameters(), lr=0.1).step()
    ...     return loss.item()
    >>> at = [thinned(groups(trace_cell(net))[-1], 2, random.Random(0))]
    >>> grown = grow_cell(net, train, at=at)
    >>> grown.additions[0].place, len(grown.additions[0].kept)
    ('mean', 3)
    >>> after = [name for name in grown.child.state_dict() if "growth0" in name]
    >>> len(after) > 0, grown.child(words).shape
    (True, torch.Size([3, 9, 5]))
    """
    cell = trace_cell(parent, layer)
    return grow_part(
        parent,
        cell,
        groups(cell)[-1:] if at is None else at,
        train,
        lambda net, part: with_cell(net, part, layer),
        operations=operations,
        method=method,
        by=by,
        seed=seed,
    )
