"""Which parameters count as weights."""

from __future__ import annotations

from typing import Final

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["weights"]

LEFT_OUT: Final = (
    *(nn.Embedding, nn.EmbeddingBag),
    *(_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)


def weights(net: nn.Module) -> dict[str, nn.Parameter]:
    """The matrices and kernels of ``net`` by name: what the literature calls its weights.

    Kernels of convolutions, matrices of linear, recurrent and attention layers, and whatever else
    has two dimensions or more. Left out are biases, normalisations, and embeddings, which are
    looked up and not multiplied. A parameter that several modules share counts once.

    >>> list(weights(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2))))
    ['0.weight', '2.weight']
    """
    left_out = {
        id(parameter)
        for module in net.modules()
        if isinstance(module, LEFT_OUT)
        for parameter in module.parameters(recurse=False)
    }
    return {
        name: parameter
        for name, parameter in net.named_parameters()
        if parameter.dim() > 1 and parameter.is_floating_point() and id(parameter) not in left_out
    }
