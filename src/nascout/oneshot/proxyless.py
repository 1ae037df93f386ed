"""ProxylessNAS: binary gates learned by two paths at a time, or by reward, with latency."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nascout.errors import ConfigError
from nascout.oneshot.bilevel import first_order
from nascout.oneshot.binary_paths import BinaryPaths, BinaryPathsMethod, Places, one_hot
from nascout.oneshot.expected_latency import LOSSES
from nascout.oneshot.learner import Moment, cross_entropy
from nascout.oneshot.method import method
from nascout.space import Space
from nascout.train.batches import Batch
from nascout.train.parallel import find_crew
from nascout.train.ranges import require

__all__ = ["Proxyless", "ProxylessReinforce", "keep_others"]

UPDATES = ("two", "full")


@method("proxyless", paper="arXiv:1812.00332")
class Proxyless(BinaryPathsMethod):
    """Cai, Zhu and Han's search by gradients (Proxyless-G), on any space that can be relaxed.

    A step of the weights draws one option of each edge from p = softmax(alpha) and runs nothing
    else. After the warm-up, every fifth of them comes after a step of the alphas, on a batch of
    the other part of the data: on each edge two options are drawn from p without replacement, the
    softmax over the two draws the active one, and both are computed. With the gates g, one for
    the active and zero for the other, dL/dalpha_i is the sum over the two of
    dL/dg_j q_j (delta_ij - q_i), where q is the pair's softmax (equation 4 and section 3.2.1).
    Only these two alphas move, and then the same number is taken from both so that the
    probabilities of all others stay as they were.

    With ``latency_target_ms``, the loss of that step counts the expected latency; its gradient is
    exact for the update that is made, in which the pair's alphas move and its sum of probabilities
    stays. The paper has no other use for the target than to weigh latency against accuracy;
    ``at_most`` holds it.

    Deviations from the released code: one cosine for the learning rate, warm-up included, and no
    label smoothing. An edge whose active option is ``zero`` learns as any other. In its two-path
    mode the expected latency is that of the pairs alone, here that of all options.

    Args:
        update: ``two`` paths at a time, as in the paper, or ``full``, all of them, the default of
            the released code (``full_v2``).
        latency_loss: ``mul_log``, ``add_linear``, ``paper`` or ``at_most``; see
            :mod:`nascout.oneshot.expected_latency`.
        latency_strength: of that form; 0 for its default.

    Example:
        >>> from nascout.oneshot import METHODS
        >>> fast = METHODS["proxyless"](latency_target_ms=5.0, latency_table="table.json")
        >>> fast.update, fast.latency_loss
        ('two', 'at_most')
    """

    update: str = "two"
    latency_loss: str = "at_most"
    latency_strength: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = LOSSES[self.latency_loss]
        rules = [
            ("update", self.update in UPDATES, f"to {' or '.join(UPDATES)}"),
            ("latency_strength", self.latency_strength >= 0, "to 0 or more"),
        ]
        require(self.name, self, rules)

    def learner(self, space: Space, seed: int, device: torch.device) -> BinaryPaths:
        """All weights there are, alphas near zero, and all latencies."""
        return _ByGradient(self, space, seed, device)


class _ByGradient(BinaryPaths):
    def __init__(self, knobs: Proxyless, space: Space, seed: int, device: torch.device) -> None:
        super().__init__(knobs, space, seed, device)
        self._knobs = knobs
        lowest = min(knobs.latency_target_ms, self.latency.fastest) if self.latency else 2.0
        if knobs.latency_loss == "mul_log" and lowest <= 1:
            raise ConfigError(
                f"mul_log takes logarithms of milliseconds, and {lowest:.3g} ms is not above 1",
                "Set latency_loss=at_most or add_linear, or measure larger batches.",
            )

    def before_step(self, train: Batch, val: Iterator[Batch], moment: Moment) -> None:
        """One step of the alphas, if it is time."""
        if not self.is_due(moment):
            return
        batch, alphas = next(val), list(self.alphas.values())
        count = 2 if self._knobs.update == "two" else max(map(len, alphas))
        involved = self.draw(moment, "pairs", count)
        before = {name: alpha.detach().clone() for name, alpha in self.alphas.items()}
        self.move(first_order(lambda: self.mixed_loss(batch, involved, moment), alphas), batch)
        for name, alpha in self.alphas.items():
            keep_others(alpha, before[name], involved[name])

    def mixed_loss(self, batch: Batch, involved: Places, moment: Moment) -> Tensor:
        """What the alphas learn from; among the options ``involved``, one per edge is active."""
        generator = moment.generator("active")
        gates, probabilities = {}, {}
        for name, alpha in self.alphas.items():
            places = involved[name]
            q = alpha[places].softmax(0)
            drawn = torch.multinomial(q.detach().cpu(), 1, generator=generator).to(self.device)
            # Exactly zero and one, with the gradient of q.
            gates[name] = one_hot(places[drawn], alpha).index_add(0, places, q - q.detach())
            p = alpha.detach().softmax(0)
            probabilities[name] = p.index_put((places,), q * p[places].sum())
        loss = cross_entropy(self.run(involved, gates, batch.x), batch)
        if self.latency is None:
            return loss
        strength = {"strength": s} if (s := self._knobs.latency_strength) else {}
        count_in = LOSSES[self._knobs.latency_loss]
        target = self._knobs.latency_target_ms
        return count_in(loss, self.latency(probabilities), target, **strength)


@torch.no_grad()
def keep_others(alpha: Tensor, before: Tensor, places: Tensor) -> None:
    """Subtract one number from some alphas, so that the other options are as likely as before.

    Their softmax has the others' probabilities of ``before`` again if the sum of exp over
    ``places`` is what it was (arXiv:1812.00332, section 3.2.1).

    Args:
        alpha: (options,), changed in place; it differs from ``before`` in ``places`` alone.
        before: (options,).
        places: of the alphas that moved.

    Example:
        >>> before, alpha = torch.zeros(3), torch.tensor([1.0, 0.0, 0.0])
        >>> keep_others(alpha, before, torch.tensor([0, 1]))
        >>> round(float(alpha.softmax(0)[2]), 6)
        0.333333
    """
    alpha[places] -= alpha[places].logsumexp(0) - before[places].logsumexp(0)


@method("proxyless_reinforce", paper="arXiv:1812.00332")
class ProxylessReinforce(BinaryPathsMethod):
    """The same search by reward (Proxyless-R), for what has no gradient.

    A step of the alphas draws ``samples`` paths and runs each on one batch. The reward R of a
    path is its accuracy there, times (target / latency) ** tradeoff if there is a target, and the
    alphas climb the mean of (R - b) d log p(path) / dalpha (section 3.3.2). As in the released
    code, the baseline b moves by ``baseline`` of the way to the mean reward before it is
    subtracted, so at .99 it is hardly an average of the past; smaller values make it one.

    Args:
        samples: paths per step of the alphas.
        tradeoff: how much latency counts.
        baseline: the share above, of 0 to 1.
    """

    every: int = 16
    samples: int = 10
    tradeoff: float = 0.1
    baseline: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        rules = [
            ("samples", self.samples >= 2, "to at least 2"),
            ("baseline", 0 < self.baseline <= 1, "to a share above 0"),
        ]
        require(self.name, self, rules)

    def learner(self, space: Space, seed: int, device: torch.device) -> BinaryPaths:
        """All weights there are, alphas near zero, and all latencies."""
        return _ByReward(self, space, seed, device)


class _ByReward(BinaryPaths):
    def __init__(
        self, knobs: ProxylessReinforce, space: Space, seed: int, device: torch.device
    ) -> None:
        super().__init__(knobs, space, seed, device)
        self._knobs = knobs
        self._baseline = torch.tensor(float("nan"), dtype=torch.float64)  # none yet

    def before_step(self, train: Batch, val: Iterator[Batch], moment: Moment) -> None:
        """One step of the alphas, if it is time."""
        if not self.is_due(moment):
            return
        batch = next(val)
        paths = [self.draw(moment, f"reward/{i}") for i in range(self._knobs.samples)]
        rewards = torch.stack([self.reward(path, batch) for path in paths])
        self.move([-g for g in self.gradients(paths, self.advantages(rewards))], batch)

    @torch.no_grad()
    def reward(self, path: Places, batch: Batch) -> Tensor:
        """Of one path, on the whole batch, in float64."""
        out = self.run_path(path, batch.x)
        main = out[0] if isinstance(out, tuple) else out
        right = (main.argmax(1) == batch.targets[0]).sum().double()
        accuracy = find_crew().add_up(nn.Module(), right).cpu() / batch.size
        if self.latency is None:
            return accuracy
        latency = self.latency(self.certain(path)).cpu()
        return accuracy * (self._knobs.latency_target_ms / latency) ** self._knobs.tradeoff

    def advantages(self, rewards: Tensor) -> Tensor:
        """Rewards less the baseline, which they move first."""
        mean = rewards.mean()
        known = mean if self._baseline.isnan() else self._baseline
        self._baseline.copy_(known + self._knobs.baseline * (mean - known))
        return rewards - self._baseline

    def gradients(self, paths: list[dict[str, Tensor]], advantages: Tensor) -> list[Tensor]:
        """The mean of advantage · d log p(path) / dalpha, by edge: d log p_o = one at o, less p."""
        return [
            torch.stack(
                [
                    float(a) * (one_hot(path[name], p) - p.detach())
                    for path, a in zip(paths, advantages, strict=True)
                ]
            ).mean(0)
            for name, p in self.probabilities().items()
        ]

    def tensors(self) -> dict[str, Tensor]:
        """Those of all gates, and the baseline."""
        return super().tensors() | {"baseline": self._baseline}
