"""What enters the nonlinearities of a network that its output depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from nascout.errors import UnsupportedNetwork
from nascout.score.autograd_graph import ancestors
from nascout.score.gradients import differentiable
from nascout.score.inputs import Inputs, as_leaves, call, each, samples
from nascout.score.nonlinearities import Function, is_relu
from nascout.score.outputs import output_tensors

__all__ = ["live_inputs", "units"]

T = TypeVar("T")


def live_inputs(
    net: nn.Module,
    x: Inputs,
    read: Callable[[Tensor], T],
    *,
    kind: str = "ReLU",
    activation: Callable[[Function, tuple[Any, ...], dict[str, Any]], bool] = is_relu,
    hidden: Callable[[Function, tuple[Any, ...], Any], Tensor | None] = lambda *_: None,
) -> list[T]:
    """What ``read`` makes of the input of every ReLU call that the output depends on, in order.

    It is read as the network runs, once, in train mode, and not kept. What several ReLUs read is
    read once and counts for each.

    Args:
        net: any network; it is left as found.
        x: (n, ...) a batch.
        read: called with every input (n, ...), also of ReLUs that turn out to be dead. It may not
            keep the tensor: a ReLU in place overwrites it.
        kind: what an activation is called in errors.
        activation: of a call's function and arguments: whether it is an activation. Its first
            argument is read.
        hidden: of a call's function, positional arguments and result: an (n, ...) tensor to be
            read, too; None for most calls.

    Raises:
        UnsupportedNetwork: no activation that the output depends on, or one whose input is not a
            batch.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(0))
        >>> live_inputs(net, torch.tensor([[1.0, -1.0], [0.0, 2.0]]), Tensor.tolist)
        [[[1.0, -1.0], [0.0, 2.0]]]
    """
    watch = _Watch(samples(x), read, kind, activation, hidden)
    with differentiable(net), watch, saved_tensors_hooks(lambda _: None, _refuse):
        # Leaves that need gradients build the graph, even if no parameter does; clones, as the
        # network may begin with an operation in place.
        output = call(net, each(torch.clone, as_leaves(x)))
    live = ancestors(output)
    found = [value for value, nodes in watch.found if any(n is None or n in live for n in nodes)]
    if not found:
        raise UnsupportedNetwork(
            f"there is no {kind} that the output depends on",
            f"Score a network with a {kind}, or choose another score (nascout scores).",
        )
    return found


class _Watch(TorchFunctionMode):
    """Collects, per call of an activation, what is read of its input and its autograd nodes."""

    def __init__(
        self,
        batch: int,
        read: Callable[[Tensor], Any],
        kind: str,
        activation: Callable[..., bool],
        hidden: Callable[..., Tensor | None],
    ) -> None:
        super().__init__()
        self.batch, self.read, self.kind = batch, read, kind
        self.activation, self.hidden = activation, hidden
        self.found: list[tuple[Any, list[Node | None]]] = []
        # What was read of tensors that are still alive, and their version then.
        self.known: MutableMapping[Tensor, tuple[int, Any]] = WeakIdKeyDictionary()

    def __torch_function__(
        self,
        func: Function,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self.activation(func, args, kwargs):
            # Before the call: it may overwrite its input.
            value = self._value(args[0] if args else kwargs["input"])
            output = func(*args, **kwargs)
            self.found.append((value, _nodes(output)))
            return output
        output = func(*args, **kwargs)
        state = self.hidden(func, args, output)
        if state is not None:
            self.found.append((self._value(state), _nodes(output)))
        return output

    def _value(self, z: Tensor) -> Any:
        if z.dim() < 2 or z.shape[0] % self.batch:
            raise UnsupportedNetwork(
                f"a {self.kind} works on {tuple(z.shape)}, which is not a batch of {self.batch}",
                "The score needs the batch as the first dimension throughout.",
            )
        version, value = self.known.get(z, (-1, None))
        if version != z._version:
            value = self.read(z.detach())
            self.known[z] = (z._version, value)
        return value


def units(z: Tensor, n: int) -> Tensor:
    """(n, units): what belongs to each of n samples, where a network splits them up or not."""
    return z.reshape(n, -1)


def _nodes(output: Any) -> list[Node | None]:
    """Where the network goes on: in place on a view, from what it is a view of."""
    return [(t if t._base is None else t._base).grad_fn for t in output_tensors(output)]


def _refuse(_: Any) -> Tensor:
    raise RuntimeError("activations are not kept for a backward pass here")
