"""NASNet's controller: an LSTM, trained by proximal policy optimisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascout.controller.batches import Controller
from nascout.errors import ConfigError
from nascout.search.strategy import strategy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nascout.controller.policy import Policy

__all__ = ["Ppo"]


@strategy("ppo", paper="arXiv:1707.07012")
class Ppo(Controller):
    """NASNet's recurrent controller learns by PPO; the reward is the accuracy.

    Appendix of the paper: one layer of 100 units that starts uniform in [-.1, .1], a batch of 20
    children, Adam at 3.5e-4, an entropy weight of 1e-5, a baseline of momentum .95. On each batch
    the clipped objective of :func:`nascout.controller.objective.ppo_loss` is descended ``passes``
    times.

    The paper publishes neither the clip nor the number of passes; .2 is PPO's own default, 4 is
    ours. It has no critic, and neither has this: one reward, less the baseline, is the advantage of
    all decisions of a child. See :class:`Controller` for repeats and the first batch.

    Args:
        budget, objectives, epochs, retrain, final_epochs, children, layers, units, spread,
            temperature, tanh_constant, attention, learning_rate, momentum, power, entropy: see
            :class:`Controller`.
        clip: how far the probability of a decision may move on one batch, relative to itself.
        passes: steps of Adam on each batch.
    """

    children: int = 20
    learning_rate: float = 3.5e-4
    entropy: float = 1e-5
    clip: float = 0.2
    passes: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.clip > 0 and self.passes > 0):
            raise ConfigError(
                f"ppo: clip = {self.clip}, passes = {self.passes}", "Give more than 0 for both."
            )

    def improve(
        self, policy: Policy, adam: torch.optim.Adam, taken: Tensor, advantages: Tensor
    ) -> None:
        """``passes`` steps."""
        from nascout.controller.objective import ppo_loss

        before = None
        for _ in range(self.passes):
            log_p, entropy = policy(taken)
            before = log_p.detach() if before is None else before
            loss = ppo_loss(log_p, before, advantages, self.clip)
            adam.zero_grad()
            (loss - self.entropy * entropy.sum(1).mean()).backward()
            adam.step()
