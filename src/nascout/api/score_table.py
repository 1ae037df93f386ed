"""Scores of what the user named, one row per target and score, with what to know about each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from nascout.api.targets import Target
from nascout.errors import ConfigError, NascoutError
from nascout.network.memory import is_out_of_memory
from nascout.records import Outcome, Score
from nascout.score.card import Card
from nascout.score.composite import Composite
from nascout.score.evaluate import evaluate, resolve
from nascout.score.outputs import first_output
from nascout.score.untouched import untouched

__all__ = ["noise", "score_table"]


def noise(targets: Sequence[Target], shape: tuple[int, ...], n: int) -> tuple[Tensor, Tensor]:
    """Standard normal inputs (n, *shape) and random labels (n,) that every target has outputs for.

    Raises:
        ConfigError: a target that rejects such a batch.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((n, *shape), generator=generator)
    classes = min(_outputs(target, x) for target in targets)
    return x, torch.randint(classes, (n,), generator=generator)


def score_table(
    targets: Sequence[Target],
    x: Tensor,
    labels: Tensor,
    names: Iterable[str],
    *,
    seeds: int = 1,
    about: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Score every target by every score; what a score cannot do is an outcome in its row.

    Args:
        targets: what to score.
        x: (n, ...) a batch.
        labels: (n,) its classes.
        names: of scores; ``"all"`` is every score that needs no population.
        seeds: how many initialisations.
        about: warnings about the batch, for every row.

    Returns:
        Rows of ``target``, ``score``, ``value`` (mean over seeds), ``spread`` (standard deviation;
        None for one seed), ``per_seed``, ``better`` ("higher" or "lower"), ``seconds``,
        ``outcome`` and ``warnings``.

    Raises:
        UnknownName: no such score.
        ConfigError: a target that rejects the batch, or one alone for a score of a population.
    """
    wanted = resolve(names)
    for target in targets:
        _outputs(target, x)
    columns = [_column(one, targets, x, labels, seeds) for one in wanted]
    return [
        {
            "target": target.name,
            "score": score.name,
            "value": score.value,
            "spread": score.spread if len(score.per_seed) > 1 else None,
            "per_seed": list(score.per_seed),
            "better": "higher" if score.higher_is_better else "lower",
            "seconds": score.seconds,
            "outcome": str(score.outcome),
            "warnings": [*about, *target.warnings, *notes],
        }
        for target, row in zip(targets, zip(*columns, strict=True), strict=True)
        for score, notes in row
    ]


def _outputs(target: Target, x: Tensor) -> int:
    """How many outputs the target has per sample of ``x``, from one forward pass."""
    net = target.make()
    try:
        with untouched(net), torch.no_grad():
            return first_output(net.eval()(x), len(x)).shape[-1]
    except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as error:
        if is_out_of_memory(error):
            raise ConfigError(f"no memory for {target.name}", "Lower --batch.") from error
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{target.name} rejects a batch of shape {tuple(x.shape)} ({reason})",
            "Give --input-shape CHANNELS,HEIGHT,WIDTH for noise of its shape, or --data that fits "
            "(--image-size N resizes).",
        ) from error


def _column(
    one: Card | Composite, targets: Sequence[Target], x: Tensor, labels: Tensor, seeds: int
) -> list[tuple[Score, list[str]]]:
    """Each target's score, with notes. A composite ranks all of them together."""
    if isinstance(one, Composite):
        scores, notes = _scores(one, targets, x, labels, seeds)
        return [(score, [*notes, *_notes(one, score, len(x))]) for score in scores]
    found = []
    for target in targets:
        (score,), notes = _scores(one, [target], x, labels, seeds)
        found.append((score, [*notes, *_notes(one, score, len(x))]))
    return found


def _scores(
    one: Card | Composite, targets: Sequence[Target], x: Tensor, labels: Tensor, seeds: int
) -> tuple[list[Score], list[str]]:
    """The scores, and what Python warned of meanwhile."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)  # about code, not about values
        try:
            subjects = [target.subject for target in targets]
            scores = evaluate(subjects, x, one.name, labels=labels, seeds=seeds)
        except NascoutError:
            raise
        except Exception as error:  # noqa: BLE001 - a foreign network may fail in any way
            message = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            failed = Score(
                one.name, math.nan, one.higher_is_better, Outcome.FAILED, message=message
            )
            scores = [failed] * len(targets)
    return scores, list(dict.fromkeys(str(warning.message) for warning in seen))


def _notes(one: Card | Composite, score: Score, n: int) -> list[str]:
    cards = one.cards if isinstance(one, Composite) else (one,)
    notes = [
        f"{n} samples, where the paper takes {card.batch}"
        for card in cards
        if card.batch is not None and n < card.batch
    ]
    if score.message:
        notes.append(score.message)
    if score.outcome is Outcome.UNSUPPORTED and isinstance(one, Card):
        notes.append(f"{one.name} applies to {one.applies}")
    return notes
