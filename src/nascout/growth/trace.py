"""A user's network as a torch.fx graph whose tensors have lasting names."""

from __future__ import annotations

import copy
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.utils._pytree import tree_leaves

from nascout.errors import UnsupportedNetwork
from nascout.growth.out_of_place import make_out_of_place
from nascout.growth.record_shapes import record_shapes
from nascout.growth.training_flags import follow_training, scope_of
from nascout.network import Network
from nascout.network.mode import evaluating

__all__ = ["trace"]

# What tracing a user's code can raise: fx's own error, and what code does when a size or a
# tensor turns out to be a stand-in.
FAILURES: Final = (
    *(TraceError, TypeError, ValueError, AttributeError, RuntimeError, LookupError),
    *(AssertionError, NameError, ArithmeticError),
)


def trace(
    model: nn.Module, *example: Tensor, leaf: Sequence[str | type[nn.Module]] = ()
) -> fx.GraphModule:
    """``model`` as a ``torch.fx.GraphModule`` that can be grown; the model itself is left alone.

    The result computes what the model computes, in training as in evaluation, with copies of its
    parameters and buffers under the same names. Operations that write into their input are made
    to write elsewhere. Every node has a lasting name (``node.meta["path"]``: ``layer1.0.conv1``,
    ``layer1.0.add``), by which additions are recorded.

    Args:
        model: any module that torch.fx can trace, or a network of :func:`nascout.build`.
        example: a batch per input, batch dimension first; a few rows are enough.
        leaf: submodules not to look into, by name (``"encoder.mixer"``) or class. A module of
            ``torch.nn`` is one already.

    Raises:
        UnsupportedNetwork: it cannot be traced, or would compute something else; names the
            construct and the way out.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> [node.meta["path"] for node in trace(net, torch.zeros(2, 4)).graph.nodes]
        ['input', '0', '1', '2', 'output']
    """
    own = copy.deepcopy(model)
    rows = [_rows(tensor) for tensor in example]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        wanted = _evaluated(own, rows)
        graph = _graph_of(own, _names(own, leaf))
        _keep_unused(own, graph)
        traced = fx.GraphModule(own, graph, type(model).__name__)
        make_out_of_place(traced, rows)
        record_shapes(traced, rows)
        _need_equal(wanted, _evaluated(traced, rows))
    traced.meta["nascout"] = {
        "leaf": _names(own, leaf),
        "inputs": [(list(tensor.shape[1:]), str(tensor.dtype)[6:]) for tensor in example],
        **(model.meta.get("nascout", {}) if isinstance(model, fx.GraphModule) else {}),
    }
    return traced


def _rows(tensor: Tensor) -> Tensor:
    """The first row, the last, and the first again: three, however many there are."""
    if tensor.dim() == 0 or len(tensor) == 0:
        raise UnsupportedNetwork(
            f"an example input of shape {tuple(tensor.shape)}", "Give a batch, of one row or more."
        )
    return torch.cat([tensor[:1], tensor[-1:], tensor[:1]])


def _names(model: nn.Module, leaf: Sequence[str | type[nn.Module]]) -> list[str]:
    """Leaves by name."""
    classes = tuple(one for one in leaf if isinstance(one, type))
    names = {one for one in leaf if isinstance(one, str)}
    known = dict(model.named_modules())
    for name in names - known.keys():
        raise UnsupportedNetwork(
            f"the leaf {name!r} is no submodule", "Use a name of model.named_modules()."
        )
    return sorted(names | {name for name, part in known.items() if isinstance(part, classes)})


def _graph_of(model: nn.Module, leaves: list[str]) -> fx.Graph:
    if isinstance(model, fx.GraphModule):
        graph = copy.deepcopy(model.graph)
        if "nascout" in model.meta:
            return graph  # what was replaced by a sum has lost its name for good
    elif isinstance(model, Network):
        graph = _network_graph(model)
    else:
        graph = _traced_graph(model, leaves)
    _name(graph)
    return graph


