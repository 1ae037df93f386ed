"""The conformance battery of a benchmark: what a query promises."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from nascout.benchmark import Benchmark
from nascout.benchmark.bootstrap import Floats
from nascout.errors import ConfigError, NascoutError
from nascout.space import SPACES

__all__ = ["check_benchmark"]


def check_benchmark(
    opened: Callable[[], Benchmark], samples: int = 20, seed: int = 0, *, lazy: bool = True
) -> None:
    """Check that a benchmark is read-only, explicit and consistent with itself.

    Args:
        opened: opens the benchmark anew.
        samples: architectures to ask about.
        seed: of the choice.
        lazy: opening and one query read the columns that are asked for, and no other.

    Raises:
        AssertionError: names the promise that is broken.

    Example:
        >>> check_benchmark(lambda: nascout.benchmark(name, path))            # doctest: +SKIP
    """
    found = opened()
    rng = random.Random(seed)
    architectures = list(found)
    drawn = rng.sample(architectures, min(samples, len(architectures)))
    promises: dict[str, Callable[[], None]] = {
        "architectures": lambda: _architectures(found, architectures, drawn),
        "measures": lambda: _measures(found),
        "a query is the frame's value": lambda: _queries(found, drawn),
        "read-only": lambda: _read_only(found, opened()),
        "splits are kept apart": lambda: _splits(found),
        "what is not there is refused with what is": lambda: _refusals(found, drawn[0]),
        "the best": lambda: _best(found),
    }
    if lazy:
        promises["columns are read when asked for"] = lambda: _lazy(opened())
    for what, check in promises.items():
        with _promise(found, what):
            check()


@contextmanager
def _promise(found: Benchmark, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        name = getattr(found, "name", "?")
        raise AssertionError(f"benchmark {name!r} breaks {what!r}: {error}") from error


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise AssertionError(why)


def _architectures(found: Benchmark, architectures: list[str], drawn: list[str]) -> None:
    _require(len(found) == len(architectures) > 0, f"{len(found)} promised")
    _require(len(set(architectures)) == len(architectures), "an architecture comes twice")
    _require(all(text in found for text in drawn), "one that it lists is not in it")
    _require("no such architecture" not in found, "nonsense is in it")
    if found.space in SPACES:
        space = SPACES[found.space]()
        for text in drawn:
            _require(space.parse(text) in found, f"{text} is in it, but not as an architecture")


def _measures(found: Benchmark) -> None:
    _require(bool(found.measures), "nothing is measured")
    places = [tuple(measure.coordinates.items()) for measure in found.measures.values()]
    _require(len(set(places)) == len(places), "two columns have the same coordinates")
    for column, measure in found.measures.items():
        _require(found.column(**measure.coordinates) == column, f"{column} is not found")


def _queries(found: Benchmark, drawn: list[str]) -> None:
    frame = found.frame().set_index("architecture")
    _require(list(frame.columns) == list(found.measures), f"the frame has {list(frame)}")
    for column, measure in found.measures.items():
        for text in drawn:
            one, other = found.query(text, **measure.coordinates), float(frame[column][text])
            same = one == other or (math.isnan(one) and math.isnan(other))
            _require(same, f"{column} of {text} is {one} and {other}")


def _read_only(found: Benchmark, again: Benchmark) -> None:
    column = next(iter(found.measures))
    _require(not found.values(column).flags.writeable, f"{column} can be written")
    values = found.values(column).copy()
    frame = found.frame()
    frame[column] = -1.0
    _require(np.array_equal(found.values(column), values, equal_nan=True), "a frame is its memory")
    _require(
        np.array_equal(again.values(column), values, equal_nan=True), "opened again it differs"
    )


def _splits(found: Benchmark) -> None:
    """No query without a split where there are several."""
    for measure in found.measures.values():
        asked = {k: v for k, v in measure.coordinates.items() if k != "split"}
        if len(found.choices(**asked).get("split", ())) > 1:
            try:
                found.column(**asked)
            except ConfigError:
                continue
            _require(False, f"{asked} does not need a split")


def _refusals(found: Benchmark, text: str) -> None:
    metric = found.metrics()[0]
    try:
        found.query(text, metric="no_such_metric")
    except NascoutError as error:
        _require(metric in str(error), f"{error} does not name {metric!r}")
    else:
        _require(False, "a metric of any name is answered")


def _best(found: Benchmark) -> None:
    for column, measure in found.measures.items():
        values = found.values(column)
        if measure.higher_is_better is None or np.isnan(values).all():
            continue
        best = found.best(**measure.coordinates)
        end = np.nanmax(values) if measure.higher_is_better else np.nanmin(values)
        _require(best.value == end, f"{column}: {best.value}, not {end}")
        _require(found.query(best.architecture, **measure.coordinates) == end, f"not of {best}")


def _lazy(found: Benchmark) -> None:
    loaded: list[str] = []
    load = found.load

    def noted(column: str) -> Floats:
        loaded.append(column)
        return load(column)

    found.load = noted  # type: ignore[method-assign]
    column, measure = next(iter(found.measures.items()))
    _require(not loaded, "opening reads numbers")
    found.query(next(iter(found)), **measure.coordinates)
    _require(loaded == [column], f"a query for {column} reads {loaded}")
