"""The user's own training in place of ours: ``evaluate(model, budget) -> dict``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from nascout.errors import ConfigError
from nascout.network import Network
from nascout.train import Diverged

__all__ = ["OwnLoop", "own_name", "own_values"]

#: Trains a model for so many epochs, or whatever a unit of budget is, and says how good it is.
OwnLoop = Callable[[nn.Module, int], Mapping[str, Any]]


def own_values(own: OwnLoop, net: Network, stage: str, budget: int) -> dict[str, float]:
    """What ``own`` measures, under the names of the stage.

    ``val_accuracy`` guides a search; of the final training it is ``retrained_val_accuracy``. A
    ``test_accuracy`` is kept of the final training only, so that no search can choose by it. All
    else keeps its name.

    Raises:
        ConfigError: no ``val_accuracy``, or a value that is no number.
        Diverged: a value that is NaN or infinite.
    """
    found = own(net, budget)
    if not isinstance(found, Mapping) or "val_accuracy" not in found:
        raise ConfigError(
            f"{own_name(own)} gave {found!r}", "Return a dict with at least 'val_accuracy'."
        )
    values: dict[str, float] = {}
    for name, value in found.items():
        try:
            values[name] = float(value)
        except (TypeError, ValueError):
            raise ConfigError(
                f"{own_name(own)} gave {name} = {value!r}", "Return numbers."
            ) from None
        if not math.isfinite(values[name]):
            raise Diverged(f"{own_name(own)} gave {name} = {value}", "Train more carefully.")
    if stage == "retrain":
        values["retrained_val_accuracy"] = values.pop("val_accuracy")
    else:
        values.pop("test_accuracy", None)
    return values


def own_name(own: Any) -> str:
    """How the function is called in messages and in the store."""
    kind = own if hasattr(own, "__qualname__") else type(own)
    return f"{kind.__module__}.{kind.__qualname__}"
