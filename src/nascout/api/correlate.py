"""``nascout.correlate``: training-free scores against a table of accuracies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.api.correlations import Correlations, assemble
from nascout.api.names import space as named_space
from nascout.api.population import check_counts, identity, score_networks
from nascout.api.search import checked_device, locked
from nascout.benchmark import BENCHMARKS, TableBenchmark
from nascout.benchmark.judgement import TOPS
from nascout.benchmark.picks import top_threshold
from nascout.data import as_data
from nascout.errors import DataError
from nascout.hardware.threads import suitable_threads
from nascout.records import content_digest
from nascout.run.config import make_record
from nascout.run.scoring import Scorer
from nascout.run.value_file import ValueFile
from nascout.score.evaluate import resolve
from nascout.space import Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["VALUES", "correlate"]

VALUES = "values.jsonl"
BASELINES = ("params", "macs")


def correlate(
    benchmark: str | TableBenchmark,
    path: str | os.PathLike[str],
    scores: str | Iterable[str] = "all",
    *,
    space: str | None = None,
    accuracy: str | None = None,
    sample: int = 1000,
    seed: int = 0,
    data: Any = "digits",
    batch: int = 128,
    seeds: int = 1,
    space_options: Mapping[str, Any] | None = None,
    resamples: int = 1000,
    jobs: int = 1,
    device: str = "auto",
    out: str | os.PathLike[str] = "nascout-correlate",
    progress: bool = True,
) -> Correlations:
    """Judge training-free scores by the accuracies of a table; run again to resume.

    Networks are scored as :func:`nascout.score` does, in the benchmark's space with the skeleton
    and data given here, which need not be those the table was trained with. ``params`` and
    ``macs`` are always among the scores: they are what a score has to beat. Equal networks are
    scored once, as :func:`nascout.rank` does. A failure is counted, not replaced by a number.

    Args:
        benchmark: a name (``nasbench201``, ``table``, ...) or a :class:`TableBenchmark`.
        path: its table, CSV or Parquet.
        scores: names of scores and composites, or ``"all"`` single ones.
        space: the space that a ``table`` of your own is written in.
        accuracy: the column to judge by; the benchmark's default if None.
        sample: rows to draw without replacement; all if there are fewer.
        seed: of the sample and the bootstrap.
        data: what :func:`nascout.data.as_data` takes; scores see a batch of its training part.
        batch: images per score.
        seeds: initialisations to average over.
        space_options: the skeleton's parameters, such as ``{"channels": 16, "cells": 5}``.
        resamples: bootstrap resamples for the intervals; fewer for large samples, see
            :func:`nascout.benchmark.bootstrap.draw_counts`.
        jobs: processes to score in, each on one thread if there are several.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if there is one.
        out: folder for raw values, tables, plots and ``correlations.html``. With the same
            benchmark, skeleton, data, batch, seed and seeds, what it holds is not computed again:
            the sample may grow, and scores and accuracies may change.
        progress: show a bar.

    Raises:
        UnknownName, ConfigError, DataError: options, tables or data that cannot be used.
        ArchitectureError: a row of the table that the space does not hold.
        MissingExtra: a Parquet file without pyarrow.
        RunMismatch: ``out`` holds values of other networks, data or seeds.
        StoreBusy: another process is working there.
        Interrupted: a signal; run again to go on.

    Example:
        >>> found = correlate("nasbench201", "nasbench201.csv")              # doctest: +SKIP
        >>> found.frame[["score", "spearman", "kendall_top10"]]              # doctest: +SKIP
    """
    check_counts(sample=sample, seeds=seeds, jobs=jobs)
    table = _benchmark(benchmark, space)
    frame = table.read(path)
    column = table.judged_by(frame, accuracy)
    wanted = resolve([*BASELINES, *([scores] if isinstance(scores, str) else scores)])
    loaded = as_data(data)
    skeleton = {"classes": len(loaded.classes), "input_shape": loaded.input_shape}
    built = named_space(table.space, **(skeleton | dict(space_options or {})))
    rows = _sampled(frame, column, sample, seed)
    architectures = [built.parse(text) for text in rows["architecture"]]
    scorer = Scorer(*loaded.batch(batch), seeds, checked_device(device))
    content = content_digest(list(frame["architecture"]))
    config = {
        "benchmark": {"name": table.name, "rows": content},
        **identity(built, loaded, batch=batch, seeds=seeds),
        "seed": seed,
    }
    folder = Path(out)
    with locked(folder), suitable_threads(loaded.input_shape):
        file = ValueFile(folder / VALUES, config)
        digests, known = score_networks(
            architectures, wanted, scorer, file, jobs=jobs, progress=progress
        )
        rows.insert(1, "digest", digests)
        distinct = len(set(digests))
        truth = frame[column].dropna().to_numpy(float)
        found = assemble(
            rows[["architecture", "digest"]].assign(accuracy=rows[column]),
            known,
            wanted,
            accuracy=column,
            thresholds={top: top_threshold(truth, part) for top, part in TOPS.items()},
            resamples=resamples,
            seed=seed,
            summary={
                "benchmark": f"{table.name}, {len(frame):,} rows of {Path(path).name}",
                "accuracy": column,
                "sample": f"{len(rows):,} rows, {distinct:,} distinct networks, seed {seed}",
                "space": _words(built),
                "scored on": f"{batch} images of {loaded.name}, {seeds} initialisation(s)",
            },
        )
        found.save(folder)
    return found


def _benchmark(benchmark: str | TableBenchmark, space: str | None) -> TableBenchmark:
    if isinstance(benchmark, TableBenchmark):
        return benchmark
    options = {"space": space} if space else {}
    return make_record(f"benchmark {benchmark}", BENCHMARKS[benchmark], options)


def _sampled(frame: pd.DataFrame, column: str, sample: int, seed: int) -> pd.DataFrame:
    """Rows without replacement; a larger sample of the same seed begins with the smaller one."""
    chosen = np.random.default_rng(seed).permutation(len(frame))[:sample]
    rows = frame.iloc[chosen].reset_index(drop=True)
    if rows[column].isna().all():
        raise DataError(f"no row of the sample has a {column!r}", "Judge by another accuracy.")
    return rows


def _words(space: Space) -> str:
    return f"{space.name} ({', '.join(f'{k} = {v}' for k, v in space.parameters().items())})"
