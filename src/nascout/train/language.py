"""Training a language model, and its perplexity."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from nascout.data.text import Text
from nascout.errors import DataError
from nascout.network.language_model import LanguageModel, States
from nascout.network.mode import evaluating
from nascout.records import content_digest
from nascout.train.endings import Diverged, Stopped
from nascout.train.language_recipe import LanguageRecipe
from nascout.train.passages import cut_rows, passages, reading_loss
from nascout.train.randomness import private_global_rng, seed_step
from nascout.train.tensor_file import read_tensors, write_tensors

__all__ = ["LanguageEpoch", "TrainedLanguage", "fit_language", "perplexity"]


@dataclass(frozen=True)
class LanguageEpoch:
    """One finished epoch.

    Attributes:
        epoch, epochs: counted from 1.
        train_perplexity: of the words of the epoch, with dropout.
        val_perplexity: of the validation part, of the averaged weights where there are any.
        averaged: whether there are.
        seconds: wall time; no part of equality.
    """

    epoch: int
    epochs: int
    train_perplexity: float
    val_perplexity: float
    averaged: bool
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class TrainedLanguage:
    """A finished training.

    Attributes:
        val_perplexity: the lowest, of the epoch whose weights were kept.
        curve: every epoch.
    """

    val_perplexity: float
    curve: tuple[LanguageEpoch, ...]


def fit_language(
    net: LanguageModel,
    text: Text,
    recipe: LanguageRecipe,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
    on_epoch: Callable[[LanguageEpoch], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainedLanguage:
    """Train ``net`` in place on ``text.train``; it ends with its best weights, in evaluation mode.

    The best are those of the epoch with the lowest validation perplexity. ``text.test`` is never
    looked at. All that is drawn is a function of (seed, step), so a training that is resumed ends
    with the same bits as one that was not interrupted. ``net.dropouts`` become the recipe's.

    Args:
        net: the model; its decoder knows the text's words.
        text: what to read.
        recipe: how.
        epochs: instead of the recipe's.
        seed: any integer.
        device: where to train.
        checkpoint: written after every epoch, and resumed from.
        on_epoch: called after every epoch, once it is on disk.
        should_stop: asked before every step.

    Raises:
        Stopped: ``should_stop`` said yes; the finished epochs are in ``checkpoint``.
        Diverged: the loss became NaN or infinite.
        DataError: a text too short for the batch, or with more words than the network knows.

    Example:
        >>> from nascout.data.text import make_text
        >>> from nascout.network.language_model import language_model
        >>> from nascout.space import SPACES
        >>> from nascout.train.language_recipe import language_recipes
        >>> text = make_text("abc", [list("abc" * 3000), list("abc" * 20), list("abc" * 20)])
        >>> space = SPACES["darts_rnn"](width=8)
        >>> net = language_model(space.parse(space.known["darts_rnn_v2"]), vocabulary=3)
        >>> fit_language(net, text, language_recipes["short"]).val_perplexity < 2
        True
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    trainer = _Reader(net, text, recipe, seed, torch.device(device))
    curve = trainer.resume(checkpoint) if checkpoint else ()
    for epoch in range(len(curve), recipe.epochs):
        start = time.perf_counter()
        with private_global_rng(trainer.device):
            loss = trainer.epoch(epoch, should_stop or (lambda: False))
        val = trainer.val_loss()
        trainer.keep(val, [math.log(one.val_perplexity) for one in curve])
        done = LanguageEpoch(
            epoch + 1,
            recipe.epochs,
            _exp(loss),
            _exp(val),
            trainer.average is not None,
            time.perf_counter() - start,
        )
        curve = (*curve, done)
        if checkpoint:
            trainer.save(checkpoint, curve)
        if on_epoch:
            on_epoch(done)
    net.load_state_dict(trainer.best)
    net.eval()
    return TrainedLanguage(min(one.val_perplexity for one in curve), curve)


@torch.no_grad()
def perplexity(net: LanguageModel, words: Tensor, *, batch_size: int = 10) -> float:
    """exp of the mean loss of every word given those before it, in evaluation mode.

    The text is cut into ``batch_size`` rows, each of which begins without a past; what is left
    over is not read.

    Args:
        net: the model, on its device.
        words: int64, (n,).
        batch_size: rows.
    """
    return _exp(_mean_loss(net, cut_rows(words, batch_size)))


