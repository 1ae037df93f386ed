"""The frozen records that rooms hand to each other.

Units are in the names: ``latency_ms``, ``activation_bytes``. A MAC is one multiply-add, and
``flops = 2 * macs``. ``val_accuracy`` is measured during the search, ``retrained_val_accuracy``
and ``test_accuracy`` after the final training; the three never share a name.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from nascout.errors import ConfigError

__all__ = ["COST_NAMES", "Constraint", "Cost", "Objective", "Outcome", "Score", "content_digest"]

COST_NAMES = ("params", "macs", "flops", "activation_bytes", "latency_ms")


def content_digest(content: Any) -> str:
    """SHA-256 (64 hex digits) of JSON-able ``content``, the same on every machine.

    >>> content_digest({"b": 1, "a": [2]}) == content_digest({"a": [2], "b": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Outcome(str, Enum):
    """How an evaluation ended. A failure is an outcome, never a number."""

    OK = "ok"
    INFEASIBLE = "infeasible"
    NONFINITE = "nonfinite"
    UNSUPPORTED = "unsupported"
    OOM = "oom"
    TIMEOUT = "timeout"
    FAILED = "failed"
    KILLED = "killed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Objective:
    """A metric and which way is better.

    >>> Objective.parse("latency_ms"), Objective.parse("max:naswot")
    (Objective(metric='latency_ms', maximize=False), Objective(metric='naswot', maximize=True))
    """

    metric: str
    maximize: bool

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read ``"min:NAME"``, ``"max:NAME"`` or ``"NAME"`` (costs are minimised)."""
        direction, _, name = text.rpartition(":")
        if direction not in ("", "min", "max") or not name:
            raise ConfigError(f"malformed objective {text!r}", "Write NAME, min:NAME or max:NAME.")
        return cls(name, direction == "max" if direction else name not in COST_NAMES)

    def __str__(self) -> str:
        return f"{'max' if self.maximize else 'min'}:{self.metric}"

    def loss(self, values: Mapping[str, float]) -> float:
        """The value to minimise; +inf where the metric is missing or not finite."""
        value = values.get(self.metric, math.nan)
        return math.inf if not math.isfinite(value) else -value if self.maximize else value


@dataclass(frozen=True)
class Constraint:
    """A bound on a cost: ``params <= 500000``.

    >>> Constraint.parse("latency_ms <= 10").holds({"latency_ms": 12.0})
    False
    """

    metric: str
    upper: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read ``"NAME<=NUMBER"`` or ``"NAME>=NUMBER"`` (underscores and ``1e6`` allowed).

        Raises:
            ConfigError: malformed, or a metric that is not a cost.
        """
        match = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*([-+\w.]+)\s*", text)
        example = "Write it like 'params<=500000' or 'latency_ms<=10'."
        if match is None:
            raise ConfigError(f"malformed constraint {text!r}", example)
        metric, sign, number = match.groups()
        if metric not in COST_NAMES:
            raise ConfigError(
                f"no constraint on {metric!r}", f"Constrain one of {', '.join(COST_NAMES)}."
            )
        try:
            bound = float(number)
        except ValueError:
            raise ConfigError(f"{number!r} in {text!r} is not a number", example) from None
        if not math.isfinite(bound):
            raise ConfigError(f"the bound in {text!r} is not finite", example)
        return cls(metric, sign == "<=", bound)

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether ``values`` satisfies the bound; a missing or NaN metric does not."""
        value = values.get(self.metric, math.nan)
        return value <= self.bound if self.upper else value >= self.bound

    def __str__(self) -> str:
        bound = repr(self.bound).removesuffix(".0")
        return f"{self.metric}{'<=' if self.upper else '>='}{bound}"


@dataclass(frozen=True)
class Cost:
    """What a network costs for one input; see :func:`nascout.cost`."""

    params: int
    macs: int
    activation_bytes: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two per MAC."""
        return 2 * self.macs

    def as_dict(self) -> dict[str, float]:
        """The costs by name, as constraints and objectives read them."""
        return {
            "params": self.params,
            "macs": self.macs,
            "flops": self.flops,
            "activation_bytes": self.activation_bytes,
        }


@dataclass(frozen=True)
class Score:
    """What a training-free score said of one network.

    ``value`` is the mean over ``per_seed``; it is NaN or infinite exactly when ``outcome`` is not
    ``ok``. ``seconds`` is excluded from equality: it is a measurement, not content.
    """

    name: str
    value: float
    higher_is_better: bool
    outcome: Outcome = Outcome.OK
    per_seed: tuple[float, ...] = ()
    message: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def spread(self) -> float:
        """Standard deviation over seeds (n - 1 in the denominator); 0 for one seed."""
        n = len(self.per_seed)
        if n < 2:
            return 0.0
        mean = sum(self.per_seed) / n
        return math.sqrt(sum((v - mean) ** 2 for v in self.per_seed) / (n - 1))

    def __float__(self) -> float:
        return self.value
