"""Which parameters count as weights."""

from __future__ import annotations

from torch import nn

__all__ = ["weights"]


def weights(net: nn.Module) -> dict[str, nn.Parameter]:
    """The matrices and kernels of ``net`` by name: what the literature calls its weights.

    Kernels of convolutions, matrices of linear, recurrent and attention layers. Left out are
    biases, the scales of normalisations, and embeddings, which are looked up and not multiplied.
    A parameter that several modules share counts once.

    >>> list(weights(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2))))
    ['0.weight', '2.weight']
    """
    embedded = {
        id(module.weight)
        for module in net.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag)
    }
    return {
        name: parameter
        for name, parameter in net.named_parameters()
        if parameter.dim() > 1 and parameter.is_floating_point() and id(parameter) not in embedded
    }
