"""``nascout.rank``: a whole space, or a sample of it, in the order of a training-free score."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from nascout.api.correlations import columns
from nascout.api.names import space as named_space
from nascout.api.population import check_counts, identity, score_networks
from nascout.api.search import checked_device, locked
from nascout.atomic import write_bytes
from nascout.data import Data, as_data
from nascout.errors import ConfigError, MissingExtra, StoreUnwritable, UnknownName
from nascout.hardware.threads import suitable_threads
from nascout.records import Outcome, Score
from nascout.run.plan import fitted
from nascout.run.scoring import Scorer
from nascout.run.value_file import ValueFile
from nascout.score.card import Card
from nascout.score.composite import Composite
from nascout.score.evaluate import resolve
from nascout.space import Architecture, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["memory_bytes", "rank"]

# Architectures that fit into memory with all their scores, and can be gone through one by one.
LIMIT: Final = 1_000_000
PRECISIONS: Final = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
}
PREFIXES: Final = ("", "K", "M", "G", "T")


def rank(
    space: str | Space = "nasbench201",
    scores: str | Iterable[str] = "default",
    *,
    data: Any = "digits",
    batch: int = 128,
    seeds: int = 1,
    sample: int | None = None,
    seed: int = 0,
    space_options: Mapping[str, Any] | None = None,
    memory: str | int = "2GB",
    jobs: int = 1,
    device: str = "auto",
    precision: str = "float32",
    out: str | os.PathLike[str] = "scores.parquet",
    progress: bool = True,
) -> pd.DataFrame:
    """Score every architecture of a space, best first; run again to resume.

    Networks are scored as :func:`nascout.score` does, many together where the score knows how.
    Of equal networks (one digest) the first is scored, and the others have its scores; weights
    depend on positions, so theirs would differ as two seeds do. So it is with networks that differ
    only in what does nothing or in the nesting of sums, by scores that do not mind (those with the
    invariance ``"function form"``), though params and digests tell them apart. A failure has no
    number.

    Args:
        space: the name of a space, or one with its skeleton set.
        scores: names of scores and composites; the first gives the order. A composite joins
            ranks over all networks, each counted once.
        data: what :func:`nascout.data.as_data` takes; scores see a batch of its training part.
        batch: images per score.
        seeds: initialisations to average over.
        sample: how many architectures to draw without replacement; None for the whole space.
        seed: of the sample.
        space_options: the skeleton's parameters, such as ``{"channels": 16, "cells": 5}``.
        memory: about how much the activations of networks scored together may take, over all
            processes: bytes, or text such as ``"500MB"`` or ``"2GiB"``.
        jobs: processes to score in, each on one thread if there are several.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if there is one.
        precision: of inputs and networks, ``"float32"``, ``"float64"`` or ``"bfloat16"``.
        out: ``.parquet`` or ``.csv``; written at the end, whole or not at all. The folder
            ``OUT.values`` beside it keeps what is finished: with the same space, data, batch,
            seeds, precision and seed that is not computed again. A sample may grow.
        progress: show bars.

    Returns:
        What ``out`` holds: ``rank`` (1 is best; equal values share a rank; none where the first
        score failed), ``architecture``, ``digest``, ``duplicate_of`` (the equal architecture
        whose scores these are; none for that one itself), a column per score, and ``failed``
        (which scores have no value, and why).

    Raises:
        UnknownName, ConfigError, DataError: options or data that cannot be used, or a space too
            large to go through.
        MissingExtra: a ``.parquet`` file without pyarrow.
        RunMismatch: the values beside ``out`` are of other networks, data, sample or precision.
        StoreBusy: another process is working on them.
        Interrupted: a signal; run again to go on.

    Example:
        >>> found = rank("nasbench201", ["epsilon", "params"], out="cells.csv")  # doctest: +SKIP
        >>> found["architecture"][0]                                          # doctest: +SKIP
    """
    check_counts(batch=batch, seeds=seeds, jobs=jobs, sample=1 if sample is None else sample)
    out = _checked(Path(out))
    limit, dtype = memory_bytes(memory), _dtype(precision)
    wanted = resolve(scores)
    if not wanted:
        raise ConfigError("no score to rank by", "Name one; see nascout scores.")
    loaded = as_data(data)
    built = _space(space, loaded, space_options or {})
    architectures = _everything(built) if sample is None else _sample(built, sample, seed)
    x, y = loaded.batch(batch)
    scorer = Scorer(x.to(dtype), y, seeds, checked_device(device), limit)
    config = {
        **identity(built, loaded, batch=batch, seeds=seeds),
        "precision": precision,
        "sample": "the whole space" if sample is None else f"random, seed {seed}",
    }
    folder = out.with_name(f"{out.name}.values")
    with locked(folder), suitable_threads(loaded.input_shape):
        file = ValueFile(folder / "values.jsonl", config)
        digests, known = score_networks(
            architectures, wanted, scorer, file, jobs=jobs, progress=progress
        )
        frame = _ranked(architectures, digests, known, wanted)
        _write(frame, out)
    return frame


def memory_bytes(memory: str | int) -> int:
    """How many bytes ``memory`` means.

    Raises:
        ConfigError: not a positive number of bytes, nor text with a unit.

    >>> memory_bytes("2GB"), memory_bytes("1.5 MiB"), memory_bytes(4096)
    (2000000000, 1572864, 4096)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([kmgt]?)(i?)b", str(memory).strip(), re.IGNORECASE)
    if isinstance(memory, int):
        size = memory
    elif match:
        number, prefix, binary = match.groups()
        size = int(float(number) * (1024 if binary else 1000) ** PREFIXES.index(prefix.upper()))
    else:
        size = 0
    if size < 1:
        raise ConfigError(f"memory = {memory!r}", "Write it like 2GB or 500MB.")
    return size


