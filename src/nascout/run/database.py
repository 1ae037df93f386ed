"""Opening the database of a run so that damage, fullness and other writers are told apart."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from nascout.errors import StoreBusy, StoreCorrupt, StoreFull, StoreUnwritable
from nascout.run.schema import SCHEMA_VERSION, metadata, schema

__all__ = ["create_file", "open_file", "open_url", "translated"]


def create_file(path: Path) -> None:
    """Make an empty SQLite store at ``path``, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with translated(path):
        engine = _sqlite(draft)
        _create_schema(engine)
        engine.dispose()
        # The last connection's closing empties the write-ahead log, so the file is complete.
        draft.replace(path)


def open_file(path: Path, *, write: bool = True) -> Engine:
    """Open the SQLite store at ``path`` and check it.

    Raises:
        StoreCorrupt: not a database, a damaged one, or one without the store's tables.
        StoreBusy: another process holds it.
    """
    with translated(path):
        engine = _sqlite(path) if write else _sqlite_read_only(path)
        with engine.connect() as connection:
            verdict = connection.execute(text("PRAGMA integrity_check")).scalar()
    if verdict != "ok":
        raise _corrupt(path, str(verdict))
    _check_schema(engine, path)
    return engine


def open_url(url: str) -> Engine:
    """Open a store by SQLAlchemy URL (``postgresql+psycopg://...``), making its tables if new."""
    try:
        engine = create_engine(url)
        with translated(url):
            if not inspect(engine).has_table(schema.name):
                _create_schema(engine)
    except (SQLAlchemyError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise StoreUnwritable(
            f"cannot open the store ({reason})",
            "Check the URL and its driver; PostgreSQL needs pip install 'nascout[postgresql]'.",
        ) from error
    _check_schema(engine, engine.url.render_as_string())
    return engine


def _sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _: Any) -> None:
        # FULL: a committed record survives a power cut. Readers never block the writer.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA busy_timeout=10000")

    return engine


def _sqlite_read_only(path: Path) -> Engine:
    # Where the folder cannot be written, SQLite cannot share memory for its log either.
    still = "" if os.access(path.parent, os.W_OK) else "&immutable=1"
    url = f"sqlite:///file:{path}?mode=ro{still}&uri=true"
    return create_engine(url, poolclass=NullPool)


def _create_schema(engine: Engine) -> None:
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(schema.insert().values(version=SCHEMA_VERSION))


def _check_schema(engine: Engine, where: Path | str) -> None:
    with translated(where), engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        missing = sorted(set(metadata.tables) - tables)
        if missing:
            raise _corrupt(where, f"it lacks {', '.join(missing)}")
        version = connection.execute(select(schema.c.version)).scalar()
    if version != SCHEMA_VERSION:
        raise StoreCorrupt(
            f"{where} has store schema {version}, this nascout reads {SCHEMA_VERSION}",
            "Use the nascout version that wrote it, or another folder.",
        )


def _corrupt(where: Path | str, reason: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"the run store {where} is damaged ({reason})",
        "Restore it from a copy, or start again with another --out; nothing was overwritten.",
    )


@contextmanager
def translated(where: Path | str) -> Iterator[None]:
    """Turn the database's errors into ones that say what to do."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        if "disk is full" in reason or "No space left" in reason:
            folder = where.parent if isinstance(where, Path) else Path.cwd()
            free = shutil.disk_usage(folder).free
            raise StoreFull(
                f"no space left for {where} ({free:,} bytes free)", "Free some and run again."
            ) from error
        if "locked" in reason:
            raise StoreBusy(
                f"{where} is locked by another process", "Wait for it, or stop it, and run again."
            ) from error
        if "readonly" in reason or "unable to open" in reason:
            raise StoreUnwritable(
                f"cannot write {where} ({reason})", "Give write access, or another --out."
            ) from error
        if isinstance(where, Path) and not isinstance(error, IntegrityError):
            # What is left to go wrong with a local file is its content.
            raise _corrupt(where, reason) from error
        raise
