"""NAS-Bench-201's networks, edge by edge, as the benchmark's own code runs them.

Every edge is computed: an absent one multiplies its input by zero, what leads nowhere runs, too,
and a node is Python's ``sum`` of its edges.
"""

from __future__ import annotations

from torch import Tensor, nn

from nascout.space import Architecture

__all__ = ["network"]

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def network(cell: Architecture, net: nn.Module) -> nn.Module:
    """The plain network of ``cell``, with the weights of ``net``, nascout's own."""
    space, state = cell.space.parameters(), net.state_dict()
    modules = [conv("stem", state, padding=1)]
    for stage in (1, 2, 3):
        if stage > 1:
            modules.append(Reduction(f"stage{stage}.reduction", state))
        modules += [
            Cell(cell.values, f"stage{stage}.cell{i}", state) for i in range(space["cells"])
        ]
    classify = nn.Linear(*reversed(state["head.linear.weight"].shape))
    classify.load_state_dict({name: state[f"head.linear.{name}"] for name in ("weight", "bias")})
    last = nn.Sequential(nn.BatchNorm2d(classify.in_features), nn.ReLU())
    return nn.Sequential(*modules, last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classify)


def conv(name: str, state: dict[str, Tensor], *, relu: bool = False, **options: int) -> nn.Module:
    """ReLU (if asked for), convolution, batch normalisation."""
    weight = state[f"{name}.conv2d.weight"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False, **options)
    layer.load_state_dict({"weight": weight})
    return nn.Sequential(*[nn.ReLU()] * relu, layer, nn.BatchNorm2d(len(weight)))


class Cell(nn.Module):
    """Six edges between four nodes."""

    def __init__(self, ops: tuple[str, ...], name: str, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            edge(op, f"{name}.{source}->{target}.{op}", state)
            for op, (source, target) in zip(ops, EDGES, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to the same."""
        nodes = [x]
        for target in (1, 2, 3):
            into = [i for i, (_, end) in enumerate(EDGES) if end == target]
            nodes.append(sum(self.edges[i](nodes[EDGES[i][0]]) for i in into))
        return nodes[-1]


def edge(op: str, name: str, state: dict[str, Tensor]) -> nn.Module:
    """The operation of an edge."""
    if op in KERNELS:
        return conv(name, state, relu=True, padding=KERNELS[op] // 2)
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Identity() if op == "skip_connect" else Zero()


class Zero(nn.Module):
    """Nothing, at a price."""

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of the same size."""
        return x.mul(0.0)


class Reduction(nn.Module):
    """A residual block of stride two."""

    def __init__(self, name: str, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.a = conv(f"{name}.conv_a", state, relu=True, stride=2, padding=1)
        self.b = conv(f"{name}.conv_b", state, relu=True, padding=1)
        weight = state[f"{name}.shortcut.conv2d.weight"]
        shortcut = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False)
        shortcut.load_state_dict({"weight": weight})
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, 2 channels, h/2, w/2)."""
        return self.b(self.a(x)) + self.shortcut(x)
