"""ENAS: a recurrent controller that is rewarded with the accuracy of shared weights."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from nascout.controller.objective import reinforce_loss
from nascout.controller.policy import Policy, one_thread
from nascout.errors import ArchitectureError, ConfigError
from nascout.oneshot.learner import Judge, Moment
from nascout.oneshot.method import Method, method
from nascout.oneshot.problem import IMAGES, Problem
from nascout.oneshot.rsps import Paths
from nascout.oneshot.skip_density import skip_penalty
from nascout.space import Architecture, Space
from nascout.train import Recipe
from nascout.train.batches import Batch
from nascout.train.optimizer import Sgd
from nascout.train.ranges import require
from nascout.train.schedule import CosineRestarts

__all__ = ["ControlledPaths", "Controller", "Enas"]

BETAS, EPS = (0.0, 0.999), 1e-3  # of the controller's Adam, in the released code only
WATCHED = 256  # architectures drawn to see what the controller prefers
DRAWS = 100  # batches drawn until one is full, where a space refuses some


@method("enas", paper="arXiv:1802.03268")
class Enas(Method):
    """Pham and others' search: a controller learns which paths through shared weights are good.

    For an epoch, every batch trains the weights of one architecture that the controller draws
    (section 2.2). Then the weights rest, and the controller takes ``controller_steps`` steps of
    Adam, each on the mean of ``aggregate`` gradients of -log p(a) (R - b). R is the accuracy of
    a on one batch of the other part of the data, as a fraction, plus ``entropy`` times the entropy
    of the decisions that made a. b starts at zero and is moved by a hundredth towards every R
    before it is subtracted from it. Skips are kept near a density, see
    :func:`nascout.oneshot.skip_density.skip_penalty`. At the end ``samples`` architectures are
    drawn, and the best of them on the validation images is retrained. It works on every space
    with a list of decisions.

    The defaults are those of the released search for cells. That for ``enas_macro`` has
    epochs=310, batch_size=128, weight_decay=5e-4, controller_lr=1e-3, controller_steps=50,
    aggregate=20, tanh_constant=1.5, and the space network="search", layers=12, channels=36.

    Deviations from the released code:

    - The policy is :class:`nascout.controller.policy.Policy`: each decision has a softmax of its
      own, and only skips are decided by attention; inputs of blocks are decisions as any other.
      There is no bias towards separable convolutions, and the tanh constant is one for all
      decisions, where that of a cell's operations was divided by 2.5.
    - Entropies are those of whole softmaxes, as in its search for cells; its search for layers
      takes -p log p of what was drawn.
    - Adam adds its epsilon of 1e-3 after the correction of the means, as in PyTorch.
    - Validation batches are augmented as training batches are; the last choice is made on all
      validation images, not on one batch.
    - Normalisations have no weights; there is no drop-path, no dropout and no auxiliary head. The
      gradient is clipped; the code computes the clipped one and takes the other.
    - Its L2 term of 1e-4 has the gradient 2e-4 w, so that is the ``weight_decay`` here.

    Args:
        restart: epochs of the first cosine of the learning rate; each is twice as long as the one
            before.
        controller_steps, aggregate: see above.
        controller_lr: of the controller's Adam.
        units: of the controller's LSTM; 64 in the released code, 100 in the paper.
        temperature, tanh_constant: see the policy; a tanh constant of 0 leaves the tanh out.
        baseline: the momentum of b.
        entropy: its weight in the reward.
        skip_target, skip_weight: of the penalty; nothing on spaces without skips.
        samples: architectures measured at the end.
    """

    epochs: int = 150
    batch_size: int = 160
    lr: float = 0.05
    lr_final: float = 5e-4
    weight_decay: float = 2e-4
    val_fraction: float = 0.1
    restart: int = 10
    controller_steps: int = 30
    aggregate: int = 10
    controller_lr: float = 3.5e-3
    units: int = 64
    temperature: float = 1.0
    tanh_constant: float = 1.1
    baseline: float = 0.99
    entropy: float = 1e-4
    skip_target: float = 0.4
    skip_weight: float = 0.8
    samples: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = ("controller_steps", "aggregate", "units", "samples")
        rules = [(name, getattr(self, name) >= 1, "to at least 1") for name in counts]
        rules += [(n, getattr(self, n) > 0, "above 0") for n in ("controller_lr", "temperature")]
        weights = ("tanh_constant", "entropy", "skip_weight")
        rules += [(name, getattr(self, name) >= 0, "to 0 or more") for name in weights]
        rules += [
            ("baseline", 0 <= self.baseline < 1, "from 0 to below 1"),
            ("skip_target", 0 < self.skip_target < 1, "between 0 and 1"),
        ]
        require(self.name, self, rules)

    def recipe(self) -> Recipe:
        """Nesterov's momentum, and a cosine that starts again and again."""
        return replace(
            super().recipe(),
            optimizer=Sgd(
                momentum=self.momentum,
                nesterov=True,
                weight_decay=self.weight_decay,
                decay_norm_and_bias=True,
            ),
            schedule=CosineRestarts(self.restart, 2, self.lr_final, per_epoch=True),
        )

    def learner(self, space: Space, seed: int, device: torch.device) -> ControlledPaths:
        """A controller that is nearly uniform, and no weights yet."""
        return ControlledPaths(self, space, seed, device)


