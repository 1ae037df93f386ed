"""The run store: every trial, committed as it ends, in the order of proposals.

A candidate is a distinct network (one digest), evaluated once per stage, epochs and seed; the
history refers to evaluations, so an isomorphic proposal gets the stored one. Every row carries a
digest of its content, checked when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, text, update

from nascout.errors import StoreCorrupt
from nascout.records import Outcome, content_digest
from nascout.run.database import create_file, open_file, open_url, translated
from nascout.run.result import Result
from nascout.run.schema import candidates, evaluations, history, runs
from nascout.search import Proposal, Trial
from nascout.space import Architecture

__all__ = ["FILE", "Store"]

FILE = "run.sqlite"


class Store:
    """One run in one database. Use :meth:`in_folder` or :meth:`at_url`.

    Raises:
        StoreCorrupt: a database, or a row of it, that is not what was written.
    """

    def __init__(self, engine: Engine, where: Path | str, name: str) -> None:
        self.engine = engine
        self.where = where
        self.name = name

    @classmethod
    def in_folder(cls, folder: Path, *, write: bool = True) -> Store:
        """The SQLite store of a run folder; made if ``write`` and there is none."""
        path = folder / FILE
        if write and not path.exists():
            create_file(path)
        return cls(open_file(path, write=write), path, "run")

    @classmethod
    def at_url(cls, url: str, name: str) -> Store:
        """The run called ``name`` in the database at an SQLAlchemy URL."""
        engine = open_url(url)
        return cls(engine, engine.url.render_as_string(), name)

    def close(self) -> None:
        """Release the database."""
        self.engine.dispose()

    def config(self) -> dict[str, Any] | None:
        """What the run was started with, or ``None`` before it was."""
        with translated(self.where), self.engine.connect() as connection:
            row = connection.execute(select(runs).where(runs.c.name == self.name)).one_or_none()
        if row is None:
            return None
        self._check(row.checksum, [row.config], f"the configuration of {self.name}")
        config: dict[str, Any] = json.loads(row.config)
        return config

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Start the run with ``config``, or replace its configuration."""
        content = json.dumps(config, sort_keys=True)
        row = {"config": content, "checksum": content_digest([content])}
        known = self.config() is not None
        with translated(self.where), self.engine.begin() as connection:
            if known:
                connection.execute(update(runs).where(runs.c.name == self.name).values(**row))
            else:
                connection.execute(insert(runs).values(name=self.name, **row))
        self.settle()

    def trials(self) -> list[Trial]:
        """The history, in the order of proposals."""
        mine = history.join(runs, runs.c.id == history.c.run)
        query = (
            select(history, evaluations)
            .select_from(mine.join(evaluations, evaluations.c.id == history.c.evaluation))
            .where(runs.c.name == self.name)
            .order_by(history.c.number)
        )
        with translated(self.where), self.engine.connect() as connection:
            rows = connection.execute(query).all()
        return [self._trial(row, number) for number, row in enumerate(rows)]

    def _trial(self, row: Row[Any], number: int) -> Trial:
        named = row._mapping
        content = [named[history.c.number], named[history.c.architecture]]
        self._check(named[history.c.checksum], content, f"trial {number}")
        if named[history.c.number] != number:
            raise StoreCorrupt(
                f"trial {number} is missing from {self.where}", "Restore the store from a copy."
            )
        result = self._result(named)
        architecture = Architecture.from_json(named[history.c.architecture])
        proposal = Proposal(architecture, named[evaluations.c.stage], named[evaluations.c.epochs])
        return Trial(
            number, proposal, result.outcome, result.values, result.message, result.seconds
        )

    def _result(self, named: Mapping[Any, Any]) -> Result:
        columns = [evaluations.c[name] for name in _CONTENT]
        self._check(
            named[evaluations.c.checksum], [named[column] for column in columns], "an evaluation"
        )
        return Result(
            Outcome(named[evaluations.c.outcome]),
            json.loads(named[evaluations.c.metrics]),
            named[evaluations.c.message],
            named[evaluations.c.seconds],
        )

    def _check(self, checksum: str, content: list[Any], what: str) -> None:
        if content_digest(content) != checksum:
            raise StoreCorrupt(
                f"{what} in {self.where} is not what was written",
                "Restore the store from a copy, or start again with another --out.",
            )

    def find(self, proposal: Proposal, seed: int) -> Result | None:
        """What this network gave at this stage, epochs and seed, under whatever notation."""
        query = (
            select(evaluations)
            .select_from(evaluations.join(candidates).join(runs))
            .where(runs.c.name == self.name)
            .where(candidates.c.digest == proposal.architecture.digest)
            .where(evaluations.c.stage == proposal.stage)
            .where(evaluations.c.epochs == proposal.epochs, evaluations.c.seed == seed)
        )
        with translated(self.where), self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else self._result(row._mapping)

    def record(self, number: int, proposal: Proposal, result: Result, seed: int) -> Trial:
        """Commit trial ``number``: the candidate, its evaluation if new, its place in history."""
        with translated(self.where), self.engine.begin() as connection:
            run = connection.execute(select(runs.c.id).where(runs.c.name == self.name)).scalar_one()
            candidate = _candidate(connection, run, proposal.architecture)
            evaluation = _evaluation(connection, candidate, proposal, result, seed)
            architecture = proposal.architecture.to_json()
            connection.execute(
                insert(history).values(
                    run=run,
                    number=number,
                    evaluation=evaluation,
                    architecture=architecture,
                    checksum=content_digest([number, architecture]),
                )
            )
        self.settle()
        return Trial(
            number, proposal, result.outcome, result.values, result.message, result.seconds
        )

    def settle(self) -> None:
        """Move SQLite's log into the file, so that no cut of the log can lose a record."""
        if self.engine.dialect.name == "sqlite":
            with translated(self.where), self.engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


_CONTENT = ("stage", "epochs", "seed", "outcome", "metrics", "message", "seconds")


def _candidate(connection: Connection, run: int, architecture: Architecture) -> int:
    same = (candidates.c.run == run) & (candidates.c.digest == architecture.digest)
    known = connection.execute(select(candidates.c.id).where(same)).scalar_one_or_none()
    if known is not None:
        return int(known)
    row = {"run": run, "digest": architecture.digest, "architecture": architecture.to_json()}
    return _inserted(connection.execute(insert(candidates).values(**row)))


def _evaluation(
    connection: Connection, candidate: int, proposal: Proposal, result: Result, seed: int
) -> int:
    known = connection.execute(
        select(evaluations.c.id)
        .where(evaluations.c.candidate == candidate, evaluations.c.stage == proposal.stage)
        .where(evaluations.c.epochs == proposal.epochs, evaluations.c.seed == seed)
    ).scalar_one_or_none()
    if known is not None:
        return int(known)
    row = {
        "stage": proposal.stage,
        "epochs": proposal.epochs,
        "seed": seed,
        "outcome": result.outcome.value,
        "metrics": json.dumps(dict(result.values), sort_keys=True),
        "message": result.message,
        "seconds": result.seconds,
    }
    row["checksum"] = content_digest([row[name] for name in _CONTENT])
    return _inserted(connection.execute(insert(evaluations).values(candidate=candidate, **row)))


def _inserted(result: Any) -> int:
    return int(result.inserted_primary_key[0])
