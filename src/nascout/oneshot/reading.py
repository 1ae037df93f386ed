"""Shared weights that read text: a language model whose cell is another one at every step."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

import torch
from torch import Tensor, nn

from nascout.graph import Graph
from nascout.network.language_model import LanguageModel, States, language_model
from nascout.network.mode import evaluating
from nascout.network.shared_cell import SharedCell
from nascout.network.supernet import Supernet
from nascout.oneshot.problem import Problem
from nascout.space.darts_rnn_relaxation import DartsRnnRelaxation
from nascout.space.recurrent import RecurrentSpace
from nascout.train.batches import Batch
from nascout.train.language import perplexity
from nascout.train.language_recipe import LanguageRecipe
from nascout.train.passages import detached, passages, reading_loss
from nascout.train.randomness import seed_step

__all__ = ["Passage", "Reading", "read"]

VAL_SEED = 1  # added to that of dropout, where the architecture learns


@dataclass(frozen=True, eq=False)
class Passage(Batch):
    """A part of every row of a text.

    Attributes:
        x: words, int64, (rows, steps + 1); each but the first is to be foretold.
        states: of the network that read the part before; none at the beginning.
        seed: two numbers, of what is dropped: alike however often the passage is read, so that
            differences between readings are those of the weights.
        penalised: whether the loss has the recipe's penalties.
        after: the states behind it, of every reading so far.
    """

    states: States | None
    seed: tuple[int, int]
    penalised: bool
    after: list[States] = field(default_factory=list)


def read(
    rows: Tensor, recipe: LanguageRecipe, seed: int, epoch: int, *, again: bool = False
) -> Iterator[Passage]:
    """Passages of the rows from their beginning; each goes on from the last reading of the one
    before.

    Args:
        rows: int64, (rows, words).
        recipe: how long they are.
        seed, epoch: of what is drawn.
        again: begin anew at the end, for ever, and leave penalties out.
    """
    length, number = rows.shape[1] - 1, count()
    for _ in count() if again else range(1):
        states: States | None = None
        for part in passages(length, recipe, seed, epoch):
            words = rows[:, part.start : part.stop + 1]
            place = seed, epoch * length + next(number)
            passage = Passage(words, (words[:, 1:],), 1.0, len(rows), states, place, not again)
            yield passage
            states = detached(passage.after[-1]) if passage.after else None


class Reading(Problem):
    """Language modelling: cross-entropy, and ``scale`` / perplexity as the reward.

    Args:
        space: of the cells.
        words: of the vocabulary.
        recipe: its dropouts and penalties are those of the training.
        seed, device: of the weights.
        scale: c of ENAS's reward (arXiv:1802.03268, section 3.1: 80).
        relaxation: of the space, if it is what is trained.
    """

    higher_is_better = False

    def __init__(
        self,
        space: RecurrentSpace,
        words: int,
        recipe: LanguageRecipe,
        seed: int,
        device: torch.device,
        *,
        scale: float = 80.0,
        relaxation: DartsRnnRelaxation | None = None,
    ) -> None:
        self.recipe, self.scale = recipe, scale
        self._plain = replace(recipe, activity=0.0, slowness=0.0)
        any_graph = space.sample(random.Random(0)).graph()  # its states are those of all
        self.cell = SharedCell(Supernet(seed, device), any_graph, relaxation)
        made = language_model([self.cell], vocabulary=words, dropouts=recipe.dropouts, seed=seed)
        self.model: LanguageModel = made.to(device)

    def supernet(self, seed: int, device: torch.device) -> Supernet:
        """The cell's."""
        return self.cell.net

    def trained(self, net: Supernet) -> nn.Module:
        """The whole model."""
        return self.model

    def loss(
        self,
        net: Supernet,
        graph: Graph,
        batch: Batch,
        gates: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Of the words of a passage, with dropout and, where weights learn, penalties."""
        assert isinstance(batch, Passage)
        seed_step(*batch.seed, batch.x.device)
        return self._read(graph, batch, gates, self.recipe if batch.penalised else self._plain)

    @torch.no_grad()
    def reward(self, net: Supernet, graph: Graph, batch: Batch) -> float:
        """``scale`` / perplexity of a passage, without dropout."""
        assert isinstance(batch, Passage)
        with evaluating(self.model):
            return self.scale * math.exp(-float(self._read(graph, batch, None, self._plain)))

    def _read(
        self,
        graph: Graph,
        passage: Passage,
        gates: Mapping[str, Tensor] | None,
        recipe: LanguageRecipe,
    ) -> Tensor:
        self.cell.use(graph, gates)
        _, loss, after = reading_loss(self.model, passage.x, passage.states, recipe)
        passage.after[:] = [detached(after)]
        return loss

    def perplexity(self, graph: Graph, words: Tensor) -> float:
        """Of the plain network ``graph`` with the weights as they are, on words (n,)."""
        self.cell.use(graph)
        return perplexity(self.model, words)
