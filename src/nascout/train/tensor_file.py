"""Tensors and JSON in one safetensors file that is replaced as a whole and notices damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from nascout.atomic import write_bytes

__all__ = ["Tensors", "read_tensors", "write_tensors"]

Tensors = Mapping[str, torch.Tensor]


def write_tensors(path: Path, tensors: Tensors, content: Mapping[str, Any]) -> None:
    """Write ``path`` whole or not at all; its folder is made if it is missing.

    Args:
        path: the file.
        tensors: by name, on any device; they may share memory.
        content: JSON-able.
    """
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    text = json.dumps(content)
    write_bytes(path, save(copies, {"content": text, "sha256": _digest(copies, text)}))


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """What :func:`write_tensors` wrote; None where there is no such file, or a damaged one."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = metadata["content"]
        if metadata["sha256"] != _digest(tensors, text):
            return None
        content = json.loads(text)
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return (tensors, content) if isinstance(content, dict) else None


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