class _Reader:
    """A model, its text in rows, SGD and the average."""

    def __init__(
        self,
        net: LanguageModel,
        text: Text,
        recipe: LanguageRecipe,
        seed: int,
        device: torch.device,
    ) -> None:
        self.net, self.recipe, self.seed, self.device = net.to(device), recipe, seed, device
        self.text = text
        if net.embedding.num_embeddings < len(text.words):
            raise DataError(
                f"{text.name} has {len(text.words)} words, the network "
                f"{net.embedding.num_embeddings}",
                f"Make it with vocabulary={len(text.words)}.",
            )
        net.dropouts = recipe.dropouts
        self.rows = cut_rows(text.train, recipe.batch_size).to(device)
        self.val = cut_rows(text.val, 10).to(device)
        self.optimizer = torch.optim.SGD(
            net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, foreach=True
        )
        self.average: AveragedModel | None = None
        self.best: dict[str, Tensor] = {}
        self._lowest = math.inf

    def epoch(self, number: int, should_stop: Callable[[], bool]) -> float:
        """One pass over the text; the mean loss of its words."""
        total, seen = torch.zeros((), device=self.device), 0
        states: States | None = None
        self.net.train()
        for step, part in enumerate(self._parts(number)):
            if should_stop():
                raise Stopped
            seed_step(self.seed, number * self.rows.shape[1] + step, self.device)
            words = self.rows[:, part.start : part.stop + 1]
            loss, states = self._step(words, states)
            total += loss * (words.shape[1] - 1)
            seen += words.shape[1] - 1
        if not total.isfinite():
            raise Diverged(
                f"the loss became NaN or infinite in epoch {number + 1}",
                "Lower the learning rate or clip the gradient.",
            )
        return float(total) / seen

    def _parts(self, epoch: int) -> Iterator[slice]:
        return passages(self.rows.shape[1] - 1, self.recipe, self.seed, epoch)

    def _step(self, words: Tensor, states: States | None) -> tuple[Tensor, States]:
        """Move the weights once; the mean loss of the words, and the states behind them."""
        recipe, net = self.recipe, self.net
        loss, penalised, after = reading_loss(net, words, states, recipe)
        self.optimizer.zero_grad()
        torch.autograd.backward(penalised)
        if recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), recipe.gradient_clip)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * (words.shape[1] - 1) / recipe.steps
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(net)
        return loss.detach(), after

    @property
    def measured(self) -> LanguageModel:
        """The model whose weights count: the average, where there is one."""
        return self.net if self.average is None else cast(LanguageModel, self.average.module)

    @torch.no_grad()
    def val_loss(self) -> float:
        """Mean over the validation words."""
        return _mean_loss(self.measured, self.val)

    def keep(self, loss: float, before: list[float]) -> None:
        """Remember the best weights; begin to average when nothing has improved for long.

        Args:
            loss: of this epoch.
            before: of the epochs before it.
        """
        if loss < self._lowest:
            self._lowest = loss
            self.best = {n: t.detach().clone() for n, t in self.measured.state_dict().items()}
        patience = self.recipe.patience
        if patience is None or self.average is not None or len(before) <= patience:
            return
        if loss > min(before[:-patience]):
            self.average = AveragedModel(self.net)

    def save(self, path: Path, curve: tuple[LanguageEpoch, ...]) -> None:
        """Write everything that :meth:`resume` needs."""
        tensors = {f"net.{n}": t for n, t in self.net.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        if self.average is not None:
            tensors |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        content = {"identity": self._identity(), "curve": [asdict(one) for one in curve]}
        write_tensors(path, tensors, {**content, "lowest": self._lowest})

    def resume(self, path: Path) -> tuple[LanguageEpoch, ...]:
        """The epochs already done according to ``path``, whose state is then loaded."""
        found = read_tensors(path)
        if found is None or found[1].get("identity") != self._identity():
            return ()
        tensors, content = found
        self.net.load_state_dict(_named(tensors, "net."))
        self.best = _named(tensors, "best.")
        self._lowest = content["lowest"]
        average = _named(tensors, "average.")
        if average:
            self.average = AveragedModel(self.net)
            self.average.load_state_dict(average)
        return tuple(LanguageEpoch(**one) for one in content["curve"])

    def _identity(self) -> str:
        cells = [layer.graph.to_json() for layer in self.net.layers]
        shapes = [[name, list(t.shape)] for name, t in self.net.state_dict().items()]
        recipe = asdict(self.recipe)
        return content_digest([recipe, self.text.content(), self.seed, cells, shapes])


def _mean_loss(net: LanguageModel, rows: Tensor, steps: int = 70) -> float:
    device = net.embedding.weight.device
    total, length = 0.0, rows.shape[1] - 1
    states: States | None = None
    bounds = [*range(0, length, steps), length]
    with evaluating(net):
        for start, stop in pairwise(bounds):
            words = rows[:, start : stop + 1].to(device)
            logits, states = net.run(words[:, :-1], states)
            loss = F.cross_entropy(logits.flatten(0, 1), words[:, 1:].flatten())
            total += float(loss) * (stop - start)
    if not math.isfinite(total):
        raise Diverged("an output is NaN or infinite", "Train with a lower learning rate.")
    return total / length


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _exp(loss: float) -> float:
    return math.exp(loss) if loss < 700 else math.inf
