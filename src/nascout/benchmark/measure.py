"""What a column of a benchmark holds, and how one column is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from nascout.errors import ConfigError, DataError

__all__ = ["COORDINATES", "MEAN", "Measure", "choices", "choose", "matching", "read_measures"]

#: What one asks by, in the order in which a missing answer is asked for.
COORDINATES = ("metric", "dataset", "split", "epochs", "seed", "device")
MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What the numbers in one column are; ``None`` where a coordinate means nothing.

    Attributes:
        metric: ``accuracy``, ``loss``, ``params``, ``latency_ms``, ...
        dataset: what was trained on, by the benchmark's own name: ``cifar10-valid`` is not
            ``cifar10``.
        split: what was measured on: ``train``, ``val``, ``test``.
        epochs: length of the training.
        seed: of the training, or ``"mean"`` over those there are.
        device: what a latency or throughput was measured on.
        higher_is_better: ``None`` where there is no better.
        unit: of the values that are returned.
        scale: what the stored number is multiplied by.
        about: anything else to know.
    """

    metric: str
    dataset: str | None = None
    split: str | None = None
    epochs: int | None = None
    seed: int | str | None = None
    device: str | None = None
    higher_is_better: bool | None = None
    unit: str = ""
    scale: float = 1.0
    about: str = ""

    @property
    def coordinates(self) -> dict[str, Any]:
        """Those that mean something here."""
        found = {key: getattr(self, key) for key in COORDINATES}
        return {key: value for key, value in found.items() if value is not None}

    @property
    def judges(self) -> bool:
        """Whether it is an accuracy: of a split, and better the higher."""
        return self.higher_is_better is True and self.split is not None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; what is as by default is left out."""
        plain = Measure(metric="")
        return {k: v for k, v in asdict(self).items() if v != getattr(plain, k)}


def read_measures(columns: Mapping[str, Any], where: str) -> dict[str, Measure]:
    """Measures by column from JSON-able content, such as ``{"top1": {"metric": "accuracy"}}``.

    Raises:
        DataError: names the column whose description cannot be read, or the two that say the same.

    >>> read_measures({"top1": {"metric": "accuracy", "seed": 0}}, "here")["top1"].seed
    0
    """
    known = {field.name for field in fields(Measure)}
    measures: dict[str, Measure] = {}
    places: dict[tuple[Any, ...], str] = {}
    for column, content in columns.items():
        if (
            not isinstance(content, Mapping)
            or "metric" not in content
            or not content.keys() <= known
        ):
            raise DataError(
                f"column {column!r} of {where} is described by {content!r}",
                f"Give its metric, and what applies of {', '.join(sorted(known - {'metric'}))}.",
            )
        measure = measures[column] = Measure(**content)
        twin = places.setdefault(tuple(measure.coordinates.items()), column)
        if twin != column:
            raise DataError(
                f"columns {twin!r} and {column!r} of {where} say they are the same",
                "Tell them apart by a coordinate such as seed or metric.",
            )
    return measures


def matching(measures: Mapping[str, Measure], asked: Mapping[str, Any]) -> dict[str, Measure]:
    """The measures with every coordinate that is asked for; ``None`` asks for nothing."""
    wanted = {key: value for key, value in asked.items() if value is not None}
    return {
        column: measure
        for column, measure in measures.items()
        if all(getattr(measure, key) == value for key, value in wanted.items())
    }


def choices(measures: Mapping[str, Measure]) -> dict[str, list[Any]]:
    """Every value of every coordinate among ``measures``; coordinates without any are left out."""
    found = {key: _values(measures.values(), key) for key in COORDINATES}
    return {
        key: kept for key, values in found.items() if (kept := [v for v in values if v is not None])
    }


def choose(owner: str, measures: Mapping[str, Measure], asked: Mapping[str, Any]) -> str:
    """The one column that is asked for.

    A coordinate may be left open where only one value is left for it.

    Raises:
        ConfigError: a coordinate that must be given, or a value that is not there; lists the
            values that are.

    >>> kinds = {"v": Measure(metric="accuracy", split="val"), "p": Measure(metric="params")}
    >>> choose("it", kinds, {"metric": "accuracy"})
    'v'
    >>> choose("it", kinds, {})
    Traceback (most recent call last):
    nascout.errors.ConfigError: it needs metric=. Give 'accuracy' or 'params'.
    """
    left, said = dict(measures), ""
    for key in COORDINATES:
        found, wanted = _values(left.values(), key), asked.get(key)
        if wanted is None and len(found) == 1:
            continue
        listed = " or ".join(map(repr, (value for value in found if value is not None)))
        if wanted is None:
            raise ConfigError(f"{owner} needs {key}={said}", f"Give {listed}.")
        if wanted not in found:
            remedy = f"It has {listed}." if listed else f"Leave {key}= out."
            raise ConfigError(f"{owner} has no {key}={wanted!r}{said}", remedy)
        left = matching(left, {key: wanted})
        said += f"{', ' if said else ' for '}{key}={wanted!r}"
    return next(iter(left))


def _values(measures: Iterable[Measure], key: str) -> list[Any]:
    """Distinct, in order of appearance."""
    return list(dict.fromkeys(getattr(measure, key) for measure in measures))
