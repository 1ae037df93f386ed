"""Scoring many architectures, each once, such that it can be stopped anywhere and goes on."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from math import nan

import torch
from torch import Tensor, nn

from nascout.errors import ConfigError, GraphError, NascoutError, UnsupportedNetwork
from nascout.network import build
from nascout.records import Outcome, Score, content_digest
from nascout.run.value_file import ValueFile
from nascout.score import SCORES
from nascout.score.evaluate import evaluate
from nascout.space import Architecture
from nascout.train import Stopped

__all__ = ["Scorer", "network_digest", "score_all"]

Network = Callable[[int], nn.Module]
Item = tuple[str, Architecture, tuple[str, ...]]
Results = Generator[tuple[str, dict[str, Score]], None, None]


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores an architecture; what goes wrong with one is its outcome, not an error.

    Args:
        x, labels: the batch, on the CPU.
        seeds: initialisations to average over.
        device: where networks run.
    """

    x: Tensor
    labels: Tensor
    seeds: int = 1
    device: str = "cpu"

    def __call__(self, architecture: Architecture, names: Sequence[str]) -> dict[str, Score]:
        """The scores called ``names``."""
        x, labels = self.x.to(self.device), self.labels.to(self.device)

        @cache
        def network(seed: int) -> nn.Module:
            # Built once for all scores: they leave it as they found it.
            return build(architecture, seed, self.device)

        return {name: self._score(network, name, x, labels) for name in names}

    def _score(self, network: Network, name: str, x: Tensor, labels: Tensor) -> Score:
        better = SCORES[name].higher_is_better
        try:
            return evaluate(network, x, name, labels=labels, seeds=self.seeds)
        except (GraphError, UnsupportedNetwork) as error:
            return Score(name, nan, better, Outcome.UNSUPPORTED, message=str(error))
        except NascoutError:
            raise  # an option that is wrong for every network
        except Exception:  # noqa: BLE001 - whatever else a network raises is its outcome
            return Score(name, nan, better, Outcome.FAILED, message=traceback.format_exc())


def network_digest(architecture: Architecture) -> str:
    """The network's digest; its notation's where no network can be built."""
    try:
        return architecture.digest
    except GraphError:
        return content_digest([architecture.space.name, str(architecture)])


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

    Args:
        architectures: by digest.
        names: single scores.
        scorer: how to score one.
        file: where each result goes as soon as it is there.
        jobs: processes; more than one run on one thread each.
        advance: told of each architecture finished.
        should_stop: asked after each.

    Raises:
        Stopped: ``should_stop`` said yes; everything finished is in ``file``.
        ConfigError: a process of ``jobs`` died.
    """
    lacking = {
        digest: tuple(name for name in names if name not in file.known.get(digest, {}))
        for digest in architectures
    }
    items = [(digest, architectures[digest], lack) for digest, lack in lacking.items() if lack]
    results = _in_turn(items, scorer) if jobs == 1 else _at_once(items, scorer, jobs)
    for digest, scores in results:
        file.add(digest, scores)
        failed = sum(score.outcome is not Outcome.OK for score in scores.values())
        advance(f"{failed} of {len(scores)} scores failed" if failed else "")
        if should_stop():
            results.close()
            raise Stopped


def _in_turn(items: Sequence[Item], scorer: Scorer) -> Results:
    for digest, architecture, names in items:
        yield digest, scorer(architecture, names)


def _at_once(items: Sequence[Item], scorer: Scorer, jobs: int) -> Results:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_prepare) as pool:
        futures = {pool.submit(scorer, a, names): digest for digest, a, names in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ConfigError(
                f"one of {jobs} processes died, perhaps for lack of memory",
                "Run again with fewer jobs; what is finished is kept.",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """A worker computes on one thread, and leaves Ctrl-C to the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
