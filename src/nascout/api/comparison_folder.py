"""The folder of a comparison: one process at a time, and the same settings every time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from nascout.atomic import write_text
from nascout.benchmark.measure import matching
from nascout.comparison.arena import Arena
from nascout.comparison.contender import Contender
from nascout.comparison.protocol import Protocol
from nascout.errors import StoreBusy, StoreCorrupt, StoreUnwritable
from nascout.run.config import check_same

__all__ = ["SETTINGS", "check_settings", "held", "settings", "unwritable"]

SETTINGS = "settings.json"
#: Parts of the settings that may grow: what is there already must stay as it was.
GROWING = ("datasets", "strategies", "known")


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be; the lock goes with the process that holds it.

    Raises:
        StoreBusy, StoreUnwritable: another process has it, or it cannot be written.
    """
    lock = FileLock(folder / "lock", timeout=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise StoreBusy(
            f"another process is working in {folder} (it holds {lock.lock_file})",
            "Wait for it or stop it, or give another --out.",
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def unwritable(folder: Path, error: OSError) -> StoreUnwritable:
    """The error for a folder that refuses to be written."""
    return StoreUnwritable(
        f"cannot write {folder} ({error.strerror})", "Give write access, or another --out."
    )


def settings(
    contenders: Mapping[str, Contender], arenas: Mapping[str, Arena], protocol: Protocol
) -> dict[str, Any]:
    """Everything that decides a run, as JSON-able data; tables and scores by their digests."""
    benchmark = next(iter(arenas.values())).benchmark
    columns = matching(benchmark.measures, {"metric": protocol.metric})
    costs = [constraint.metric for constraint in protocol.constraints]
    needs = {name for one in contenders.values() for name in one.needs}
    kept = {
        f.name: getattr(protocol, f.name)
        for f in fields(protocol)
        if f.name not in ("datasets", "epoch_seconds", "constraints")
    }
    return {
        "benchmark": benchmark.name,
        "architectures": sha256("\n".join(benchmark).encode()).hexdigest(),
        "accuracies": _digest(*map(benchmark.values, columns)),
        "protocol": {
            **kept,
            "budgets": list(protocol.budgets),
            "constraints": list(map(str, protocol.constraints)),
        },
        "datasets": {name: {"epoch_seconds": protocol.epoch_seconds.get(name)} for name in arenas},
        "known": {
            f"{name}/{metric}": _digest(arena.column(metric, metric))
            for name, arena in arenas.items()
            for metric in sorted(needs.union(costs))
        },
        "strategies": {label: one.describe() for label, one in contenders.items()},
    }


def check_settings(folder: Path, given: Mapping[str, Any]) -> None:
    """Write the settings down, or refuse to go on with others; what may grow is added to.

    Raises:
        RunMismatch: names the first one that differs, with both values.
        StoreCorrupt: what the folder says of itself cannot be read.
        StoreUnwritable, StoreFull: the folder cannot be written.
    """
    path, merged = folder / SETTINGS, dict(given)
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            grown = {part: stored.pop(part) for part in GROWING}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StoreCorrupt(
                f"{path} is not what was written",
                "Restore it from a copy, or start again with another --out.",
            ) from None
        check_same(stored, {name: value for name, value in given.items() if name not in GROWING})
        for part, old in grown.items():
            both = old.keys() & given[part].keys()
            check_same({key: old[key] for key in both}, {key: given[part][key] for key in both})
            merged[part] = {**old, **given[part]}
    try:
        write_text(path, json.dumps(merged, indent=1))
    except OSError as error:
        raise unwritable(folder, error) from error


def _digest(*columns: np.ndarray[Any, Any]) -> str:
    found = sha256()
    for column in columns:
        found.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return found.hexdigest()
