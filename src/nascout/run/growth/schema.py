"""The tables of a growing run, beside those of every run store."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
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

from nascout.run.schema import runs

__all__ = ["jobs", "metadata", "models"]

metadata = MetaData()

COUNTS: Final = ("params", "macs", "activation_bytes")
MEASURED: Final = ("latency_ms", "val_accuracy", "test_accuracy")

# A model of the family; without an outcome while it waits for its training.
models = Table(
    "nascout_growth_models",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey(runs.c.id), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("parent", Integer),
    Column("added", Text, nullable=False),
    Column("outcome", String(20)),
    Column("message", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("elapsed", Float, nullable=False),
    *(Column(name, BigInteger) for name in COUNTS),
    *(Column(name, Float) for name in MEASURED),
    Column("checksum", String(64), nullable=False),
    UniqueConstraint("run", "number"),
)

# A step of growth: waiting, running or done.
jobs = Table(
    "nascout_growth_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey(runs.c.id), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("model", Integer, nullable=False),
    Column("parent", Integer),
    Column("seed", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("outcome", String(20)),
    Column("message", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("elapsed", Float, nullable=False),
    Column("checksum", String(64), nullable=False),
    UniqueConstraint("run", "number"),
)
