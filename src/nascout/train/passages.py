"""A text in rows, read part by part, and what is minimised on a part."""

from __future__ import annotations

import random
from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional as F

from nascout.errors import DataError
from nascout.network.language_model import LanguageModel, States
from nascout.train.language_recipe import LanguageRecipe

__all__ = ["cut_rows", "detached", "passages", "reading_loss"]

LEAST = 5  # steps of a part
SPREAD = 5.0  # standard deviation of their number


def cut_rows(words: Tensor, count: int) -> Tensor:
    """(count, length) of the text (n,), cut into ``count`` pieces that follow one another.

    Raises:
        DataError: pieces of less than two words.

    >>> import torch
    >>> cut_rows(torch.arange(7), 2)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    length = len(words) // count
    if length < 2:
        raise DataError(
            f"{len(words)} words cannot be read in {count} rows", "Give a smaller batch_size."
        )
    return words[: count * length].view(count, length)


def passages(length: int, recipe: LanguageRecipe, seed: int, epoch: int) -> Iterator[slice]:
    """Of ``length`` steps of time, one part after another; the word behind each is read, too."""
    rng = random.Random(f"{seed}/{epoch}")
    start = 0
    while start < length:
        steps = recipe.steps
        if recipe.varied:
            mean = steps if rng.random() < 0.95 else steps / 2
            steps = max(LEAST, int(rng.gauss(mean, SPREAD)))
        yield slice(start, min(start + steps, length))
        start += steps


def reading_loss(
    net: LanguageModel, words: Tensor, states: States | None, recipe: LanguageRecipe
) -> tuple[Tensor, Tensor, States]:
    """The mean loss of each word after the first, the same with the recipe's penalties, and the
    states behind the last.

    Args:
        words: int64, (n, t).
        states: before the first word; no gradient goes through them.
    """
    outputs, after = net.outputs(words[:, :-1], states and detached(states))
    dropped = net.drop_outputs(outputs)
    loss = F.cross_entropy(net.decoder(dropped).flatten(0, 1), words[:, 1:].flatten())
    penalised = loss
    if recipe.activity:
        penalised = penalised + recipe.activity * dropped.square().mean()
    if recipe.slowness and outputs.shape[1] > 1:
        change = (outputs[:, 1:] - outputs[:, :-1]).square().mean()
        penalised = penalised + recipe.slowness * change
    return loss, penalised, after


def detached(states: States) -> States:
    """Without the past that made them."""
    return tuple(tuple(state.detach() for state in layer) for layer in states)
