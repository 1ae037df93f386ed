"""A graph as a plain ``nn.Module``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal, overload

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nascout.errors import GraphError, UnsupportedNetwork
from nascout.graph import Graph
from nascout.graph.features import feature_graph, find_features
from nascout.graph.ops import Input
from nascout.network.draw_weights import uniform_weight
from nascout.network.lowering import lower
from nascout.space import Architecture

__all__ = ["Backbone", "Network", "build", "initialise", "initialise_node", "undrawn"]

# What draws the matrices of a new module; a mode does not see into those of nn.init.
DRAWS: Final[frozenset[Callable[..., Any]]] = frozenset(
    [
        *(Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.normal_),
        *(nn.init.kaiming_uniform_, nn.init.kaiming_normal_),
        *(nn.init.xavier_uniform_, nn.init.xavier_normal_),
    ]
)


class Network(nn.Module):
    """Runs a graph node by node. Parameter names are node keys with dots for slashes.

    ``forward(*inputs)`` takes one batch per Input node, each ``(n, *shape)``, and returns the
    output, or a tuple if the graph has several. A tensor is freed after its last reader.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
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
                if type(parent) is not nn.Module:  # another node's
                    raise KeyError(scope)
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
        if len(inputs) != len(self.graph.inputs):
            raise GraphError(
                f"the network has {len(self.graph.inputs)} input(s), {len(inputs)} were given",
                "Pass one batch per Input node.",
            )
        values: dict[int, Tensor] = {}
        waiting = iter(inputs)
        steps = zip(self.graph, self.node_modules(), self.graph.spent, strict=True)
        for index, (node, module, spent) in enumerate(steps):
            if module is None:
                values[index] = next(waiting)
            else:
                values[index] = module(*[values[i] for i in node.inputs])
            for i in spent:
                del values[i]
        outputs = tuple(values[i] for i in self.graph.outputs)
        return outputs if len(outputs) > 1 else outputs[0]


class Backbone(Network):
    """A classifier up to its features: ``forward`` returns the last map of each resolution.

    A subclass only so that parameters are named as in the classifier: the state of a trained one
    loads with ``strict=False``, which leaves out the head.

    Attributes:
        strides: of each map, the largest map first; see
            :class:`nascout.graph.features.Feature`.
        channels: of each map.

    Raises:
        GraphError: no features; see :func:`nascout.graph.features.find_features`.
    """

    def __init__(self, classifier: Graph) -> None:
        super().__init__(feature_graph(classifier))
        features = find_features(classifier)
        self.strides = tuple(feature.stride for feature in features)
        self.channels = tuple(feature.channels for feature in features)

    def forward(self, *inputs: Tensor) -> list[Tensor]:  # type: ignore[override]
        """inputs: one (n, *shape) tensor per Input node. Returns (n, channels, h, w) per map."""
        maps = super().forward(*inputs)
        return list(maps) if isinstance(maps, tuple) else [maps]


@contextmanager
def undrawn(seed: int) -> Iterator[None]:
    """Modules made meanwhile do not draw the matrices that :func:`initialise` will replace.

    What else they draw depends on ``seed``; the global generator is left as found.
    """
    with torch.random.fork_rng(devices=[]), _Undrawn():
        torch.default_generator.manual_seed(seed)
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in DRAWS:
            tensor: Tensor = args[0] if args else kwargs["tensor"]
            if tensor.dim() > 1:
                return tensor
        return func(*args, **kwargs)


def initialise(net: Network, seed: int) -> None:
    """Draw every weight from ``(seed, key, shape)``; normalisations start at one and zero.

    Matrices and kernels, and the biases beside them, are uniform in ±1/sqrt(fan_in), PyTorch's
    default; what has neither is reset by its own module. Nothing is drawn from the global
    generator.
    """
    for node, module in zip(net.graph, net.node_modules(), strict=True):
        if module is not None:
            initialise_node(module, node.key, seed)


def initialise_node(module: nn.Module, key: str, seed: int) -> None:
    """Draw the weights of one node's module, as :func:`initialise` does."""
    for path, part in module.named_modules():
        _initialise_part(part, seed, f"{key}.{path}." if path else f"{key}.")


def _initialise_part(part: nn.Module, seed: int, prefix: str) -> None:
    own = {name: tensor for name, tensor in part._parameters.items() if tensor is not None}
    if all(tensor.dim() < 2 for tensor in own.values()):
        getattr(part, "reset_parameters", lambda: None)()
        return
    for name, tensor in own.items():
        matrix = tensor if tensor.dim() > 1 else own.get("weight", tensor)
        if matrix.dim() > 1:
            fan_in = matrix[0].numel()
            drawn = uniform_weight(seed, prefix + name, tuple(tensor.shape), fan_in)
            with torch.no_grad():
                tensor.copy_(drawn)


@overload
def build(
    architecture: Architecture | Graph,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    features: Literal[False] = False,
) -> Network: ...


@overload
def build(
    architecture: Architecture | Graph,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    features: Literal[True],
) -> Backbone: ...


def build(
    architecture: Architecture | Graph,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    features: bool = False,
) -> Network:
    """The network of an architecture (or of a graph) as a plain ``nn.Module``, in train mode.

    Args:
        architecture: what to build.
        seed: of the weights, which depend on nothing but it, the node's key and the shape.
        device: where the network lives. Weights are drawn on the CPU, so they are equal anywhere.
        dtype: of the parameters.
        features: return the last map of each resolution instead of the classes, for a detector
            or segmenter: a :class:`Backbone`, with ``strides`` and ``channels``. Its weights are
            the classifier's.

    Raises:
        UnsupportedNetwork: not an architecture or graph, or an op without a torch module.
        GraphError: features of a graph that has none.

    Example:
        >>> from nascout.space import SPACES
        >>> space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(1, 8, 8))
        >>> cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
        >>> build(space.parse(cell))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
        >>> build(space.parse(cell), features=True).strides
        (1, 2, 4)
    """
    graph = architecture.graph() if isinstance(architecture, Architecture) else architecture
    if not isinstance(graph, Graph):
        raise UnsupportedNetwork(
            f"cannot build a {type(architecture).__name__}",
            "Pass an Architecture (space.parse(text), space.sample(rng)) or a Graph.",
        )
    with undrawn(seed):
        net = Backbone(graph) if features else Network(graph)
    initialise(net, seed)
    return _moved(net, torch.device(device), dtype)


def _moved(net: Network, device: torch.device, dtype: torch.dtype) -> Network:
    # Already there, as a rule, and Module.to costs more than a small network's forward pass.
    tensors = (t for m in net.modules() for d in (m._parameters, m._buffers) for t in d.values())
    there = all(
        t is None or (t.device == device and (t.dtype == dtype or not t.is_floating_point()))
        for t in tensors
    )
    return net if there else net.to(device=device, dtype=dtype)
