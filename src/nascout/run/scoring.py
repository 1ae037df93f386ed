"""Scoring many architectures, each once, such that it can be stopped anywhere and goes on."""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

from nascout.errors import ConfigError, GraphError, NascoutError, UnsupportedNetwork
from nascout.graph import Graph, canonical
from nascout.graph.function import function_digest
from nascout.network import build
from nascout.records import Outcome, Score, content_digest
from nascout.run.value_file import ValueFile
from nascout.score import SCORES
from nascout.score.at_once import MEMORY, scores_at_once
from nascout.score.evaluate import evaluate
from nascout.space import Architecture
from nascout.train import Stopped

__all__ = ["Scorer", "as_worker", "find_digests", "network_digest", "score_all"]

Digest = Callable[[Graph], str]
Network = Callable[[int], nn.Module]
Named = tuple[str, Architecture]
Scores = tuple[str, dict[str, Score]]
Unit = TypeVar("Unit")
Result = TypeVar("Result")

# Architectures that are scored together.
CHUNK: Final = 128
# About how many seconds of work a kill may cost; waiting for the disk each time would cost more.
PATIENCE: Final = 1.0


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores architectures; what goes wrong with one is its outcome, not an error.

    Args:
        x, labels: the batch, on the CPU; networks take the precision of ``x``.
        seeds: initialisations to average over.
        device: where networks run.
        memory: bytes of activations that may be held where several are scored together.
    """

    x: Tensor
    labels: Tensor
    seeds: int = 1
    device: str = "cpu"
    memory: int = MEMORY

    def __call__(self, architecture: Architecture, names: Sequence[str]) -> dict[str, Score]:
        """The scores called ``names``."""
        x, labels = self._batch()

        @cache
        def network(seed: int) -> nn.Module:
            # Built once for all scores: they leave it as they found it.
            return build(architecture, seed, self.device, x.dtype)

        return {name: self._score(network, name, x, labels) for name in names}

    def together(self, architectures: Sequence[Architecture], name: str) -> Iterator[Score | None]:
        """The score called ``name`` of each, in order; None for one to be scored by itself."""
        try:
            yield from scores_at_once(
                SCORES[name],
                architectures,
                *self._batch(),
                seeds=range(self.seeds),
                memory=self.memory,
            )
        except ConfigError:
            raise
        except Exception:  # noqa: BLE001 - whose fault it is shows when each is scored by itself
            return

    def _batch(self) -> tuple[Tensor, Tensor]:
        return self.x.to(self.device), self.labels.to(self.device)

    def _score(self, network: Network, name: str, x: Tensor, labels: Tensor) -> Score:
        better = SCORES[name].higher_is_better
        try:
            return evaluate(network, x, name, labels=labels, seeds=self.seeds)
        except (GraphError, UnsupportedNetwork) as error:
            return Score(name, math.nan, better, Outcome.UNSUPPORTED, message=str(error))
        except NascoutError:
            raise  # an option that is wrong for every network
        except Exception:  # noqa: BLE001 - whatever else a network raises is its outcome
            return Score(name, math.nan, better, Outcome.FAILED, message=traceback.format_exc())


def network_digest(architecture: Architecture, of_graph: Digest = canonical.digest) -> str:
    """The network's digest; its notation's where no network can be built."""
    try:
        return of_graph(architecture.graph())
    except GraphError:
        return content_digest([architecture.space.name, str(architecture)])


def find_digests(
    architectures: Mapping[str, Architecture],
    file: ValueFile,
    *,
    functions: bool = False,
    jobs: int = 1,
    advance: Callable[[str], None] = lambda note: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Put into ``file`` what it lacks: the digest of every architecture.

    Args:
        architectures: by notation.
        file: where digests go.
        functions: find the function digests; ``architectures`` are by digest.
        jobs: processes.
        advance: told of each digest.
        should_stop: asked after each.

    Raises:
        Stopped: ``should_stop`` said yes; everything finished is in ``file``.
        ConfigError: a process of ``jobs`` died.
    """
    of_graph = function_digest if functions else canonical.digest
    known, add = (
        (file.functions, file.add_functions) if functions else (file.digests, file.add_digests)
    )
    lacking = [(text, one) for text, one in architectures.items() if text not in known]
    _keep(
        _results(partial(_digests, of_graph), _chunks(lacking), jobs),
        lambda found: add(dict(found)),
        lambda _: advance(""),
        should_stop,
    )


