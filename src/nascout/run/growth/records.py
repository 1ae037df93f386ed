"""What a growing run is made of: models, and the steps that make them. Needs no torch."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from nascout.records import Outcome

__all__ = ["COSTS", "METRICS", "Added", "Job", "Kind", "Made", "Model", "State", "job_seed"]

Kind = Literal["parent", "candidates", "child"]
State = Literal["waiting", "running", "done"]
#: Places, and per operation there what it reads and its name; as :class:`nascout.growth.Addition`.
Added = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

COSTS: Final = ("params", "macs", "activation_bytes", "latency_ms")
METRICS: Final = (*COSTS, "val_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Model:
    """One model of the family.

    Attributes:
        number: 0 is the model that growth started from.
        parent: the number of the model that it grew from.
        added: what it has and its parent has not.
        outcome: of its training; None while it waits for it.
        values: of ``METRICS``, what is known; ``flops`` besides.
        message: why the outcome is not ``ok``.
        seed: of its new weights and its training.
        sha256: of its weights on disk; empty before it is trained.
        elapsed: seconds that the run had taken when it was done.
    """

    number: int
    parent: int | None
    added: Added
    outcome: Outcome | None
    values: Mapping[str, float]
    message: str = ""
    seed: int = 0
    sha256: str = ""
    elapsed: float = field(default=0.0, compare=False)

    @property
    def state(self) -> str:
        """``waiting`` for its training, ``trained``, or how it failed."""
        if self.outcome is None:
            return "waiting"
        return "trained" if self.outcome is Outcome.OK else str(self.outcome)


@dataclass(frozen=True)
class Job:
    """One step, in one of three queues.

    Attributes:
        number: in the order of planning.
        kind: ``parent`` measures (and, if asked, trains) the first model, ``candidates`` trains a
            parent with candidates and selects, ``child`` trains what was selected.
        model: the number of the model that it makes.
        parent: the number of the model that it starts from.
        seed: of everything random in it.
        state: ``running`` only while somebody works on it.
        attempts: how often it was begun.
        outcome: of a step that is done.
        message: why the outcome is not ``ok``.
        seconds: of its training.
        elapsed: seconds that the run had taken when it was done.
    """

    number: int
    kind: Kind
    model: int
    parent: int | None
    seed: int
    state: State = "waiting"
    attempts: int = 0
    outcome: Outcome | None = None
    message: str = ""
    seconds: float = field(default=0.0, compare=False)
    elapsed: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Made:
    """What came of a step; its weights, if it has some, are on disk already.

    Raises:
        ValueError: a value that is not finite, which is an outcome and no value.
    """

    outcome: Outcome
    values: Mapping[str, float] = field(default_factory=dict)
    added: Added = ()
    message: str = ""
    sha256: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        bad = [name for name, value in self.values.items() if not math.isfinite(value)]
        if bad:
            raise ValueError(f"{bad[0]} is not finite; make it an outcome")


def job_seed(seed: int, number: int) -> int:
    """The seed of step ``number`` of a run, from 0 to 2^31 - 1.

    >>> job_seed(0, 1) != job_seed(0, 2) != job_seed(1, 2)
    True
    """
    return random.Random(f"growth {seed} {number}").getrandbits(31)
