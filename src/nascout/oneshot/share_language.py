"""Sharing weights between the recurrent cells of language models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from nascout.data.text import Text
from nascout.errors import ConfigError
from nascout.oneshot.language_method import LanguageMethod
from nascout.oneshot.learner import SharedEpoch
from nascout.oneshot.reading import VAL_SEED, Passage, read
from nascout.oneshot.sharing import Shared, Sharing, run
from nascout.space import Architecture, Space
from nascout.space.recurrent import RecurrentSpace
from nascout.train.batches import Batch
from nascout.train.parallel import find_crew
from nascout.train.passages import cut_rows, passages

__all__ = ["share_language"]


def share_language(
    method: LanguageMethod,
    space: Space,
    text: Text,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
    checkpoint: Path | None = None,
    on_epoch: Callable[[SharedEpoch], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Shared:
    """Train shared weights on ``text.train`` and find cells, which learn from ``text.val``.

    As in the papers, alphas and controllers read the validation text, and so does the last choice;
    what is reported of a retrained cell should be of another. ``text.test`` is never looked at.
    Both texts are read in rows, from part to part with the states of the part before, whichever
    cell made them; every epoch begins without a past. All that is drawn is a function of the seed
    and the step: a sharing that is resumed ends with the same bits as one that was never
    interrupted.

    Args:
        method: the knobs, a record of ``LANGUAGE_METHODS``.
        space: of recurrent cells, as wide as the model that shares. What is found is as good
            a cell of any width: ``wider.parse(str(found))``.
        text: what to read.
        seed: any integer.
        device: where everything runs.
        checkpoint: written after every epoch, and resumed from.
        on_epoch: called after every epoch, once it is on disk.
        should_stop: asked before every step.

    Returns:
        Cells, the best first, with the perplexity of the validation text under shared weights
        where it was measured (not for DARTS, which ends in one).

    Raises:
        Stopped: ``should_stop`` said yes; the finished epochs are in ``checkpoint``.
        Diverged: the loss became NaN or infinite.
        ConfigError: a space that the method cannot search, or several processes.
        DataError: a text too short for the rows.

    Example:
        >>> from dataclasses import replace
        >>> from nascout.data.text import make_text
        >>> from nascout.oneshot import LANGUAGE_METHODS
        >>> from nascout.space import SPACES
        >>> text = make_text("abc", [list("abc" * 60), list("abc" * 20), list("abc" * 20)])
        >>> rsps = LANGUAGE_METHODS["rsps"](samples=2)
        >>> short = replace(rsps, recipe=replace(rsps.recipe, epochs=1, batch_size=2))
        >>> shared = share_language(short, SPACES["darts_rnn"](width=4), text)
        >>> [round(one, -1) for one in sorted(p for _, p in shared.architectures)]
        [0.0, 0.0]
    """
    sharing = _Sharing(method, space, text, seed, torch.device(device))
    return run(sharing, checkpoint, on_epoch, should_stop)


class _Sharing(Sharing):
    """A learner, its language model, and both texts in rows."""

    def __init__(
        self, method: LanguageMethod, space: Space, text: Text, seed: int, device: torch.device
    ) -> None:
        crew = find_crew()
        if crew.size > 1:
            raise ConfigError("cells share weights in one process", "Start no process group.")
        if not isinstance(space, RecurrentSpace):
            raise ConfigError(
                f"{space.name} has no recurrent cells",
                "Share weights between classifiers by nascout.oneshot.share.",
            )
        self.method, self.space, self.text, self.recipe = method, space, text, method.recipe
        self.reading = method.reading(space, len(text.words), seed, device)
        learner = method.learner(space, self.reading, seed, device)
        self.train = cut_rows(text.train, self.recipe.batch_size).to(device)
        self.val = cut_rows(text.val, self.recipe.batch_size).to(device)
        super().__init__(
            learner,
            # One group: the weights of later cells join it when they appear.
            torch.optim.SGD(
                [{"params": []}],
                lr=self.recipe.lr,
                weight_decay=self.recipe.weight_decay,
                foreach=True,
            ),
            epochs=self.recipe.epochs,
            clip=self.recipe.gradient_clip,
            seed=seed,
            device=device,
            crew=crew,
        )

    def steps(self, epoch: int) -> int:
        return len(list(passages(self.train.shape[1] - 1, self.recipe, self.seed, epoch)))

    def training(self, epoch: int) -> Iterator[Passage]:
        return read(self.train, self.recipe, self.seed, epoch)

    def validation(self, epoch: int) -> Iterator[Passage]:
        return read(self.val, self.recipe, self.seed + VAL_SEED, epoch, again=True)

    def rate(self, epoch: int, step: int, batch: Batch) -> float:
        return self.method.lr(epoch) * (batch.x.shape[1] - 1) / self.recipe.steps

    def amount(self, batch: Batch) -> int:
        return batch.x[:, 1:].numel()

    def judge(self, architecture: Architecture) -> float:
        """Perplexity of the validation text."""
        graph = self.space.shared_graph(architecture)
        self.learner.net.hold(graph)
        return self.reading.perplexity(graph, self.text.val)

    def identity(self) -> dict[str, Any]:
        return {
            "method": {"name": self.method.name, **asdict(self.method)},
            "space": {"name": self.space.name, **self.space.parameters()},
            "seed": self.seed,
            "text": self.text.content(),
        }