def score_all(
    architectures: Mapping[str, Architecture],
    names: Sequence[str],
    scorer: Scorer,
    file: ValueFile,
    *,
    jobs: int = 1,
    advance: Callable[[str], None] = lambda note: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Put into ``file`` what it lacks: the scores called ``names`` of every architecture.

    Scores that know how (``at_once``) are computed for a chunk of architectures together, the
    others, and what is left over, for one at a time. No graph is held longer than that.

    The last digits of a value depend on what it was computed together with. So chunks follow the
    order of ``architectures``, and one that was cut short is computed again as a whole: a run
    that goes on, or that has got more architectures at the end, ends like one from the start.

    Args:
        architectures: by digest.
        names: single scores.
        scorer: how to score.
        file: where results go, about a second's work at a time.
        jobs: processes; more than one run on one thread each, and share the scorer's memory.
        advance: told of each score finished.
        should_stop: asked after each.

    Raises:
        Stopped: ``should_stop`` said yes; everything finished is in ``file``.
        ConfigError: a process of ``jobs`` died.
    """

    def lacks(digest: str, name: str) -> bool:
        return name not in file.known.get(digest, {})

    def tell(found: Scores) -> None:
        for score in found[1].values():
            if lacks(found[0], score.name):
                advance("" if score.outcome is Outcome.OK else f"{score.name}: {score.outcome}")

    scorer = replace(scorer, memory=scorer.memory // jobs)
    many = [
        (name, chunk)
        for chunk in _chunks(list(architectures.items()))
        for name in names
        if SCORES[name].at_once and any(lacks(digest, name) for digest, _ in chunk)
    ]
    _keep(_results(partial(_together, scorer), many, jobs), file.add_scores, tell, should_stop)
    single = [
        (item, lack)
        for item in architectures.items()
        if (lack := [name for name in names if lacks(item[0], name)])
    ]
    _keep(_results(partial(_alone, scorer), single, jobs), file.add_scores, tell, should_stop)


def _chunks(items: Sequence[Named]) -> list[Sequence[Named]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


# An architecture keeps its graph: a whole space of them would fill the memory, so copies work.


def _digests(of_graph: Digest, items: Sequence[Named]) -> Iterator[tuple[str, str]]:
    for text, architecture in items:
        yield text, network_digest(replace(architecture), of_graph)


def _together(scorer: Scorer, unit: tuple[str, Sequence[Named]]) -> Iterator[Scores]:
    name, items = unit
    # Those that share most next to each other.
    ordered = sorted(items, key=lambda item: [value or "" for value in item[1].values])
    scores = scorer.together([replace(architecture) for _, architecture in ordered], name)
    for (digest, _), score in zip(ordered, scores, strict=False):  # it may end before they do
        if score is not None:
            yield digest, {name: score}


def _alone(scorer: Scorer, unit: tuple[Named, Sequence[str]]) -> Iterator[Scores]:
    (digest, architecture), names = unit
    yield digest, scorer(replace(architecture), names)


def _keep(
    results: Generator[Result, None, None],
    write: Callable[[Sequence[Result]], None],
    tell: Callable[[Result], None],
    should_stop: Callable[[], bool],
) -> None:
    """Write results as they come, about a second's work at a time, whatever ends it."""
    pending: list[Result] = []
    written = time.monotonic()
    with closing(results):
        try:
            for result in results:
                pending.append(result)
                tell(result)
                if should_stop():
                    raise Stopped
                if time.monotonic() - written > PATIENCE:
                    ready, pending = pending, []
                    write(ready)
                    written = time.monotonic()
        finally:
            if pending:
                write(pending)


def _results(
    work: Callable[[Unit], Iterator[Result]], units: Sequence[Unit], jobs: int
) -> Generator[Result, None, None]:
    """What ``work`` gives for every unit; in several processes, in any order."""
    if jobs == 1 or not units:
        for unit in units:
            yield from work(unit)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=as_worker) as pool:
        futures = [pool.submit(_listed, work, unit) for unit in units]
        try:
            for future in as_completed(futures):
                yield from future.result()
        except BrokenProcessPool as error:
            raise ConfigError(
                f"one of {jobs} processes died, perhaps for lack of memory",
                "Run again with fewer jobs; what is finished is kept.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _listed(work: Callable[[Unit], Iterator[Result]], unit: Unit) -> list[Result]:
    return list(work(unit))


def as_worker() -> None:
    """A worker computes on one thread, and leaves Ctrl-C to the process that started it.

    The process is ours, so its memory may be held in large pages, which is quicker for large
    maps; and the collector need not look at what importing left behind.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    gc.freeze()
