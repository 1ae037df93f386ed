"""GDAS: one operation per edge, drawn by the Gumbel trick, with a gradient to all."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nascout.errors import ConfigError
from nascout.oneshot.bilevel import first_order
from nascout.oneshot.gated import Gated
from nascout.oneshot.learner import Moment, cross_entropy
from nascout.oneshot.method import Method, method
from nascout.space import Space
from nascout.space.relaxation import Relaxation
from nascout.train.batches import Batch

__all__ = ["Gdas"]


@method("gdas", paper="arXiv:1910.04465")
class Gdas(Method):
    """Dong and Yang's search: only the drawn operations run, so memory is that of one network.

    On each edge, h is the softmax of (log p + g) / tau with Gumbel noise g (equation 5). Forward,
    the option of the largest h counts alone, with a gate of one; backward, its gate has the
    gradient of h. tau falls linearly.

    Deviation: the released code adds the gates of the other options, which are zero, to the
    result as numbers, so that the loss moves them too; here it does not.

    Args:
        tau, tau_final: the temperature at the start and at the end.
        alpha_lr, alpha_decay: of the Adam that moves the alphas.
    """

    epochs: int = 250
    tau: float = 10.0
    tau_final: float = 0.1
    alpha_lr: float = 3e-4
    alpha_decay: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tau_final <= self.tau:
            raise ConfigError(
                f"gdas: tau = {self.tau}, tau_final = {self.tau_final}",
                "Give 0 < tau_final <= tau.",
            )

    def learner(self, space: Space, seed: int, device: torch.device) -> Gated:
        """All weights there are, and alphas near zero."""
        return _Gumbel(self, space.relaxation(), seed, device)


class _Gumbel(Gated):
    def __init__(
        self, knobs: Gdas, relaxation: Relaxation, seed: int, device: torch.device
    ) -> None:
        super().__init__(
            relaxation, seed, device, lr=knobs.alpha_lr, weight_decay=knobs.alpha_decay
        )
        self._knobs = knobs
        self.net.hold(relaxation.graph())

    def drawn(self, moment: Moment, purpose: str) -> dict[str, Tensor]:
        """Gates: one where the draw fell, zero elsewhere; their gradient is that of h."""
        first, last = self._knobs.tau, self._knobs.tau_final
        tau = first + (last - first) * moment.epoch / max(1, moment.epochs - 1)
        generator = moment.generator(purpose)
        gates = {}
        for name, alpha in self.alphas.items():
            uniform = torch.rand(len(alpha), generator=generator).clamp(1e-10, 1 - 1e-7)
            noise = -(-uniform.log()).log()
            h = ((alpha.log_softmax(0) + noise.to(alpha)) / tau).softmax(0)
            one_hot = torch.zeros_like(h).scatter(0, h.argmax(0, keepdim=True), 1.0)
            gates[name] = one_hot - h.detach() + h
        return gates

    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        """Of the network that is drawn."""
        return self._loss(batch, moment, "weights")

    def _loss(self, batch: Batch, moment: Moment, purpose: str) -> Tensor:
        gates = self.drawn(moment, purpose)
        edges = {edge.name: edge.options for edge in self.relaxation.edges}
        kept = {name: (edges[name][int(gate.argmax())],) for name, gate in gates.items()}
        out = self.net(self.relaxation.graph(kept), batch.x, gates=gates)
        return cross_entropy(out, batch)

    def before_step(self, train: Batch, val: Iterator[Batch], moment: Moment) -> None:
        """One step of the alphas."""
        batch = next(val)
        alphas = list(self.alphas.values())
        self.move(first_order(lambda: self._loss(batch, moment, "alphas"), alphas), batch)
