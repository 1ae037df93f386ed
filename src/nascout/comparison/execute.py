"""Many runs, in this process or in several; the results do not depend on how many."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from copy import copy
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

from nascout.benchmark import Benchmark
from nascout.benchmark.tabular import Tabular
from nascout.comparison.arena import Arena, open_arenas
from nascout.comparison.contender import Contender
from nascout.comparison.known import Columns
from nascout.comparison.one_run import Lead, Result, run
from nascout.comparison.protocol import Protocol
from nascout.comparison.run_file import RunKey
from nascout.errors import ConfigError, NascoutError

__all__ = ["execute"]

#: Runs that come back from a process together.
CHUNK = 5
Rows = tuple[list[Result], list[Lead]]


def execute(
    keys: Sequence[RunKey],
    contenders: Mapping[str, Contender],
    arenas: Mapping[str, Arena],
    known: Columns,
    *,
    workers: int = 1,
) -> Generator[Rows, None, None]:
    """The results of the runs ``keys``, in this order, a few runs at a time.

    Args:
        keys: strategy, data set and seed of each.
        contenders: by label.
        arenas: by data set; another process opens its own.
        known: what they were opened with.
        workers: processes; with one, everything happens here.

    Raises:
        ConfigError: as :func:`nascout.comparison.one_run.run`; a benchmark or strategy that other
            processes cannot have.
    """
    chunks = [keys[i : i + CHUNK] for i in range(0, len(keys), CHUNK)]
    workers = min(workers, len(chunks))
    if workers <= 1:
        yield from (_run_all(chunk, contenders, arenas) for chunk in chunks)
        return
    arena = next(iter(arenas.values()))
    described = (_opener(arena.benchmark), arena.protocol, known, contenders)
    context = get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in range(workers)]
    processes = [
        context.Process(target=_work, args=(pipe, chunks[i::workers], *described), daemon=True)
        for i, (_, pipe) in enumerate(pipes)
    ]
    try:
        for process, (_, sending) in zip(processes, pipes, strict=True):
            _start(process)
            sending.close()  # so that the end of the process is the end of the pipe
        for i in range(len(chunks)):
            yield _received(pipes[i % workers][0])
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


def _run_all(
    keys: Sequence[RunKey], contenders: Mapping[str, Contender], arenas: Mapping[str, Arena]
) -> Rows:
    results: list[Result] = []
    leads: list[Lead] = []
    for label, dataset, seed in keys:
        found, course = run(contenders[label], arenas[dataset], seed)
        results += found
        leads += course
    return results, leads


def _work(
    pipe: Connection,
    chunks: Sequence[Sequence[RunKey]],
    open_benchmark: Callable[[], Benchmark],
    protocol: Protocol,
    known: Columns,
    contenders: Mapping[str, Contender],
) -> None:
    """The life of a process: open the benchmark, run, send."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the first process that stops us
    try:
        arenas = open_arenas(open_benchmark(), protocol, known)
        for chunk in chunks:
            pipe.send(_run_all(chunk, contenders, arenas))
    except NascoutError as error:
        pipe.send(error)


def _start(process: object) -> None:
    try:
        process.start()  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError) as error:  # what pickling raises
        raise ConfigError(
            f"the runs cannot be given to other processes ({error})",
            "Give workers=1, or strategies and a benchmark that can be pickled.",
        ) from error


def _received(pipe: Connection) -> Rows:
    try:
        found: Rows | NascoutError = pipe.recv()
    except EOFError:
        raise ConfigError(
            "a process ended before its runs did",
            "Read what it wrote above; a script must call nascout.compare below "
            "`if __name__ == '__main__':`. Or give workers=1.",
        ) from None
    if isinstance(found, NascoutError):
        raise found
    return found


def _opener(benchmark: Benchmark) -> Callable[[], Benchmark]:
    """What opens the benchmark in another process: a file anew, anything else as it is."""
    if isinstance(benchmark, Tabular):
        return partial(benchmark._kind.open, benchmark._table.path)
    sent = copy(benchmark)
    vars(sent).pop("index", None)  # hashes of texts differ from process to process
    return partial(_same, sent)


def _same(benchmark: Benchmark) -> Benchmark:
    return benchmark
