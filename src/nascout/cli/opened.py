"""Opening a run's folder, whichever kind of run it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nascout.api.grown import GrownRun
    from nascout.api.run import Run

__all__ = ["open_run"]


def open_run(folder: Path, store: str | None = None) -> Run | GrownRun:
    """The run in ``folder``: of a search, or a growing one.

    Args:
        folder: what ``--out`` was.
        store: the database's URL, if the run is not in its folder.

    Raises:
        ConfigError: the folder holds no run.
        StoreCorrupt: the store is damaged.
    """
    from nascout.api.grown import GrownRun, is_grown
    from nascout.api.run import Run

    return GrownRun(folder, store=store) if is_grown(folder, store) else Run(folder, store=store)
