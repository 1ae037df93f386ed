"""The store of a growing run: every step and every model, committed as it ends.

Only one process writes it. A row carries a digest of its content, checked when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, insert, inspect, select, update

from nascout.errors import StoreCorrupt
from nascout.records import Outcome, content_digest
from nascout.run.database import create_file, open_file, open_url, translated
from nascout.run.growth.records import METRICS, Added, Job, Kind, Made, Model, job_seed
from nascout.run.growth.schema import jobs, metadata, models
from nascout.run.schema import runs
from nascout.run.store import Store

__all__ = ["FILE", "GrowthStore"]

FILE: Final = "growth.sqlite"
NAME: Final = "growth"
UNSIGNED: Final = ("id", "run", "checksum")


class GrowthStore:
    """One growing run, in the SQLite file of its folder or in a database.

    Args:
        folder: of the run.
        write: whether to make what is missing; a view of a file writes nothing.
        url: an SQLAlchemy URL; the run is then in that database, under the folder's name.

    Raises:
        StoreCorrupt: a database, or a row of it, that is not what was written.
        StoreUnwritable: a URL that cannot be opened.
    """

    def __init__(self, folder: Path, *, write: bool = True, url: str | None = None) -> None:
        file = folder / FILE
        self.where: Path | str
        if url is not None:
            self.engine, self.name = open_url(url), folder.resolve().name
            self.where = self.engine.url.render_as_string()
        else:
            if write and not file.exists():
                create_file(file)
            self.engine, self.name, self.where = open_file(file, write=write), NAME, file
        self.base = Store(self.engine, self.where, self.name)
        if write:
            with translated(self.where):
                metadata.create_all(self.engine)
        self.empty = not inspect(self.engine).has_table(jobs.name)

    def close(self) -> None:
        """Release the database."""
        self.base.close()

    def config(self) -> dict[str, Any] | None:
        """What the run was started with, or ``None`` before it was."""
        return self.base.config()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Start the run with ``config``, or replace its configuration."""
        self.base.write_config(config)

    def models(self) -> list[Model]:
        """The family, in the order of numbers."""
        return [_model(self._checked(row, models)) for row in self._rows(models)]

    def jobs(self) -> list[Job]:
        """Every step, in the order of planning."""
        return [_job(self._checked(row, jobs)) for row in self._rows(jobs)]

    def plan(self, kind: Kind, parent: int | None, seed: int) -> Job:
        """A new step, waiting; what it makes gets the next free number.

        Args:
            kind: of the step.
            parent: the model that it starts from.
            seed: of the run.
        """
        known = self.jobs()
        model = max((job.model for job in known), default=-1) + 1
        job = Job(len(known), kind, model, parent, job_seed(seed, len(known)))
        with self._writing() as connection:
            _put(connection, self._run(connection), jobs, _plain(job))
        return job

    def begin(self, job: Job) -> Job:
        """Note that somebody works on ``job``."""
        return self._set(replace(job, state="running", attempts=job.attempts + 1))

    def release(self, job: Job) -> Job:
        """Note that nobody works on ``job`` any more, though it is not done."""
        return self._set(replace(job, state="waiting"))

    def _set(self, job: Job) -> Job:
        with self._writing() as connection:
            _put(connection, self._run(connection), jobs, _plain(job))
        return job

    def finish(self, job: Job, made: Made, elapsed: float) -> Model | None:
        """Commit at once: the step is done, its model is known, and what follows is planned.

        Returns:
            The model that the step made or trained; None where it made none.
        """
        result = {"outcome": made.outcome, "message": made.message, "elapsed": elapsed}
        done = replace(job, state="done", seconds=made.seconds, **result)  # type: ignore[arg-type]
        model = self._made(done, made)
        follows = Job(len(self.jobs()), "child", job.model, job.parent, job.seed)
        with self._writing() as connection:
            run = self._run(connection)
            _put(connection, run, jobs, _plain(done))
            if model is not None:
                _put(connection, run, models, _row(model))
            if model is not None and model.outcome is None:
                _put(connection, run, jobs, _plain(follows))
        return model

    def _made(self, job: Job, made: Made) -> Model | None:
        if job.kind == "child":
            known = next(model for model in self.models() if model.number == job.model)
            return replace(
                known,
                outcome=made.outcome,
                values={**known.values, **made.values},
                message=made.message,
                sha256=made.sha256,
                elapsed=job.elapsed,
            )
        if job.kind == "candidates" and made.outcome not in (Outcome.OK, Outcome.INFEASIBLE):
            return None
        selected = job.kind == "candidates" and made.outcome is Outcome.OK
        return Model(
            job.model,
            job.parent,
            made.added,
            None if selected else made.outcome,
            made.values,
            made.message,
            job.seed,
            made.sha256,
            job.elapsed,
        )

    def write_test(self, model: Model, test_accuracy: float) -> Model:
        """Add the measurement on the test part, which nothing chooses by."""
        tested = replace(model, values={**model.values, "test_accuracy": test_accuracy})
        with self._writing() as connection:
            _put(connection, self._run(connection), models, _row(tested))
        return tested

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(self.where), self.engine.begin() as connection:
            yield connection
        self.base.settle()

    def _run(self, connection: Connection) -> int:
        mine = select(runs.c.id).where(runs.c.name == self.name)
        return int(connection.execute(mine).scalar_one())

    def _rows(self, table: Table) -> list[Row[Any]]:
        if self.empty:
            return []
        query = select(table).join(runs, runs.c.id == table.c.run).order_by(table.c.number)
        with translated(self.where), self.engine.connect() as connection:
            return list(connection.execute(query.where(runs.c.name == self.name)).all())

    def _checked(self, row: Row[Any], table: Table) -> dict[str, Any]:
        content = {name: value for name, value in row._mapping.items() if name not in UNSIGNED}
        if row.checksum != _signature(table, content):
            raise StoreCorrupt(
                f"{table.name} {row.number} in {self.where} is not what was written",
                "Restore the store from a copy, or start again with another --out.",
            )
        return content


