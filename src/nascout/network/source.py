"""A graph as stand-alone source: a Python file that needs nothing but torch.

What is written is checked by :func:`nascout.network.export`, which runs the file.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence

from torch import Tensor

from nascout import __version__
from nascout.errors import ConfigError
from nascout.graph import Graph, graph_cost
from nascout.network.module import Network
from nascout.network.source_layout import COLUMNS
from nascout.network.source_names import WORDS
from nascout.network.source_plan import Class, make_plan
from nascout.space import Architecture

__all__ = ["source_state", "to_source"]


def to_source(
    architecture: Architecture | Graph, *, name: str = "Model", notes: Sequence[str] = ()
) -> str:
    """The network as a Python file that imports only torch.

    Blocks that repeat become one class. Nodes that no output depends on are left out, and the
    file says so: the outputs are those of the network, its params and MACs may be fewer.

    Args:
        architecture: what to write.
        name: of the model's class.
        notes: further lines for the head of the file.

    Raises:
        UnsupportedNetwork: an op without source; see :func:`nascout.network.prints`.
        ConfigError: a name that a class cannot have.

    >>> from nascout.graph import Builder
    >>> from nascout.graph.ops import Conv2d, ReLU
    >>> g = Builder()
    >>> y = g.chain((Conv2d(4, 3), ReLU()), g.input((1, 8, 8)), key="stem")
    >>> print(to_source(g.graph(y)).partition("Tensor, nn")[2].strip())
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.ReLU())
    <BLANKLINE>
        def forward(self, x: Tensor) -> Tensor:
            return self.stem(x)
    """
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name) or name in WORDS:
        raise ConfigError(f"{name!r} cannot name a class here", "Use a name such as 'Model'.")
    graph = architecture.graph() if isinstance(architecture, Architecture) else architecture
    plan = make_plan(graph, name)
    told = [f"Architecture: {architecture}"] if isinstance(architecture, Architecture) else []
    classes = "\n\n\n".join(_class(made) for made in plan.classes)
    imports = "import torch\n" if "torch." in classes else ""
    return (
        f"{_header(graph, name, [*told, *notes])}\n{imports}from torch import Tensor, nn\n\n\n"
        f"{classes}\n"
    )


def source_state(net: Network) -> dict[str, Tensor]:
    """The tensors of ``net`` under the names that the class of :func:`to_source` gives them.

    ``Model().load_state_dict(source_state(net))`` makes the generated model equal to ``net``.
    The tensors are those of the network, not copies.

    Raises:
        UnsupportedNetwork: an op without source.
    """
    plan = make_plan(net.graph, "Model")
    return {
        f"{plan.paths[node.key]}.{name}": tensor
        for node, module in zip(net.graph, net.node_modules(), strict=True)
        if module is not None and node.key in plan.paths
        for name, tensor in module.state_dict().items()
    }


def _header(graph: Graph, name: str, notes: Sequence[str]) -> str:
    kept = graph.prune()
    cost = graph_cost(kept)
    inputs = ", ".join(_batch(kept.shapes[i]) for i in kept.inputs)
    outputs = ", ".join(_batch(kept.shapes[i]) for i in kept.outputs)
    lines = [
        f"{name}: a network found by nascout {__version__}, written out. It needs only torch.",
        "",
        f"Input {inputs}, output {outputs}, n being the batch.",
        f"{cost.params:,} params; {cost.macs:,} MACs (multiply-adds) per sample.",
    ]
    if len(kept) < len(graph):
        params = graph_cost(graph).params - cost.params
        lines.append(
            f"Left out: {len(graph) - len(kept)} nodes with {params:,} params that no output reads."
        )
    return "\n".join(['"""' + lines[0], *lines[1:], *map(_harmless, notes), '"""', ""])


def _batch(shape: Sequence[int]) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"


def _harmless(line: str) -> str:
    """A line of text that cannot end the docstring it stands in."""
    text = line.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _class(made: Class) -> str:
    widths = ["self", *(f"{width}: int" for width in made.widths)]
    arguments = ["self", *(f"{argument}: Tensor" for argument in made.arguments)]
    result = "Tensor" if made.outputs == 1 else f"tuple[{', '.join(['Tensor'] * made.outputs)}]"
    about = [f'    """{_harmless(made.about)}."""', ""] if made.about else []
    return "\n".join(
        [
            f"class {made.name}(nn.Module):",
            *about,
            *_signature("__init__", widths, "None"),
            "        super().__init__()",
            *made.body.init,
            "",
            *_signature("forward", arguments, result),
            *made.body.forward,
        ]
    )


def _signature(name: str, parameters: Sequence[str], result: str) -> list[str]:
    line = f"    def {name}({', '.join(parameters)}) -> {result}:"
    if len(line) <= COLUMNS:
        return [line]
    return [f"    def {name}(", *(f"        {p}," for p in parameters), f"    ) -> {result}:"]
