"""Finished runs on disk: two CSV files that survive a kill at any byte."""

from __future__ import annotations

import csv
import errno
import io
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from nascout.atomic import write_text
from nascout.comparison.one_run import ORACLE, PARAMS, RANDOM, Lead, Result
from nascout.errors import StoreCorrupt, StoreFull, StoreUnwritable

__all__ = ["RUNS", "TRAJECTORIES", "RunFile", "RunKey"]

RUNS, TRAJECTORIES = "runs.csv", "trajectories.csv"
PICKS = {RANDOM, PARAMS, ORACLE}
#: Strategy, data set, seed.
RunKey = tuple[str, str, int]


class RunFile:
    """``runs.csv`` and ``trajectories.csv`` of a folder; without one, they are only remembered.

    The trajectory of a run is written before its results. A run counts as finished if its results
    are there for every budget, and its trajectory ends at the last of them; whatever else a kill
    left behind is taken out when the folder is opened. One process may write at a time; hold the
    folder's lock.

    Attributes:
        results, leads: the rows there are, in the order of the files.

    Args:
        folder: where; ``None`` to keep nothing on disk.
        budgets: how many results a run has.

    Raises:
        StoreCorrupt: a whole line is not what was written.
        StoreUnwritable, StoreFull: the files cannot be written.
    """

    def __init__(self, folder: Path | None, budgets: int) -> None:
        self._folder = folder
        self.results: list[Result] = []
        self.leads: list[Lead] = []
        if folder is None:
            return
        results, leads = _read(folder / RUNS, Result), _read(folder / TRAJECTORIES, Lead)
        counts = Counter(row[:3] for row in results)
        came_to = {row[:3]: row.architecture for row in results}
        led_last = {row[:3]: row.architecture for row in leads}
        whole = {
            key
            for key, count in counts.items()
            if count == budgets and led_last.get(key, "") == came_to[key]
        }
        # Picks are read off the run of random search, so they are finished together or not at all.
        whole = {key for key in whole if key[0] not in PICKS or _beside(key, whole) >= PICKS}
        self.results = [row for row in results if row[:3] in whole]
        self.leads = [row for row in leads if row[:3] in whole]
        try:
            write_text(folder / RUNS, _text([Result._fields, *self.results]))
            write_text(folder / TRAJECTORIES, _text([Lead._fields, *self.leads]))
        except OSError as error:
            raise _refused(folder, error) from error

    @property
    def finished(self) -> set[RunKey]:
        """The runs that need not be repeated."""
        return {row[:3] for row in self.results}

    def add(self, results: Sequence[Result], leads: Sequence[Lead]) -> None:
        """Write whole runs; they are on the disk when this returns."""
        self.results += results
        self.leads += leads
        if self._folder is not None:
            for name, rows in ((TRAJECTORIES, leads), (RUNS, results)):
                self._append(self._folder / name, rows)

    def _append(self, path: Path, rows: Sequence[NamedTuple]) -> None:
        try:
            with path.open("ab") as file:
                file.write(_text(rows).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _refused(path, error) from error


def _beside(key: RunKey, among: set[RunKey]) -> set[str]:
    """The baselines that are there for the data set and seed of ``key``."""
    return {label for label in PICKS if (label, *key[1:]) in among}


def _text(rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _read(path: Path, kind: type[Any]) -> list[Any]:
    """The rows of a file that were written to their end."""
    content = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    lines = content[: content.rfind("\n") + 1]
    types = get_type_hints(kind).values()
    rows = []
    for number, cells in enumerate(csv.reader(io.StringIO(lines)), 1):
        if number == 1 and tuple(cells) == kind._fields:
            continue
        try:
            rows.append(kind(*(t(cell) for t, cell in zip(types, cells, strict=True))))
        except ValueError:
            raise StoreCorrupt(
                f"line {number} of {path} is not what was written",
                "Restore the file from a copy, or start again with another --out.",
            ) from None
    return rows


def _refused(path: Path, error: OSError) -> StoreFull | StoreUnwritable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no space left to write {path}", "Free some and run again.")
    return StoreUnwritable(
        f"cannot write {path} ({error.strerror})", "Give write access, or another --out."
    )
