"""A training on disk after every epoch: one safetensors file, replaced atomically, no pickle.

Tensors ``model.<name>`` and ``momentum.<name>``; the metadata holds a JSON text with the identity
of the training, the curve and the state of the loss scaler, and a SHA-256 over all of it. Random
state needs no saving: see :mod:`nascout.train.randomness`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from nascout.atomic import write_bytes
from nascout.train.curve import Epoch

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        curve: the epochs that are done.
        scaler: state of the loss scaler (float16 only; otherwise empty).
    """

    curve: tuple[Epoch, ...]
    scaler: dict[str, Any]


def save_checkpoint(
    path: Path,
    identity: Mapping[str, Any],
    state: Checkpoint,
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write ``path`` whole or not at all; its folder is made if it is missing.

    Args:
        path: the file.
        identity: JSON-able; a checkpoint is resumed only under an equal one.
        state: curve and scaler.
        net: whose parameters and buffers are written.
        optimizer: whose momentum buffers are written.
    """
    tensors = _tensors(net, optimizer)
    text = json.dumps(
        {
            "identity": identity,
            "curve": [asdict(epoch) for epoch in state.curve],
            "scaler": state.scaler,
        }
    )
    content = save(dict(tensors), {"training": text, "sha256": _digest(tensors, text)})
    write_bytes(path, content)


def load_checkpoint(
    path: Path, identity: Mapping[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer
) -> Checkpoint | None:
    """Put the state in ``path`` into ``net`` and ``optimizer``.

    Returns:
        What was done so far. None, with nothing touched, where there is no such file, it is
        damaged, or it belongs to another training or network.
    """
    found = _read(path)
    if found is None:
        return None
    tensors, training = found
    try:
        same = training["identity"] == json.loads(json.dumps(identity))
        curve = tuple(Epoch(**epoch) for epoch in training["curve"])
        state = Checkpoint(curve, dict(training["scaler"]))
    except (KeyError, TypeError, ValueError):
        return None
    if not same or not _fits(tensors, net):
        return None
    with torch.no_grad():
        for name, target in net.state_dict().items():
            target.copy_(tensors[f"model.{name}"])
    for name, parameter in net.named_parameters():
        if (momentum := tensors.get(f"momentum.{name}")) is not None:
            optimizer.state[parameter]["momentum_buffer"] = momentum.to(parameter.device)
    return state


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors and JSON of a file whose digest is right."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = metadata["training"]
        if metadata["sha256"] != _digest(tensors, text):
            return None
        training = json.loads(text)
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return (tensors, training) if isinstance(training, dict) else None


def _tensors(net: nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    """Copies on the CPU, so that tied weights may share memory in the network."""
    tensors = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    for name, parameter in net.named_parameters():
        momentum = optimizer.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


def _fits(tensors: Tensors, net: nn.Module) -> bool:
    """Whether the names, shapes and types are those of ``net``."""
    model = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    momentum = {f"momentum.{name}": parameter for name, parameter in net.named_parameters()}
    if not model.keys() <= tensors.keys() <= model.keys() | momentum.keys():
        return False
    wanted = model | momentum
    return all(
        tensor.shape == wanted[name].shape and tensor.dtype == wanted[name].dtype
        for name, tensor in tensors.items()
    )


def _digest(tensors: Tensors, text: str) -> str:
    """SHA-256 over names, shapes, types and bytes of all tensors, and ``text``.

    safetensors notices a file that was cut, but not a bit that changed.
    """
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