class Controller:
    """REINFORCE on a policy over a space.

    Attributes:
        policy: on the CPU.
        optimizer: its Adam.
        baseline: float64, a scalar.

    Example:
        >>> from nascout.space import SPACES
        >>> controller = Controller(Enas(baseline=0.5), SPACES["nasbench201"](), seed=0)
        >>> children = controller.draw(2, random.Random(0))
        >>> rewards = controller.learn(children, [0.5, 0.7])
        >>> [round(reward, 3) for reward in rewards]  # 1e-4 of six entropies each
        [0.501, 0.701]
        >>> round(controller.baseline.item(), 3)
        0.476
    """

    def __init__(self, knobs: Enas, space: Space, seed: int) -> None:
        self._knobs, self._space = knobs, space
        self.policy = Policy(
            space,
            units=knobs.units,
            seed=seed,
            temperature=knobs.temperature,
            tanh_constant=knobs.tanh_constant,
        )
        self.optimizer = torch.optim.Adam(
            self.policy.parameters(), lr=knobs.controller_lr, betas=BETAS, eps=EPS
        )
        self.baseline = torch.zeros((), dtype=torch.float64)

    def draw(self, count: int, rng: random.Random) -> list[Architecture]:
        """Architectures from the policy; what the space refuses is drawn again.

        Raises:
            ConfigError: it refuses nearly all.
        """
        found: list[Architecture] = []
        for _ in range(DRAWS):
            with one_thread():
                taken = self.policy.sample(count, rng)
            for values in self.policy.values(taken):
                try:
                    found.append(Architecture(self._space, values))
                except ArchitectureError:  # decisions that do not fit together
                    continue
            if len(found) >= count:
                return found[:count]
        raise ConfigError(
            f"{self._space.name} refuses nearly all that the controller draws",
            "Loosen the constraints of the space, or use rsps.",
        )

    def learn(self, children: Sequence[Architecture], accuracies: Sequence[float]) -> list[float]:
        """One step of Adam on what the policy as it is has drawn; the rewards.

        Args:
            children: in the order in which the baseline takes in their rewards.
            accuracies: as fractions, or other rewards without the bonus of the entropy.
        """
        knobs, taken = self._knobs, self.policy.numbers(children)
        with one_thread():
            log_p, entropy = self.policy(taken)
            bonus = knobs.entropy * entropy.detach().sum(1)
            rewards = torch.tensor(accuracies, dtype=torch.float64) + bonus
            loss = reinforce_loss(log_p, self._advantages(rewards))
            penalty = skip_penalty(self.policy.steps, taken, log_p, knobs.skip_target)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss + knobs.skip_weight * penalty.mean())
            self.optimizer.step()
        return [float(reward) for reward in rewards]

    def _advantages(self, rewards: Tensor) -> Tensor:
        """Each less the baseline, which has taken it in before."""
        advantages = torch.empty_like(rewards)
        for i, reward in enumerate(rewards):
            self.baseline -= (1 - self._knobs.baseline) * (self.baseline - reward)
            advantages[i] = reward - self.baseline
        return advantages

    def tensors(self) -> dict[str, Tensor]:
        """All that is learned."""
        tensors = {"baseline": self.baseline}
        for name, parameter in self.policy.named_parameters():
            state = self.optimizer.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            tensors[f"policy.{name}"] = parameter
            tensors |= {f"adam.{slot}.{name}": value for slot, value in state.items()}
        return tensors


