"""A training on disk: tensors and where it stands, in one file.

Tensors ``model.<name>``, ``optimizer.<slot>.<name of the parameter>`` and, of a moving average of
the weights, ``average.<name>``, beside the identity of the training (see
:mod:`nascout.train.tensor_file`). Random state needs no saving: see
:mod:`nascout.train.randomness`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nascout.train.curve import Epoch
from nascout.train.tensor_file import Tensors, read_tensors, write_tensors

__all__ = ["Checkpoint", "Holders", "load_checkpoint", "save_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        curve: the epochs that are done.
        step: steps that are done in the epoch after them.
        loss_sum: of the images of these steps.
        seconds: that these steps took.
        scaler: state of the loss scaler (float16 only; otherwise empty).
    """

    curve: tuple[Epoch, ...] = ()
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = field(default=0.0, compare=False)
    scaler: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Holders:
    """What holds the tensors of a training; ``average`` is a copy of ``net``, or None."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None = None

    def states(self) -> dict[str, torch.Tensor]:
        """The live tensors of the network and its average, by the names they have on disk."""
        found = {f"model.{name}": tensor for name, tensor in self.net.state_dict().items()}
        if self.average is not None:
            state = self.average.state_dict()
            found |= {f"average.{name}": tensor for name, tensor in state.items()}
        return found

    def slots(self) -> dict[str, torch.Tensor]:
        """The live tensors of the optimiser."""
        return {
            f"optimizer.{slot}.{name}": value
            for name, parameter in self.net.named_parameters()
            for slot, value in self.optimizer.state.get(parameter, {}).items()
            if isinstance(value, torch.Tensor)
        }


def save_checkpoint(
    path: Path, identity: Mapping[str, Any], state: Checkpoint, holders: Holders
) -> None:
    """Write ``path`` whole or not at all; its folder is made if it is missing.

    Args:
        path: the file.
        identity: JSON-able; a checkpoint is resumed only under an equal one.
        state: where the training stands.
        holders: whose tensors are written.
    """
    tensors = holders.states() | holders.slots()
    write_tensors(path, tensors, {"identity": identity, "state": asdict(state)})


def load_checkpoint(path: Path, identity: Mapping[str, Any], holders: Holders) -> Checkpoint | None:
    """Put what is in ``path`` into ``holders``.

    Returns:
        Where the training stands. None, with nothing touched, where there is no such file, it is
        damaged, or it belongs to another training or network.
    """
    found = read_tensors(path)
    if found is None:
        return None
    tensors, training = found
    try:
        same = training["identity"] == json.loads(json.dumps(identity))
        content = dict(training["state"])
        curve = tuple(Epoch(**epoch) for epoch in content.pop("curve"))
        state = Checkpoint(curve, **content)
    except (KeyError, TypeError, ValueError):
        return None
    if not same or not _fits(tensors, holders):
        return None
    with torch.no_grad():
        for name, target in holders.states().items():
            target.copy_(tensors[name])
    for slot, name, value in _slots(tensors):
        parameter = dict(holders.net.named_parameters())[name]
        # Counters of steps stay on the CPU, where the optimisers make them.
        device = parameter.device if value.ndim else value.device
        holders.optimizer.state[parameter][slot] = value.to(device)
    return state


def _slots(tensors: Tensors) -> list[tuple[str, str, torch.Tensor]]:
    """Slot, parameter and value of everything that is the optimiser's."""
    return [
        (*name.removeprefix("optimizer.").split(".", 1), tensor)  # type: ignore[misc]
        for name, tensor in tensors.items()
        if name.startswith("optimizer.")
    ]


def _fits(tensors: Tensors, holders: Holders) -> bool:
    """Whether the names, shapes and types are those of ``holders``."""
    wanted = holders.states()
    found = {name: t for name, t in tensors.items() if not name.startswith("optimizer.")}
    parameters = dict(holders.net.named_parameters())
    return (
        found.keys() == wanted.keys()
        and all(
            tensor.shape == wanted[name].shape and tensor.dtype == wanted[name].dtype
            for name, tensor in found.items()
        )
        and all(
            name in parameters and value.shape in ((), parameters[name].shape)
            for _, name, value in _slots(tensors)
        )
    )
