"""The course of a learned controller: draw a batch of children, learn from their rewards."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nascout.controller.reward import Baseline, ranked
from nascout.errors import ArchitectureError, ConfigError
from nascout.search.history import Trial
from nascout.search.sequential import Chooser, Sequential
from nascout.space import Architecture, Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nascout.controller.policy import Policy

__all__ = ["Batches", "Controller"]

# Batches drawn until one is full, where a space refuses some.
DRAWS = 10


@dataclass(frozen=True, kw_only=True)
class Controller(Sequential):
    """Base of the learned controllers: their common knobs. A subclass gives :meth:`improve`.

    A batch of ``children`` is drawn from the policy; when the last of them is evaluated, the policy
    learns from their rewards and draws the next batch.

    - **Reward.** With ``epochs``, the validation accuracy as a fraction; without, the rank of the
      score among all scores so far, as a fraction (a score itself has no bounds). Either is raised
      to ``power``. What failed or broke a constraint has no reward and teaches nothing.
    - **Baseline.** The exponential moving average of the rewards before the batch; for the first
      batch, its mean.
    - **Repeats.** What is drawn again is not evaluated again: it is rewarded with what is known. So
      the policy learns from its own draws, and only new architectures count against the budget.
      A batch without a new one teaches the policy, too; in the meantime a mutant of one of them is
      evaluated.
    - **First batch.** It is drawn uniformly, which the policy nearly does at first: each of its
      probabilities is off by 1 to 5 % on average. The policy's parameters and all its draws are a
      function of that batch, so of the search's seed. With a budget of no more than ``children``,
      this is random search.
    - What is drawn and is no architecture of a constrained space is drawn again.

    Args:
        budget, objectives, epochs, retrain, final_epochs: see :class:`Sequential`.
        children: of a batch.
        layers, units, spread, temperature, tanh_constant, attention: see
            :class:`nascout.controller.policy.Policy`.
        learning_rate: of Adam.
        momentum: of the baseline.
        power: of the reward.
        entropy: weight of the policy's entropy, which is added to the reward.
    """

    children: int = 8
    layers: int = 1
    units: int = 100
    spread: float = 0.1
    temperature: float = 1.0
    tanh_constant: float = 0.0
    attention: bool = True
    learning_rate: float = 1e-3
    momentum: float = 0.95
    power: float = 1.0
    entropy: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for knob in ("children", "layers", "units", "temperature", "learning_rate", "power"):
            if not (value := getattr(self, knob)) > 0:
                raise ConfigError(f"{self.name}: {knob} = {value}", "Give more than 0.")
        if not 0 <= self.momentum < 1 or min(self.entropy, self.spread, self.tanh_constant) < 0:
            raise ConfigError(
                f"{self.name}: momentum = {self.momentum}, entropy = {self.entropy}, "
                f"spread = {self.spread}, tanh_constant = {self.tanh_constant}",
                "Give 0 <= momentum < 1, and nothing below 0 for the others.",
            )

    def start(self, space: Space) -> Batches:
        """No policy yet: the first batch is uniform."""
        return Batches(self, space)

    @abstractmethod
    def improve(
        self, policy: Policy, adam: torch.optim.Adam, taken: Tensor, advantages: Tensor
    ) -> None:
        """Let ``policy`` learn from a batch.

        Args:
            policy: to be changed in place.
            adam: over its parameters.
            taken: (children, decisions), see :meth:`Policy.numbers`.
            advantages: (children,) rewards less the baseline.
        """


class Batches(Chooser):
    """The state of such a strategy.

    Attributes:
        policy: ``None`` until the first batch is evaluated.
        children: the batch in hand.
        updates: how often the policy has learnt.
    """

    def __init__(self, strategy: Controller, space: Space) -> None:
        super().__init__(strategy, space)
        self._strategy, self._baseline = strategy, Baseline(strategy.momentum)
        self.policy: Policy | None = None
        self.children: list[Architecture] = []
        self.updates = self._drawings = 0
        self._seed = ""

    def learn(self, trial: Trial, loss: float) -> None:
        """Let the policy learn, if the batch is complete, and draw the next."""
        if self.policy is None:
            self.children.append(trial.architecture)
            if len(self.children) < self._strategy.children:
                return
        if self.losses.keys() >= set(self.children):
            from nascout.controller.policy import one_thread

            with one_thread():
                policy = self.policy or self._begin()
                self._improve(policy)
                self.children = self._drawn(policy)

    def choose(self, rng: random.Random) -> Architecture | None:
        """The next child that is new; before there is a policy, a uniform sample."""
        if self.policy is None:
            return self.pool.fresh(rng)
        for child in self.children:
            if child not in self.pool.seen:
                return child
        beside = self.pool.beside(rng.choice(self.children), rng) if self.children else None
        return beside or self.pool.fresh(rng)

    def rewards(self, children: Sequence[Architecture]) -> np.ndarray:
        """Of children that have a fitness."""
        losses = np.array([self.losses[child] for child in children])
        if self.epochs:
            rewards = -losses / 100
        else:
            rewards = ranked(losses, [one for one in self.losses.values() if one < math.inf])
        return np.asarray(rewards**self._strategy.power)

    def _begin(self) -> Policy:
        import torch

        from nascout.controller.policy import Policy

        knobs = self._strategy
        self._seed = repr([child.values for child in self.children])
        self.policy = Policy(
            self.space,
            layers=knobs.layers,
            units=knobs.units,
            spread=knobs.spread,
            seed=random.Random(self._seed).getrandbits(63),
            temperature=knobs.temperature,
            tanh_constant=knobs.tanh_constant,
            attention=knobs.attention,
        )
        self._adam = torch.optim.Adam(self.policy.parameters(), lr=knobs.learning_rate, fused=True)
        return self.policy

    def _improve(self, policy: Policy) -> None:
        import torch

        children = [child for child in self.children if self.losses[child] < math.inf]
        if not children:
            return
        rewards = self.rewards(children)
        before = self._baseline.value
        advantages = torch.from_numpy(rewards - (rewards.mean() if before is None else before))
        self._strategy.improve(policy, self._adam, policy.numbers(children), advantages)
        self._baseline.tell(rewards)
        self.updates += 1

    def _drawn(self, policy: Policy) -> list[Architecture]:
        """The next batch: a function of the first batch and of how many came before."""
        self._drawings += 1
        rng = random.Random(f"{self._seed}/{self._drawings}")
        wanted, children = self._strategy.children, list[Architecture]()
        for _ in range(DRAWS):
            for values in policy.values(policy.sample(wanted, rng)):
                try:
                    children.append(Architecture(self.space, values))
                except ArchitectureError:  # decisions that do not fit together
                    continue
            if len(children) >= wanted:
                break
        return children[:wanted]
