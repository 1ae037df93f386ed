"""Many candidates at once, attached to a network that does not notice them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import torch
from torch import Tensor, fx, nn

from nascout.errors import ConfigError
from nascout.graph import Shape
from nascout.growth.method import METHODS, Method
from nascout.growth.operations import DEFAULTS, build_operation
from nascout.growth.places import Group, Spot, checked, need_free, node_at
from nascout.growth.stop import stop_forward, stop_gradient
from nascout.network.draw_weights import uniform_weight

__all__ = ["Candidates", "attach", "candidate_nodes", "detach"]

Gate = Literal["hard", "soft"]
MODULE: Final = "candidates"
OMEGA: Final = "omega"


class Candidates(nn.Module):
    """x_c = Σ ω_i · op_i(sg(x_i)) at one place (arXiv:1905.13360, equation 3).

    With a hard gate the target passes as it is and x_c receives dL/dtarget, so that
    dL/dω_i = <dL/dtarget, op_i(x_i)>: the candidates learn to do what the loss asks of the
    target. With a soft gate, g · x_c is added, where g is learned and starts at zero.

    Attributes:
        place: the target's name.
        labels: per candidate, what it reads and the name of its operation.
        ops: the operations, in that order.
        alignment: -cos(dL/dtarget, op_i(x_i)) over all batches since the start, per candidate;
            only where statistics are kept.
    """

    def __init__(
        self,
        place: str,
        labels: Sequence[tuple[str, str]],
        inputs: Sequence[str],
        ops: Sequence[nn.Module],
        *,
        l1: float,
        gate: Gate,
        statistics: bool,
    ) -> None:
        super().__init__()
        self.place, self.labels = place, tuple(labels)
        self.reads = tuple(inputs.index(read) for read, _ in labels)
        self.ops = nn.ModuleList(ops)
        self.l1 = l1
        self.gate = nn.Parameter(torch.zeros(())) if gate == "soft" else None
        # Per candidate: sums of <g, h>, <g, g> and <h, h>.
        products = torch.zeros(3, len(labels), dtype=torch.float64) if statistics else None
        self.register_buffer("products", products)
        self.products: Tensor | None

    def forward(self, target: Tensor, omega: Tensor, *inputs: Tensor) -> Tensor:
        """target: the place; omega: (candidates,); inputs: the tensors that they read."""
        if not (self.training or torch.is_grad_enabled()) and self.gate is None:
            return target
        # The network's own dropout must draw as if nothing were here.
        with torch.random.fork_rng(devices=[target.device] if target.is_cuda else []):
            values = [
                op(stop_gradient(inputs[read]))
                for read, op in zip(self.reads, self.ops, strict=True)
            ]
        mixture = _weighted_sum(_Shrinking.apply(omega, self.l1), values)  # type: ignore[no-untyped-call]
        mixture = mixture.to(target.dtype)
        added = stop_forward(mixture) if self.gate is None else self.gate * mixture
        if self.products is not None and added.requires_grad:
            seen = [value.detach() for value in values]
            added.register_hook(partial(self._record, seen))  # type: ignore[no-untyped-call]
        return target + added

    @torch.no_grad()
    def _record(self, values: list[Tensor], gradient: Tensor) -> None:
        assert self.products is not None
        g = gradient.double()
        for column, value in enumerate(values):
            h = value.double()
            sums = torch.stack([(g * h).sum(), (g * g).sum(), (h * h).sum()])
            self.products[:, column] += sums

    @property
    def alignment(self) -> Tensor:
        """Float64, (candidates,); zero where nothing was seen.

        Raises:
            ConfigError: no statistics were kept.
        """
        if self.products is None:
            raise ConfigError(
                "the candidates kept no statistics of gradients", "attach(..., statistics=True)"
            )
        dot, g, h = self.products
        cosine: Tensor = dot / (g * h).sqrt().clamp_min(torch.finfo(dot.dtype).tiny)
        return -cosine


class _Shrinking(torch.autograd.Function):
    """The same forward; backward, the gradient of l1 · |ω| is added to what comes.

    So the penalty needs no place in anybody's loss. (A loss that is scaled for float16 does not
    scale it.)
    """

    @staticmethod
    def forward(ctx: Any, omega: Tensor, l1: float) -> Tensor:
        ctx.save_for_backward(omega)
        ctx.l1 = l1
        return omega.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (omega,) = ctx.saved_tensors
        return gradients[0] + ctx.l1 * omega.sign(), None


def _weighted_sum(omega: Tensor, values: Sequence[Tensor]) -> Tensor:
    total = omega[0] * values[0]
    for weight, value in zip(omega[1:], values[1:], strict=True):
        total = total + weight * value
    return total


def attach(
    net: fx.GraphModule,
    groups: Sequence[Group],
    *,
    operations: Mapping[str, Sequence[str]] | None = None,
    method: str | Method = "petridish",
    gate: Gate = "hard",
    statistics: bool = False,
    seed: int = 0,
) -> fx.GraphModule:
    """A copy of ``net`` with candidates: every operation on every input of every spot.

    With the hard gate, its outputs, the gradients of its parameters and its random numbers are,
    to the last bit, those of ``net``; the candidates and their selection weights get gradients
    besides. Train it as any network. In evaluation without gradients the candidates do not run.

    Args:
        net: traced, or grown; left as it is.
        groups: the spots of a group share one ω, each with operations of its own. The gradient of
            ω is the sum over the spots; the L1 penalty counts once.
        operations: per kind of tensor, names of ``OPERATIONS``; ``DEFAULTS`` where a kind is
            missing.
        method: how ω starts and shrinks: a name of ``METHODS``, or one of your own.
        gate: ``"hard"`` (stop-forward) or ``"soft"`` (a learned scalar that starts at zero: the
            outputs are those of ``net`` in the first step only).
        statistics: keep the alignment of each candidate with the gradient, which costs memory.
        seed: of ω and of the operations' weights.

    Raises:
        ConfigError: nothing to attach, or a group that does not fit; names the place.
        UnknownName: an operation or a method.

    >>> from nascout.growth import groups, trace
    >>> net = trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(2, 4))
    >>> x = torch.randn(5, 4)
    >>> bool((attach(net, groups(net))(x) == net(x)).all())
    True
    """
    how = METHODS[method] if isinstance(method, str) else method
    if not groups:
        raise ConfigError("no group to attach candidates to", "Take some of places.groups(net).")
    if candidate_nodes(net):
        raise ConfigError("the network has candidates already", "Finalise or detach them first.")
    if len({spot.place for group in groups for spot in group}) < sum(map(len, groups)):
        raise ConfigError("a place is in two groups", "Give each place once.")
    grown = copy.deepcopy(net)
    for number, group in enumerate(groups):
        kind = checked(net, group)
        names = {**DEFAULTS, **(operations or {})}[kind]
        count = len(names) * len(group[0].inputs)
        like = next(net.parameters(), torch.empty(0))
        omega = need_free(grown, f"{OMEGA}{number}")
        start = _start(how, count, omega, seed).to(like)
        grown.register_parameter(omega, nn.Parameter(start))
        l1 = how.l1 / (count if how.l1_shared else 1) / len(group)
        for spot in group:
            labels = [(read, name) for read in spot.inputs for name in names]
            key = need_free(grown, f"{MODULE}{len(candidate_nodes(grown))}")
            ops = _operations(net, kind, spot.place, labels, key, seed)
            made = Candidates(
                spot.place, labels, spot.inputs, ops, l1=l1, gate=gate, statistics=statistics
            )
            made.ops.to(node_at(net, spot.place).meta["dtype"])
            grown.add_submodule(key, made.to(like.device).train(grown.training))
            _insert(grown, key, omega, spot)
    grown.recompile()
    return grown


def _start(method: Method, count: int, name: str, seed: int) -> Tensor:
    if method.spread is None:
        return torch.full((count,), 1 / count)
    return method.spread * uniform_weight(seed, name, (count,), 1)


def _operations(
    net: fx.GraphModule,
    kind: str,
    place: str,
    labels: Sequence[tuple[str, str]],
    key: str,
    seed: int,
) -> list[nn.Module]:
    wanted = Shape(node_at(net, place).meta["shape"])
    return [
        build_operation(
            name,
            kind,
            Shape(node_at(net, read).meta["shape"]),
            wanted,
            key=f"{key}.ops.{index}",
            seed=seed,
        )
        for index, (read, name) in enumerate(labels)
    ]


def _insert(net: fx.GraphModule, key: str, omega: str, spot: Spot) -> None:
    target = node_at(net, spot.place)
    read = [node_at(net, name) for name in spot.inputs]
    with net.graph.inserting_after(target):
        weights = net.graph.create_node("get_attr", omega)
    with net.graph.inserting_after(weights):
        joined = net.graph.call_module(key, (target, weights, *read))
    target.replace_all_uses_with(joined, delete_user_cb=lambda user: user is not joined)
    # The joined tensor takes the name over.
    joined.meta.update(target.meta)
    del target.meta["path"]


def candidate_nodes(net: fx.GraphModule) -> list[fx.Node]:
    """The calls of candidates, in order."""
    return [
        node
        for node in net.graph.nodes
        if node.op == "call_module" and isinstance(net.get_submodule(node.target), Candidates)
    ]


def detach(net: fx.GraphModule) -> fx.GraphModule:
    """A copy of ``net`` without its candidates: the network that they were attached to, trained."""
    bare = copy.deepcopy(net)
    for joined in candidate_nodes(bare):
        target, weights = joined.args[:2]
        assert isinstance(target, fx.Node) and isinstance(weights, fx.Node)
        target.meta["path"] = joined.meta["path"]
        joined.replace_all_uses_with(target)
        for node in (joined, weights):
            bare.graph.erase_node(node)
            bare.delete_submodule(str(node.target))
            bare._parameters.pop(str(node.target), None)
    bare.recompile()
    return bare