class ControlledPaths(Paths):
    """A controller draws the architectures, and learns between epochs what to draw.

    Attributes:
        controller: it.
    """

    def __init__(
        self,
        knobs: Enas,
        space: Space,
        seed: int,
        device: torch.device,
        problem: Problem = IMAGES,
    ) -> None:
        super().__init__(space, seed, device, problem)
        self._knobs = knobs
        self.controller = Controller(knobs, space, seed)
        self._reward = 0.0

    def loss(self, batch: Batch, moment: Moment) -> Tensor:
        """Of a network that the controller draws."""
        rng = random.Random(f"path/{moment.seed}/{moment.epoch}/{moment.step}")
        return self.problem.loss(self.net, self.graph(self.controller.draw(1, rng)[0]), batch)

    def after_epoch(self, val: Iterator[Batch], moment: Moment) -> None:
        """Every step of the controller, each architecture on a batch of its own."""
        knobs = self._knobs
        rng = random.Random(f"controller/{moment.seed}/{moment.epoch}")
        rewards: list[float] = []
        for _ in range(knobs.controller_steps):
            children = self.controller.draw(knobs.aggregate, rng)
            accuracies = [self.accuracy(child, next(val)) for child in children]
            rewards += self.controller.learn(children, accuracies)
        self._reward = sum(rewards) / len(rewards)

    def accuracy(self, architecture: Architecture, batch: Batch) -> float:
        """Of the shared weights; where text is read, 80 / perplexity stands in its place."""
        return self.problem.reward(self.net, self.graph(architecture), batch)

    def found(self, judge: Judge) -> list[tuple[Architecture, float | None]]:
        """The best of some draws."""
        rng = random.Random(f"found/{self.seed}")
        return self.best(self.controller.draw(self._knobs.samples, rng), judge)

    @torch.no_grad()
    def numbers(self) -> dict[str, float]:
        """``entropy``: of a decision, on average, in nats; ``baseline``; the mean ``reward``."""
        policy = self.controller.policy
        with one_thread():
            taken = policy.sample(WATCHED, random.Random(f"watched/{self.seed}"))
            entropy = policy(taken)[1].sum() / (taken >= 0).sum()
        return {
            "entropy": float(entropy),
            "baseline": float(self.controller.baseline),
            "reward": self._reward,
        }

    def weights(self) -> dict[str, list[float]]:
        """How often each option is taken where its decision is open, of ``WATCHED`` draws."""
        policy = self.controller.policy
        with one_thread():
            taken = policy.sample(WATCHED, random.Random(f"watched/{self.seed}"))
        shares = {}
        for choice, column in zip(self.space.decisions, taken.T, strict=True):
            counts = torch.bincount(column[column >= 0], minlength=len(choice.options))
            if counts.any():
                shares[choice.name] = (counts / counts.sum()).tolist()
        return shares

    def tensors(self) -> dict[str, Tensor]:
        """The controller's."""
        return self.controller.tensors()