def _signature(table: Table, content: Mapping[str, Any]) -> str:
    names = [column.name for column in table.columns if column.name not in UNSIGNED]
    return content_digest([content[name] for name in names])


def _put(connection: Connection, run: int, table: Table, content: Mapping[str, Any]) -> None:
    """Write a row, in place of the one of its number."""
    row = {**content, "checksum": _signature(table, content)}
    mine = (table.c.run == run) & (table.c.number == content["number"])
    if connection.execute(update(table).where(mine).values(**row)).rowcount == 0:
        connection.execute(insert(table).values(run=run, **row))


def _plain(record: Model | Job) -> dict[str, Any]:
    outcome = None if record.outcome is None else record.outcome.value
    return {**asdict(record), "outcome": outcome}


def _row(model: Model) -> dict[str, Any]:
    content = _plain(model)
    values = content.pop("values")
    metrics = {name: values.get(name) for name in METRICS}
    return {**content, **metrics, "added": json.dumps(model.added)}


def _model(content: dict[str, Any]) -> Model:
    values = {name: v for name in METRICS if (v := content.pop(name)) is not None}
    if "macs" in values:
        values["flops"] = 2 * values["macs"]
    added = _added(json.loads(content.pop("added")))
    outcome = content.pop("outcome")
    return Model(
        **content, added=added, outcome=None if outcome is None else Outcome(outcome), values=values
    )


def _added(listed: list[Any]) -> Added:
    return tuple((place, tuple((read, name) for read, name in kept)) for place, kept in listed)


def _job(content: dict[str, Any]) -> Job:
    outcome = content.pop("outcome")
    return Job(**content, outcome=None if outcome is None else Outcome(outcome))
