"""Following channels through the calls of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from nascout.errors import UnsupportedNetwork
from nascout.score.unit_steps import Operation, Select, Step

__all__ = ["Call", "Followed", "Trail", "spread"]


class Followed(NamedTuple):
    """What a tensor holds: channels of a step.

    ``channel``, of the tensor's shape, says for every element which one; -1 says zero. Whatever
    moves elements about moves these numbers alike, so channels stay known.
    """

    step: int
    channel: Tensor


class Call(NamedTuple):
    """A function's call; ``read`` are the followed tensors among its arguments, in order."""

    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    read: tuple[Followed, ...]

    def unsupported(self, why: str) -> UnsupportedNetwork:
        """The error for a call that the unit graph cannot read."""
        return UnsupportedNetwork(
            f"the unit graph cannot follow channels through {self.name}: {why}",
            "It knows convolutions and linear layers, pooling, normalisation, activations, sums, "
            "products, concatenation, and what only moves elements.",
        )

    def only(self) -> Followed:
        """The one followed tensor that is read."""
        if len(set(map(id, self.read))) != 1:
            raise self.unsupported("it reads several tensors that depend on the input")
        return self.read[0]


class Trail:
    """The steps so far, what every tensor holds, and the weights of layers by name.

    ``names`` gives the name of a weight by its identity.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self.steps: list[Step] = []
        self.weights: dict[str, Tensor] = {}
        self.known: MutableMapping[Tensor, Followed] = WeakTensorKeyDictionary()
        self._widths: list[int] = []
        self._names = names

    def add(self, operation: Operation, *inputs: int, width: int | None = None) -> int:
        """Append a step; its ``width`` in channels is that of what it reads, unless given."""
        self.steps.append(Step(operation, inputs))
        self._widths.append(self._widths[inputs[0]] if width is None else width)
        return len(self.steps) - 1

    def width(self, step: int) -> int:
        """Channels that a step gives."""
        return self._widths[step]

    def name(self, weight: Tensor) -> str:
        """The weight's own name; for one that is computed, its place in the order of calls."""
        name = self._names.get(id(weight), f"weight {len(self.steps)}")
        self.weights[name] = weight
        return name

    def select(self, step: int, index: Tensor) -> int:
        """A step whose channel c is channel ``index[c]`` of ``step``."""
        if index.tolist() == list(range(self.width(step))):
            return step
        return self.add(Select(index.numpy()), step, width=len(index))


def spread(index: Tensor, shape: Sequence[int], axis: int = 1) -> Tensor:
    """(shape) where element ``index[c]`` stands wherever position c along ``axis`` is.

    >>> import torch
    >>> spread(torch.arange(2), (1, 2, 3)).tolist()
    [[[0, 0, 0], [1, 1, 1]]]
    """
    sizes = [1] * len(shape)
    sizes[axis] = -1
    return index.view(sizes).expand(tuple(shape))
