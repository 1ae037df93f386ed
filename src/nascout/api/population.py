"""Scoring many architectures for one result: each network once, resumably, under signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from nascout.data import Data
from nascout.errors import ConfigError, Interrupted
from nascout.records import Score
from nascout.run.interrupt import Stopper, graceful
from nascout.run.progress_bar import progress_bar
from nascout.run.scoring import Scorer, find_digests, score_all
from nascout.run.value_file import ValueFile
from nascout.score.card import SCORES, Card
from nascout.score.composite import Composite
from nascout.space import Architecture, Space
from nascout.train import Stopped

__all__ = ["check_counts", "identity", "score_networks"]


def check_counts(**counts: int) -> None:
    """Refuse a number below 1.

    Raises:
        ConfigError: names the first one.
    """
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{name} = {count}", "Give at least 1.")


def identity(space: Space, data: Data, *, batch: int, seeds: int) -> dict[str, Any]:
    """What decides the scores of an architecture, as JSON-able data."""
    return {
        "space": {"name": space.name, **space.parameters()},
        "data": {"name": data.name, "digest": data.digest},
        "batch": batch,
        "seeds": seeds,
    }


def score_networks(
    architectures: Sequence[Architecture],
    wanted: Sequence[Card | Composite],
    scorer: Scorer,
    file: ValueFile,
    *,
    jobs: int,
    progress: bool,
) -> tuple[list[str], dict[str, dict[str, Score]]]:
    """Have ``file`` know every score of every network.

    Of equal networks, the first is scored; by scores that do not mind the function's form, the
    first of those of one function.

    Returns:
        The digest of every architecture, and the scores by digest and name.

    Raises:
        Interrupted: a signal; what is finished is in ``file``.
    """
    texts = [str(one) for one in architectures]
    names = _singles(wanted)
    shared = [name for name in names if "function form" in SCORES[name].invariances]
    with _stoppable(file) as stopper:
        find = partial(_find, file=file, jobs=jobs, progress=progress, should_stop=stopper)
        find(dict(zip(texts, architectures, strict=True)))
        digests = [file.digests[text] for text in texts]
        networks: dict[str, Architecture] = {}
        for digest, architecture in zip(digests, architectures, strict=True):
            networks.setdefault(digest, architecture)
        if shared:
            find(networks, functions=True)
        first: dict[str, str] = {}
        alike = {one: first.setdefault(file.functions.get(one, one), one) for one in networks}
        work = [
            (networks, [name for name in names if name not in shared]),
            ({digest: networks[digest] for digest in first.values()}, shared),
        ]
        _score(work, scorer, file, jobs, progress, stopper)
    scored = {
        one: {name: file.known[alike[one] if name in shared else one][name] for name in names}
        for one in networks
    }
    return digests, scored


def _find(
    architectures: Mapping[str, Architecture],
    *,
    file: ValueFile,
    functions: bool = False,
    jobs: int,
    progress: bool,
    should_stop: Callable[[], bool],
) -> None:
    label, known = ("functions", file.functions) if functions else ("networks", file.digests)
    done = len(architectures.keys() & known.keys())
    with progress_bar(label, len(architectures), done, show=progress) as advance:
        find_digests(
            architectures,
            file,
            functions=functions,
            jobs=jobs,
            advance=advance,
            should_stop=should_stop,
        )


def _score(
    work: Sequence[tuple[Mapping[str, Architecture], Sequence[str]]],
    scorer: Scorer,
    file: ValueFile,
    jobs: int,
    progress: bool,
    should_stop: Callable[[], bool],
) -> None:
    every = [(one, name) for networks, names in work for one in networks for name in names]
    done = sum(name in file.known.get(one, {}) for one, name in every)
    with progress_bar("scores", len(every), done, show=progress) as advance:
        for networks, names in work:
            score_all(
                networks, names, scorer, file, jobs=jobs, advance=advance, should_stop=should_stop
            )


def _singles(wanted: Sequence[Card | Composite]) -> list[str]:
    """The scores to compute: composites are made of others."""
    parts = (one.cards if isinstance(one, Composite) else (one,) for one in wanted)
    return list(dict.fromkeys(card.name for cards in parts for card in cards))


@contextmanager
def _stoppable(file: ValueFile) -> Iterator[Stopper]:
    """A first signal lets what is running finish, then says how to go on."""
    with graceful() as stopper:
        try:
            yield stopper
        except Stopped:
            raise Interrupted(
                stopper.signum, f"{file.path} is kept; run the same command again to go on."
            ) from None
