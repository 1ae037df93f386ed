"""Scoring many architectures for one result: each network once, resumably, under signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nascout.data import Data
from nascout.errors import ConfigError, Interrupted
from nascout.run.interrupt import Stopper, graceful
from nascout.run.progress_bar import progress_bar
from nascout.run.scoring import Scorer, find_digests, score_all
from nascout.run.value_file import ValueFile
from nascout.score.card import Card
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
) -> list[str]:
    """Have ``file`` know every score; of equal networks, the first is scored.

    Returns:
        The digest of every architecture.

    Raises:
        Interrupted: a signal; what is finished is in ``file``.
    """
    texts = [str(one) for one in architectures]
    with _stoppable(file) as stopper:
        named = dict(zip(texts, architectures, strict=True))
        done = len(named.keys() & file.digests.keys())
        with progress_bar("networks", len(named), done, show=progress) as advance:
            find_digests(named, file, jobs=jobs, advance=advance, should_stop=stopper)
        digests = [file.digests[text] for text in texts]
        distinct: dict[str, Architecture] = {}
        for digest, architecture in zip(digests, architectures, strict=True):
            distinct.setdefault(digest, architecture)
        _score(distinct, _singles(wanted), scorer, file, jobs, progress, stopper)
    return digests


def _score(
    distinct: Mapping[str, Architecture],
    names: Sequence[str],
    scorer: Scorer,
    file: ValueFile,
    jobs: int,
    progress: bool,
    should_stop: Callable[[], bool],
) -> None:
    done = sum(name in file.known.get(digest, {}) for digest in distinct for name in names)
    with progress_bar("scores", len(distinct) * len(names), done, show=progress) as advance:
        score_all(
            distinct, names, scorer, file, jobs=jobs, advance=advance, should_stop=should_stop
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
