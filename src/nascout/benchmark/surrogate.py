"""A fitted model that answers for architectures outside a table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nascout.atomic import write_text
from nascout.benchmark.agreement import kendall
from nascout.benchmark.bootstrap import Floats
from nascout.benchmark.trees import Trees, fit_trees
from nascout.errors import ConfigError, DataError
from nascout.space import SPACES, Architecture, Space

__all__ = ["FEWEST", "Surrogate", "fit_surrogate", "read_surrogate"]

FORMAT = 1
FEWEST = 50  # architectures to fit to


@dataclass(frozen=True)
class Surrogate:
    """Boosted trees over the one-hot code of an architecture, see :meth:`Space.encode`.

    Attributes:
        space: name of the space.
        target: what is predicted, in words.
        log: whether the trees predict the logarithm; a prediction is of the value itself.
        trees: the model, fitted to all but the held-out architectures.
        held_out: how good it is on them: ``count``, ``kendall`` (tau-b), ``r2``, ``mae``.
    """

    space: str
    target: str
    log: bool
    trees: Trees
    held_out: Mapping[str, float]

    def predict(self, architectures: Sequence[Architecture | str]) -> Floats:
        """(architectures,): the value of each, which need not be in any table.

        Raises:
            ConfigError: an architecture of another space.
            ArchitectureError: text that is no architecture of the space.
        """
        space = SPACES[self.space]()
        parsed = [space.parse(a) if isinstance(a, str) else a for a in architectures]
        for architecture in parsed:
            if architecture.space.name != self.space:
                raise ConfigError(
                    f"the surrogate is of the space {self.space}, not {architecture.space.name}",
                    f"Ask with one of {self.space}.",
                )
        if not parsed:
            return np.empty(0)
        found = self.trees.predict(_codes(parsed))
        return np.exp(found) if self.log else found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON."""
        content = {
            "format": FORMAT,
            "space": self.space,
            "target": self.target,
            "log": self.log,
            "held_out": dict(self.held_out),
            "trees": self.trees.to_dict(),
        }
        return write_text(path, json.dumps(content))


def read_surrogate(path: str | os.PathLike[str]) -> Surrogate:
    """What :meth:`Surrogate.save` wrote.

    Raises:
        DataError: no such file, or another content.
        UnknownName: a space that is not registered.
    """
    try:
        content = json.loads(Path(path).read_text())
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        trees = Trees.from_dict(content.pop("trees"))
        found = Surrogate(trees=trees, **content)
    except FileNotFoundError:
        raise DataError(f"no file {path}", "Fit a surrogate first.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no surrogate ({error})", "Give a file that Surrogate.save wrote."
        ) from None
    SPACES[found.space]
    return found


def fit_surrogate(
    architectures: Sequence[Architecture],
    values: Sequence[float] | Floats,
    *,
    target: str = "value",
    log: bool = False,
    trees: int = 2000,
    seed: int = 0,
) -> Surrogate:
    """Fit boosted trees to nine tenths, and say how good they are on the last tenth.

    Args:
        architectures: of one space; the same one never falls into both parts.
        values: one number each; what is not finite is left out.
        target: what they are, in words.
        log: fit the logarithm; the values must be positive.
        trees: how many.
        seed: of the division and the fit.

    Raises:
        ConfigError: fewer than 50 distinct architectures with values, several spaces, or values
            that have no logarithm.
    """
    known: dict[Architecture, list[float]] = {}
    for architecture, value in zip(architectures, values, strict=True):
        if np.isfinite(value):
            known.setdefault(architecture, []).append(float(value))
    spaces = {architecture.space.name for architecture in known}
    if len(known) < FEWEST or len(spaces) > 1:
        raise ConfigError(
            f"{len(known)} architectures of {len(spaces)} spaces have a value",
            f"Give at least {FEWEST} of one space.",
        )
    truth = np.array([float(np.mean(found)) for found in known.values()])
    if log and (truth <= 0).any():
        raise ConfigError(f"{target} has values that are not positive", "Fit it without log.")
    codes = _codes(list(known))
    order = np.random.default_rng(seed).permutation(len(truth))
    tested, fitted = np.split(order, [max(1, len(order) // 10)])
    model = fit_trees(
        codes[fitted], np.log(truth[fitted]) if log else truth[fitted], trees=trees, seed=seed
    )
    guessed = model.predict(codes[tested])
    quality = _quality(np.exp(guessed) if log else guessed, truth[tested])
    return Surrogate(spaces.pop(), target, log, model, quality)


def _quality(guessed: Floats, truth: Floats) -> dict[str, float]:
    errors = guessed - truth
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = 1 - (errors**2).mean() / truth.var()
    tau = kendall(guessed, truth, np.ones((1, len(truth))))[0]
    return {
        "count": len(truth),
        "kendall": float(tau),
        "r2": float(r2),
        "mae": float(abs(errors).mean()),
    }


def _codes(architectures: Sequence[Architecture]) -> Floats:
    space: Space = architectures[0].space
    return np.array([space.encode(architecture) for architecture in architectures], dtype=float)
