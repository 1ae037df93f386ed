"""Programs of ``torch.export`` (``.pt2`` files) as modules that can be read and trained."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.fx import GraphModule, Node
from torch.nn import functional as F

from nascout.errors import ConfigError
from nascout.network.export_formats import quiet

__all__ = ["Program", "load_program"]

# Functions of the same name and meaning, up to that many arguments.
EAGER: Final = {
    **dict.fromkeys(("relu", "relu_", "selu", "gelu", "silu", "mish"), 1),
    **dict.fromkeys(("hardswish", "hardsigmoid"), 1),
    **dict.fromkeys(("leaky_relu", "leaky_relu_", "prelu", "elu", "celu"), 2),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"), 2),
    **dict.fromkeys(("hardtanh", "hardtanh_", "softplus", "linear"), 3),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), 7),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), 7),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 8),
}


class Program(nn.Module):
    """An exported program in the place of the network it was made of.

    Every layer does what it did when the program was exported: ``train()`` and ``eval()`` set
    the flags only. Its activations, convolutions, matrices and normalisations are calls of the
    functions that eager modules call, so what reads a network by these reads a program, too.

    >>> exported = torch.export.export(nn.Linear(2, 3), (torch.zeros(1, 2),))
    >>> Program(exported).train()(torch.zeros(1, 2)).shape
    torch.Size([1, 3])
    """

    def __init__(self, exported: torch.export.ExportedProgram) -> None:
        super().__init__()
        self.graph_module = exported.module()
        if isinstance(self.graph_module, GraphModule):
            for node in self.graph_module.graph.nodes:
                _make_eager(node)
            self.graph_module.recompile()

    def train(self, mode: bool = True) -> Program:
        """Set the flag of every part; what they do stays."""
        for module in self.modules():
            module.training = mode
        return self

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Inputs as the network took them, of sizes that it was exported for."""
        return self.graph_module(*inputs, **named)

    @property
    def keeps_statistics(self) -> bool:
        """Whether it has batch normalisations, and they use their running statistics."""
        nodes = getattr(getattr(self.graph_module, "graph", None), "nodes", ())
        return any(node.target is F.batch_norm and not node.args[5] for node in nodes)


def load_program(path: str | os.PathLike[str]) -> Program:
    """The program in a ``.pt2`` file. Loading runs code of the file: open those you trust.

    Raises:
        ConfigError: no such file, or one that torch cannot read.
    """
    if not Path(path).is_file():
        raise ConfigError(f"no file {path}", "Check the path.")
    try:
        with quiet():
            return Program(torch.export.load(path))
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).partition(". ")[0]
        raise ConfigError(
            f"torch {torch.__version__} reads no exported program in {path} ({reason})",
            "Write the file again with torch.export.save.",
        ) from error


def _make_eager(node: Node) -> None:
    if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace != "aten":
        return
    name, args = node.target._opname, node.args
    if name in EAGER and len(args) <= EAGER[name]:
        node.target = getattr(F, name)
    elif name == "mean":
        node.target = torch.mean
    # The last argument of a normalisation is about cuDNN.
    elif name in ("layer_norm", "group_norm"):
        node.target, node.args = getattr(F, name), args[:5]
    elif name in ("batch_norm", "instance_norm"):
        x, weight, bias, mean, variance, *options, _ = args
        node.target, node.args = getattr(F, name), (x, mean, variance, weight, bias, *options)
