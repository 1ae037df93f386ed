"""A graph as a plain ``nn.Module``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascout.errors import GraphError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.ops import BatchNorm, Input
from nascout.network.draw_weights import uniform_weight
from nascout.network.lowering import lower
from nascout.space import Architecture

__all__ = ["Network", "build", "initialise"]


class Network(nn.Module):
    """Runs a graph node by node. Parameter names are node keys with dots for slashes.

    ``forward(*inputs)`` takes one batch per Input node, each ``(n, *shape)``, and returns the
    output, or a tuple if the graph has several. A tensor is freed after its last reader.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        last_read = {i: index for index, node in enumerate(graph) for i in node.inputs}
        # Per node, what nobody reads after it.
        self._spent = [
            [i for i in set(node.inputs) if last_read[i] == index and i not in graph.outputs]
            for index, node in enumerate(graph)
        ]
        # Per node, where its module hangs: the parent and the name, None for inputs.
        self._places = [
            None
            if isinstance(node.op, Input)
            else self._place(node.key, lower(node.op, graph.input_shapes(index)))
            for index, node in enumerate(graph)
        ]

    def _place(self, key: str, module: nn.Module) -> tuple[nn.Module, str]:
        parent: nn.Module = self
        *scopes, name = key.replace(".", "_").split("/")
        try:
            for scope in scopes:
                if scope not in parent._modules:
                    parent.add_module(scope, nn.Module())
                parent = getattr(parent, scope)
            if name in parent._modules:
                raise KeyError(name)
            parent.add_module(name, module)
        except KeyError:
            raise GraphError(
                f"the key {key!r} cannot name a module: it is taken, or holds other nodes' keys",
                "Give every node a key that no other key, and no attribute of nn.Module, has.",
            ) from None
        return parent, name

    def node_modules(self) -> list[nn.Module | None]:
        """The module of every node of the graph, ``None`` for inputs."""
        return [place and place[0]._modules[place[1]] for place in self._places]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """inputs: one (n, *shape) tensor per Input node, in order."""
        values: dict[int, Tensor] = {}
        waiting = iter(inputs)
        steps = zip(self.graph, self.node_modules(), self._spent, strict=True)
        for index, (node, module, spent) in enumerate(steps):
            if module is None:
                values[index] = next(waiting)
            else:
                values[index] = module(*[values[i] for i in node.inputs])
            for i in spent:
                del values[i]
        outputs = tuple(values[i] for i in self.graph.outputs)
        return outputs if len(outputs) > 1 else outputs[0]


def initialise(net: Network, seed: int) -> None:
    """Draw every weight from ``(seed, key, shape)``; normalisations start at one and zero.

    Weights and biases are uniform in ±1/sqrt(fan_in), PyTorch's default. Nothing is drawn from
    the global generator.
    """
    for node, module in zip(net.graph, net.node_modules(), strict=True):
        if module is None or isinstance(node.op, BatchNorm):
            continue
        weight = getattr(module, "weight", None)
        for name, parameter in module.named_parameters(recurse=False):
            fan_in = weight[0].numel() if isinstance(weight, Tensor) else parameter.numel()
            drawn = uniform_weight(seed, f"{node.key}.{name}", tuple(parameter.shape), fan_in)
            with torch.no_grad():
                parameter.copy_(drawn)


def build(
    architecture: Architecture | Graph,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Network:
    """The network of an architecture (or of a graph) as a plain ``nn.Module``, in train mode.

    Args:
        architecture: what to build.
        seed: of the weights, which depend on nothing but it, the node's key and the shape.
        device: where the network lives. Weights are drawn on the CPU, so they are equal anywhere.
        dtype: of the parameters.

    Raises:
        UnsupportedNetwork: not an architecture or graph, or an op without a torch module.

    Example:
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
        >>> cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
        >>> build(space.parse(cell))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    graph = architecture.graph() if isinstance(architecture, Architecture) else architecture
    if not isinstance(graph, Graph):
        raise UnsupportedNetwork(
            f"cannot build a {type(architecture).__name__}",
            "Pass an Architecture (space.parse(text), space.sample(rng)) or a Graph.",
        )
    # Modules are made without drawing weights: `initialise` draws them from their keys.
    with torch.device("meta"):
        net = Network(graph)
    net.to_empty(device="cpu")
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
    initialise(net, seed)
    return net.to(device=device, dtype=dtype)