def _checked(out: Path) -> Path:
    """``out``, if it can be written as a table in the end."""
    if out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"no format for {out}", "Give a name that ends in .parquet or .csv.")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder", "Give the name of a file.")
    if out.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise MissingExtra(f"writing {out} rather than {out.with_suffix('.csv').name}", "parquet")
    return out


def _dtype(precision: str) -> torch.dtype:
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    return PRECISIONS[precision]


def _space(space: str | Space, data: Data, options: Mapping[str, Any]) -> Space:
    if isinstance(space, Space):
        return fitted(space, data, options)
    skeleton = {"classes": len(data.classes), "input_shape": data.input_shape}
    return named_space(space, **(skeleton | dict(options)))


def _everything(space: Space) -> list[Architecture]:
    if space.size > LIMIT:
        raise ConfigError(
            f"{space.name} has {space.size:,} architectures, too many to score all",
            "Rank a sample of it: --sample 10000, or sample=10000.",
        )
    return list(space)


def _sample(space: Space, count: int, seed: int) -> list[Architecture]:
    """Architectures without replacement; a larger sample begins with the smaller one."""
    if count > LIMIT:
        raise ConfigError(f"sample = {count:,}", f"Draw at most {LIMIT:,}.")
    rng = random.Random(seed)
    if space.size <= LIMIT:
        everything = list(space)
        rng.shuffle(everything)
        return everything[:count]
    drawn: dict[Architecture, None] = {}
    while len(drawn) < count:
        drawn[space.sample(rng)] = None
    return list(drawn)


def _ranked(
    architectures: Sequence[Architecture],
    digests: Sequence[str],
    known: Mapping[str, Mapping[str, Score]],
    wanted: Sequence[Card | Composite],
) -> pd.DataFrame:
    import pandas as pd

    networks = pd.DataFrame({"digest": list(dict.fromkeys(digests))})
    scored = [known[digest] for digest in networks["digest"]]
    networks = networks.assign(**columns(scored, wanted))
    first = wanted[0]
    order = networks[first.name].rank(method="min", ascending=not first.higher_is_better)
    networks.insert(0, "rank", order.astype("Int64"))
    networks["failed"] = pd.array([_failed(one, wanted) for one in scored], "string")
    rows = pd.DataFrame({"architecture": [str(one) for one in architectures], "digest": digests})
    again = rows["digest"].duplicated()
    originals = rows.groupby("digest")["architecture"].transform("first")
    rows["duplicate_of"] = originals.where(again).astype("string")
    frame = rows.merge(networks, on="digest", how="left", validate="many_to_one")
    frame.insert(0, "rank", frame.pop("rank"))
    return frame.sort_values("rank", kind="stable", ignore_index=True)


def _failed(scores: Mapping[str, Score], wanted: Sequence[Card | Composite]) -> str | None:
    """Which of a network's scores have no value, and how they ended."""
    cards = {card.name: None for one in wanted for card in getattr(one, "cards", (one,))}
    bad = (scores[name] for name in cards if scores[name].outcome is not Outcome.OK)
    return ", ".join(f"{score.name} {score.outcome}" for score in bad) or None


def _write(frame: pd.DataFrame, out: Path) -> None:
    content = (
        frame.to_csv(index=False).encode()
        if out.suffix == ".csv"
        else frame.to_parquet(engine="pyarrow", index=False)
    )
    try:
        write_bytes(out, content)
    except OSError as error:
        raise StoreUnwritable(
            f"cannot write {out} ({error.strerror})", "Give write access, or another --out."
        ) from error
