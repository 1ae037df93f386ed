"""The controller of the first neural architecture search: an LSTM, trained by REINFORCE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nascout.controller.batches import Controller
from nascout.search.strategy import strategy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nascout.controller.policy import Policy

__all__ = ["NasRl"]


@strategy("nas_rl", paper="arXiv:1611.01578")
class NasRl(Controller):
    """A recurrent controller learns by REINFORCE; the reward is the cube of the accuracy.

    Section 3.2: one step of Adam on the mean over m children of ``-(R - b) log p(child)``. The LSTM
    has two layers of 35 units and starts uniform in [-.08, .08]; Adam's rate is 6e-4.

    Deviations: the paper has 100 replicas of the controller that ask 20 parameter servers and
    update them out of step; here there is one, and m = 8 is the children of a replica. Its reward
    is the largest validation accuracy of the last five epochs; here it is the ``val_accuracy`` that
    the search measures. Depth is the space's and does not grow. The baseline's momentum is not
    published. See :class:`Controller` for repeats and the first batch.

    Args:
        budget, objectives, epochs, retrain, final_epochs, children, layers, units, spread,
            temperature, tanh_constant, attention, learning_rate, momentum, power, entropy: see
            :class:`Controller`.
    """

    layers: int = 2
    units: int = 35
    spread: float = 0.08
    learning_rate: float = 6e-4
    power: float = 3.0

    def improve(
        self, policy: Policy, adam: torch.optim.Adam, taken: Tensor, advantages: Tensor
    ) -> None:
        """One step."""
        from nascout.controller.objective import reinforce_loss

        log_p, entropy = policy(taken)
        loss = reinforce_loss(log_p, advantages) - self.entropy * entropy.sum(1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
