"""Dropout before the classifier of a network that was built without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn
from torch.nn import functional

from nascout.train.drop_path import networks

__all__ = ["dropping_features"]


@contextmanager
def dropping_features(net: nn.Module, rate: float) -> Iterator[None]:
    """Meanwhile, in training mode, a share of what the last layer reads is zeroed.

    The rest is divided by ``1 - rate``. The last layer is the module of the first output: the
    classifier, not that of an auxiliary head.

    Raises:
        UnsupportedNetwork: a network that has no graph to find the layer in.
    """

    def hook(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return tuple(functional.dropout(x, rate, module.training) for x in inputs)

    with ExitStack() as stack:
        for part in networks(net, "dropout") if rate else ():
            last = part.node_modules()[part.graph.outputs[0]]
            if last is not None:
                stack.callback(last.register_forward_pre_hook(hook).remove)
        yield
