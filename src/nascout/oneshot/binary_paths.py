"""Gates of zero and one: one path in memory, drawn by the alphas, and what it takes to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nascout.graph.graph import Call
from nascout.graph.mixing import Mixed
from nascout.hardware import LatencyTable
from nascout.hardware.saved_table import load_table
from nascout.network.supernet import Supernet
from nascout.oneshot.expected_latency import ExpectedLatency, tabulate
from nascout.oneshot.gated import Gated
from nascout.oneshot.learner import Moment, cross_entropy
from nascout.oneshot.method import Method
from nascout.space import Space
from nascout.train.batches import Batch
from nascout.train.ranges import require

__all__ = ["BinaryPaths", "BinaryPathsMethod", "Places", "one_hot"]

Places = Mapping[str, Tensor]  # by edge: which of its options

TINY = 1e-30  # of probabilities that are drawn by


@dataclass(frozen=True, kw_only=True)
class BinaryPathsMethod(Method):
    """The knobs of ProxylessNAS, whichever way its alphas are learned.

    Args:
        warm_up: share of the epochs in which the weights of uniformly drawn paths are trained and
            the alphas rest; 40 of 160 in the released code.
        every: steps of the weights per step of the alphas.
        alpha_lr: of the Adam that moves the alphas.
        latency_target_ms: what networks may take, or what their latency is compared with; 0 for
            a search that knows no latency.
        latency_table: the file that ``nascout measure SPACE --out FILE`` wrote. Without one,
            latencies are measured on the device of the search and kept in the user's cache.
        latency_batch: images per pass in the latter; a file has its own.
        any_device: whether a file may be of another device.
    """

    epochs: int = 160
    batch_size: int = 256
    weight_decay: float = 4e-5
    val_fraction: float = 0.1
    warm_up: float = 0.25
    every: int = 5
    alpha_lr: float = 1e-3
    latency_target_ms: float = 0.0
    latency_table: str = ""
    latency_batch: int = 1
    any_device: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        rules = [
            ("warm_up", 0 <= self.warm_up < 1, "to a share below 1"),
            ("every", self.every >= 1, "to at least 1"),
            ("latency_target_ms", self.latency_target_ms >= 0, "to some milliseconds, or 0"),
            ("latency_batch", self.latency_batch >= 1, "to at least 1"),
        ]
        require(self.name, self, rules)

    def table(self, device: torch.device) -> LatencyTable:
        """Where latencies are looked up.

        Raises:
            ConfigError: no such file, or one of another device.
        """
        if self.latency_table:
            return load_table(self.latency_table, any_device=self.any_device)
        return LatencyTable(device, batch=self.latency_batch)


class BinaryPaths(Gated):
    """Trains the weights of one path at a time, drawn by the softmax of the alphas.

    ProxylessNAS, arXiv:1812.00332, section 3.2. Adam forgets the gradients before (its first
    beta is zero), so alphas without a gradient stay where they are.

    Attributes:
        latency: expected, of the space; ``None`` if there is no target.
    """

    def __init__(
        self, knobs: BinaryPathsMethod, space: Space, seed: int, device: torch.device
    ) -> None:
        super().__init__(
            space.relaxation(), seed, device, lr=knobs.alpha_lr, betas=(0.0, 0.999), weight_decay=0
        )
        self._method = knobs
        self.net = _Switched(seed, device, affine=True)
        self.net.hold(self.relaxation.graph())
        self.latency: ExpectedLatency | None = None
        if knobs.latency_target_ms:
            self._table = knobs.table(device)
            self.latency = tabulate(self.relaxation, self._table, device)

    def warms_up(self, moment: Moment) -> bool:
        """Whether the alphas still rest."""
        return moment.progress < self._method.warm_up

    def is_due(self, moment: Moment) -> bool:
        """Whether a step of the alphas comes before this step of the weights."""
        steps = moment.epoch * moment.steps + moment.step + 1
        return not self.warms_up(moment) and steps % self._method.every == 0

    @torch.no_grad()
    def draw(self, moment: Moment, purpose: str, count: int = 1) -> dict[str, Tensor]:
        """``count`` different options of each edge, or all if there are fewer, by place."""
        generator = moment.generator(purpose)
        drawn = {}
        for name, p in self.probabilities().items():
            # What rounds to zero stays possible: there may be no other second.
            chances = p.new_ones(len(p)) if self.warms_up(moment) else p.clamp(min=TINY)
            some = min(count, len(p))
            drawn[name] = torch.multinomial(chances.cpu(), some, generator=generator).to(
                self.device
            )
        return drawn

    def run(self, places: Places, gates: Mapping[str, Tensor], x: Tensor) -> Any:
        """The outputs of the network that has these options of each edge."""
        kept = {
            edge.name: [edge.options[place] for place in places[edge.name].tolist()]
            for edge in self.relaxation.edges
        }
        return self.net(self.relaxation.graph(kept), x, gates=gates)

    def run_path(self, path: Places, x: Tensor) -> Any:
        """The outputs of a network with one option of each edge."""
        return self.run(path, self.certain(path), x)

    def certain(self, path: Places) -> dict[str, Tensor]:
        """Gates of zero, and one at the path's option of each edge."""
        return {name: one_hot(place, self.alphas[name]) for name, place in path.items()}

    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        """Of one path."""
        return cross_entropy(self.run_path(self.draw(moment, "weights"), batch.x), batch)

    @torch.no_grad()
    def numbers(self) -> dict[str, float]:
        """Those of all gates; of the latency, the expected one, and that of what is derived.

        ``expected_latency_ms`` is the mean over all networks by their probabilities,
        ``latency_ms`` the table's for the one that is derived now.
        """
        numbers = super().numbers()
        if self.latency is not None:
            expected = float(self.latency(self.probabilities()))
            derived = self._table.latency_ms(self.current().graph())
            numbers |= {"expected_latency_ms": expected, "latency_ms": derived}
        return numbers


def one_hot(place: Tensor, like: Tensor) -> Tensor:
    """Zeros, and a one at ``place``, in the form of ``like``."""
    return torch.zeros_like(like, requires_grad=False).index_fill(0, place, 1.0)


class _Switched(Supernet):
    """Shared weights behind gates that are each zero or one."""

    def _made(self, call: Call) -> nn.Module:
        return _Switch(call.op.gates) if isinstance(call.op, Mixed) else super()._made(call)


class _Switch(nn.Module):
    """The input whose gate is one.

    Where gates learn, the others are multiplied by their gates of zero, but nothing flows back
    into them: what they were computed with is free before the next edge is.
    """

    def __init__(self, places: tuple[int, ...]) -> None:
        super().__init__()
        self.places = list(places)

    def forward(self, gates: Tensor, *xs: Tensor) -> Tensor:
        """gates: (1, gates); xs: tensors of one shape."""
        if len(xs) == 1 and not gates.requires_grad:
            return xs[0]
        gate = gates[0, self.places]
        total = torch.zeros((), dtype=xs[0].dtype, device=xs[0].device)
        for own, value, x in zip(gate, gate.tolist(), xs, strict=True):
            total = torch.addcmul(total, own, x if value else x.detach())
        return total
