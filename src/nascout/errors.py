"""One root for every error, each with what is wrong and what to do next.

The command line prints ``str(error)`` on one line and leaves with ``error.exit_code``:
2 usage, 3 nothing succeeded, 4 a store that cannot be trusted, 74 input/output.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "AllFailed",
    "ArchitectureError",
    "ConfigError",
    "DataError",
    "ExportError",
    "GraphError",
    "Infeasible",
    "IntegrityError",
    "Interrupted",
    "MissingExtra",
    "NascoutError",
    "RunMismatch",
    "StoreBusy",
    "StoreCorrupt",
    "StoreFull",
    "StoreUnwritable",
    "UnknownName",
    "UnsafePath",
    "UnsupportedNetwork",
]


class NascoutError(Exception):
    """Something the caller can mend: ``problem`` says what is wrong, ``remedy`` what to do."""

    exit_code = 2

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem.rstrip('.')}. {self.remedy}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses have constructors of their own; an error must still cross processes.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[NascoutError], args: tuple[str, str], attributes: dict[str, Any]
) -> NascoutError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class UnknownName(NascoutError):
    """A name that no registry holds; suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names)}."
        super().__init__(f"unknown {kind} {name!r}", remedy)


class GraphError(NascoutError):
    """A graph that means nothing; names the node."""


class ArchitectureError(NascoutError):
    """An architecture that its space does not hold, or text that does not parse."""


class ConfigError(NascoutError):
    """An option, constraint or configuration file that cannot be used."""


class DataError(NascoutError):
    """A data set that cannot be used as it is."""


class UnsupportedNetwork(NascoutError):
    """A network that this reading or score cannot be applied to."""


class ExportError(NascoutError):
    """An exported file that does not give the network's outputs back."""


class MissingExtra(NascoutError):
    """A feature whose optional package is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra {extra!r}", f"pip install 'nascout[{extra}]'")


class UnsafePath(NascoutError):
    """A file name that would leave the folder it belongs to."""


class AllFailed(NascoutError):
    """Every candidate failed."""

    exit_code = 3


class Infeasible(NascoutError):
    """No candidate satisfies the constraints."""

    exit_code = 3


class StoreCorrupt(NascoutError):
    """A run store whose content is damaged."""

    exit_code = 4


class RunMismatch(NascoutError):
    """A run resumed with another space, data, strategy or seed."""

    exit_code = 4


class IntegrityError(NascoutError):
    """A file whose digest is not the recorded one."""

    exit_code = 4


class Interrupted(NascoutError):
    """A signal stopped the run; what was finished is stored."""

    def __init__(self, signum: int, remedy: str) -> None:
        super().__init__(f"stopped by signal {signum}", remedy)
        self.exit_code = 128 + signum


class StoreBusy(NascoutError):
    """Another process is writing this run."""

    exit_code = 74


class StoreUnwritable(NascoutError):
    """The run's folder or database refuses to be written."""

    exit_code = 74


class StoreFull(NascoutError):
    """No space left where the run is written."""

    exit_code = 74
