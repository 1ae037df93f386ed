"""A run that was made: open its folder, look at what it found. Needs no torch to look."""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascout.errors import ConfigError, StoreCorrupt, StoreUnwritable
from nascout.gallery import Entry, Gallery
from nascout.records import Constraint, Objective
from nascout.run.store import FILE, Store
from nascout.run.weights import SHARING, find_weights
from nascout.search import Trial

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REPORT", "TABLE", "Run"]

REPORT = "report.html"
TABLE = "gallery.csv"


class Run:
    """The result of a search, in memory or opened from its folder.

    Args:
        folder: what ``out`` was.
        store: the database's URL, if the run was stored elsewhere than in the folder.

    Raises:
        ConfigError: the folder holds no run.
        StoreCorrupt: the store is damaged.

    Example:
        >>> Run("no-such-folder")
        Traceback (most recent call last):
        nascout.errors.ConfigError: no run in no-such-folder. Give the --out of a search.
    """

    def __init__(self, folder: str | os.PathLike[str], *, store: str | None = None) -> None:
        self.folder = Path(folder)
        self._url = store
        if store is None and not (self.folder / FILE).exists():
            raise ConfigError(f"no run in {self.folder}", "Give the --out of a search.")
        opened = self._open()
        try:
            config = opened.config()
            if config is None:
                raise ConfigError(f"the run in {self.folder} never started", "Run the search.")
            self.config: dict[str, Any] = config
            self.trials: tuple[Trial, ...] = tuple(opened.trials())
        finally:
            opened.close()

    def _open(self) -> Store:
        if self._url is None:
            return Store.in_folder(self.folder, write=False)
        return Store.at_url(self._url, self.folder.name)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What the search optimised."""
        return tuple(Objective.parse(text) for text in self.config["objectives"])

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What every candidate had to satisfy."""
        return tuple(Constraint.parse(text) for text in self.config["constraints"])

    @cached_property
    def _gallery(self) -> Gallery:
        return Gallery(
            self.trials,
            self.objectives,
            self.constraints,
            weights=lambda digest: find_weights(self.folder, digest),
            seed=self.config["seed"],
        )

    def gallery(self) -> Gallery:
        """Everything found, ready to be filtered, ranked and built."""
        return self._gallery

    @property
    def best(self) -> Entry:
        """The best candidate; ``run.best.build()`` is its network with trained weights."""
        return self._gallery.best

    def frame(self) -> pd.DataFrame:
        """One row per distinct architecture."""
        return self._gallery.frame()

    def summary(self) -> dict[str, str]:
        """What the run was, in words."""
        config = self.config
        options = ", ".join(f"{k} = {v}" for k, v in config["space"].items() if k != "name")
        outcomes = Counter(f"{t.stage} {t.outcome}" for t in self.trials)
        return {
            "data": config["data"]["name"],
            "space": f"{config['space']['name']} ({options})",
            "strategy": config["strategy"]["name"],
            "objectives": ", ".join(config["objectives"]),
            "constraints": ", ".join(config["constraints"]) or "none",
            "budget": str(config["budget"]),
            "seed": str(config["seed"]),
            "evaluations": ", ".join(f"{n} {name}" for name, n in outcomes.items()) or "none",
        }

    def seconds(self) -> dict[str, float]:
        """Evaluation time of each stage; a network proposed twice was evaluated once."""
        total: dict[str, float] = {}
        distinct = {(t.architecture.digest, t.stage, t.proposal.epochs): t for t in self.trials}
        for trial in distinct.values():
            total[trial.stage] = total.get(trial.stage, 0.0) + trial.seconds
        return total

    def sharing(self) -> list[dict[str, Any]]:
        """The epochs in which weights were shared; none in a search without."""
        path = self.folder / SHARING
        try:
            content: list[dict[str, Any]] = json.loads(path.read_text())["curve"]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreCorrupt(
                f"{path} is not what the search wrote ({error})", "Run the search again to mend it."
            ) from error
        return content

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the HTML report (into the run's folder by default) and the gallery's table.

        Raises:
            StoreUnwritable: the place cannot be written; what stood there stays.
        """
        from nascout.report import write_report

        target = Path(path) if path is not None else self.folder / REPORT
        try:
            self._gallery.to_csv(target.with_name(TABLE))
            return write_report(
                target,
                self._gallery,
                self.trials,
                title=f"nascout: {self.config['data']['name']}",
                summary=self.summary(),
                seconds=self.seconds(),
                sharing=self.sharing(),
            )
        except OSError as error:
            raise StoreUnwritable(
                f"cannot write {target} ({error.strerror})", "Give another path: --out FILE."
            ) from error

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {len(self.trials)} trials)"
