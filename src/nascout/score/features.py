"""The features of a network: what enters its global pooling, or else its last linear layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from nascout.errors import UnsupportedNetwork
from nascout.score.inputs import Inputs, call

__all__ = ["Features", "features"]

MEANS: Final[frozenset[Callable[..., Any]]] = frozenset([Tensor.mean, torch.mean])
POOLS: Final = MEANS | frozenset(
    [
        *(F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
        *(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d),
    ]
)


@dataclass(frozen=True)
class Features:
    """``map`` (n, ...) and the running variances of the batch normalisations before it."""

    map: Tensor
    running_variances: tuple[Tensor, ...]


def features(net: nn.Module, x: Inputs) -> Features:
    """Run the network once and keep its features.

    They are the input of the last call that takes (n, channels, ...) to one value per channel: an
    adaptive average pooling to size one, one of the map's size, or a mean. Without one, they
    are the input of the last linear layer, as in a transformer. The running variances are those of
    every batch normalisation called before, each once, as the run leaves them.

    Raises:
        UnsupportedNetwork: neither, or a batch normalisation without running statistics.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
        >>> features(net, torch.ones(5, 3, 8, 8)).map.shape
        torch.Size([5, 3, 8, 8])
    """
    watch = _Watch()
    with watch:
        call(net, x)
    found = watch.pooled or watch.multiplied
    if found is None:
        raise UnsupportedNetwork(
            "no features are found: neither a global pooling nor a linear layer",
            "Score a classifier, or choose another score (nascout scores).",
        )
    return found


class _Watch(TorchFunctionMode):
    """Keeps what the last global pooling and the last linear layer got."""

    def __init__(self) -> None:
        super().__init__()
        self.variances: dict[int, Tensor] = {}
        self.pooled: Features | None = None
        self.multiplied: Features | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func is F.batch_norm:
            self._normalised(args[2] if len(args) > 2 else kwargs.get("running_var"))
        elif func is F.linear:
            self.multiplied = self._features(args, kwargs)
        elif func in POOLS and _is_global(func, args[0] if args else kwargs["input"], output):
            self.pooled = self._features(args, kwargs)
        return output

    def _normalised(self, variance: Tensor | None) -> None:
        if variance is None:
            raise UnsupportedNetwork(
                "a batch normalisation keeps no running variance, which the score reads",
                "Build it with track_running_stats=True.",
            )
        self.variances[id(variance)] = variance

    def _features(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Features:
        z = args[0] if args else kwargs["input"]
        return Features(z, tuple(self.variances.values()))


def _is_global(func: Callable[..., Any], z: Tensor, output: Any) -> bool:
    """Whether one value is left per sample and channel."""
    if not isinstance(output, Tensor) or z.dim() < 3 or output.shape[:2] != z.shape[:2]:
        return False
    # (n, tokens, 1) of (n, tokens, features) is a layer normalisation's mean.
    kept = z.dim() == 3 and output.dim() == 3 and func in MEANS
    return output.numel() == z.shape[0] * z.shape[1] and not kept