def _network_graph(net: Network) -> fx.Graph:
    """The graph of a network of ours, which is data: nothing needs to be traced."""
    graph = fx.Graph()
    made: list[fx.Node] = []
    for node, module in zip(net.graph, net.node_modules(), strict=True):
        path = node.key.replace(".", "_").replace("/", ".")
        if module is None:
            made.append(graph.placeholder(path.replace(".", "_")))
        else:
            made.append(graph.call_module(path, tuple(made[i] for i in node.inputs)))
    outputs = tuple(made[i] for i in net.graph.outputs)
    graph.output(outputs if len(outputs) > 1 else outputs[0])
    return graph


def _traced_graph(model: nn.Module, leaves: list[str]) -> fx.Graph:
    graphs = []
    for training in (False, True):
        tracer = _Tracer(leaves)
        with evaluating(model), _explained(tracer):
            model.train(training)
            graphs.append(tracer.trace(model))
    evaluated, trained = graphs
    follow_training(evaluated, trained)
    return evaluated


class _Tracer(fx.Tracer):
    """Stops at leaves, and remembers in which module it is."""

    def __init__(self, leaves: list[str]) -> None:
        super().__init__()
        self.leaves = frozenset(leaves)
        self.inside: list[str] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Modules of ``torch.nn``, and those that the user names."""
        return module_qualified_name in self.leaves or super().is_leaf_module(
            m, module_qualified_name
        )

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """As ever, with the module's name on the trail; it stays there if tracing fails."""
        self.inside.append(self.path_of_module(m))
        result = super().call_module(m, forward, args, kwargs)
        self.inside.pop()
        return result


@contextmanager
def _explained(tracer: _Tracer) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        frames = traceback.extract_tb(error.__traceback__)
        library = (str(Path(torch.__file__).parent), __file__)
        lines = [f.line for f in frames if not f.filename.startswith(library)]
        code = f"`{lines[-1]}`" if lines else "the network"
        where = tracer.inside[-1] if tracer.inside else ""
        reason = str(error).partition(". ")[0]
        raise UnsupportedNetwork(
            f"torch.fx cannot trace {code}{f' in {where!r}' if where else ''} ({reason})",
            f"Pass leaf=[{where!r}], so that it is not looked into."
            if where
            else "Move it into a submodule and name that in leaf=[...].",
        ) from error


def _name(graph: fx.Graph) -> None:
    """Give every node without one a path: its module's name, or scope.function; then :2, :3."""
    taken = Counter(node.meta["path"] for node in graph.nodes if "path" in node.meta)
    for node in graph.nodes:
        if "path" in node.meta:
            continue
        if node.op in ("call_function", "call_method"):
            name = node.target if isinstance(node.target, str) else node.target.__name__
            path = f"{scope_of(node)}.{name}".lstrip(".")
        else:
            path = str(node.target)
        taken[path] += 1
        node.meta["path"] = path if taken[path] == 1 else f"{path}:{taken[path]}"


def _keep_unused(model: nn.Module, graph: fx.Graph) -> None:
    """Mention parameters that the forward pass does not use, so that the state keeps its names.

    A graph module copies what its graph mentions, and only that.
    """
    used = [str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")]
    whole = {*used, *(f"{name}." for name in used)}
    last = next(reversed(graph.nodes))
    for name in model.state_dict():
        parts = [f"{scope}." for scope in accumulate(name.split("."), "{}.{}".format)]
        if whole.isdisjoint([name, *parts]):
            with graph.inserting_before(last):
                graph.create_node("get_attr", name).meta["path"] = f"unused.{name}"


def _evaluated(net: nn.Module, rows: list[Tensor]) -> list[Tensor]:
    with evaluating(net):
        try:
            out = net(*(row.clone() for row in rows))
        except FAILURES as error:
            shapes = ", ".join(str(tuple(row.shape)) for row in rows)
            raise UnsupportedNetwork(
                f"the network cannot run on inputs of shape {shapes} ({error})",
                "Give an example batch per input; any number of rows must do.",
            ) from error
    return [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]


def _need_equal(wanted: list[Tensor], got: list[Tensor]) -> None:
    if len(wanted) != len(got) or not all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(wanted, got, strict=True)
    ):
        raise UnsupportedNetwork(
            "the traced network gives other outputs: something in it writes into a tensor through "
            "another name (y = x; y += 1), keeps state, or draws random numbers in evaluation",
            "Rewrite that (y = x + 1), or name its submodule in leaf=[...].",
        )
