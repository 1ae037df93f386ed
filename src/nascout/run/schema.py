"""The tables of a run store. One schema for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["SCHEMA_VERSION", "candidates", "evaluations", "history", "metadata", "runs", "schema"]

SCHEMA_VERSION: Final = 1

metadata = MetaData()

# One row: which schema this database has.
schema = Table("nascout_schema", metadata, Column("version", Integer, primary_key=True))

# A run and everything that must not change when it is resumed.
runs = Table(
    "nascout_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(500), nullable=False, unique=True),
    Column("config", Text, nullable=False),
    Column("checksum", String(64), nullable=False),
)

# A distinct network, under the notation it was first proposed in.
candidates = Table(
    "nascout_candidates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("nascout_runs.id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("architecture", Text, nullable=False),
    UniqueConstraint("run", "digest"),
)

# What was spent on a candidate and what came of it: once per stage, epochs and seed.
evaluations = Table(
    "nascout_evaluations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("candidate", ForeignKey("nascout_candidates.id"), nullable=False, index=True),
    Column("stage", String(20), nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("metrics", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("checksum", String(64), nullable=False),
    UniqueConstraint("candidate", "stage", "epochs", "seed"),
)

# The order in which a strategy proposed, each time with the notation it used.
history = Table(
    "nascout_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("nascout_runs.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("evaluation", ForeignKey("nascout_evaluations.id"), nullable=False),
    Column("architecture", Text, nullable=False),
    Column("checksum", String(64), nullable=False),
    UniqueConstraint("run", "number"),
)
