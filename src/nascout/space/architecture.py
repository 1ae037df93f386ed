"""An architecture: the decisions taken in one space. Frozen and hashable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nascout.errors import ArchitectureError
from nascout.graph import Graph, digest

if TYPE_CHECKING:
    from nascout.space.space import Space

__all__ = ["Architecture"]


@dataclass(frozen=True)
class Architecture:
    """``values[i]`` answers ``space.decisions[i]``; ``None`` where the decision was not open.

    Raises:
        ArchitectureError: values that the space does not allow; names the decision.
    """

    space: Space
    values: tuple[str | None, ...]

    def __post_init__(self) -> None:
        decisions = self.space.decisions
        if len(self.values) != len(decisions):
            raise ArchitectureError(
                f"{len(self.values)} values for {len(decisions)} decisions of {self.space.name}",
                "Give one value per decision.",
            )
        made: dict[str, str | None] = {}
        for choice, value in zip(decisions, self.values, strict=True):
            allowed = choice.options if choice.is_open(made) else (None,)
            if value not in allowed:
                raise ArchitectureError(
                    f"decision {choice.name!r} of {self.space.name} cannot be {value!r}",
                    f"Allowed here: {', '.join(map(str, allowed))}.",
                )
            made[choice.name] = value
        self.space.check(made)

    @classmethod
    def known(cls, space: Space, values: tuple[str | None, ...]) -> Architecture:
        """One whose values are known to be allowed, which saves the time to check them."""
        made = object.__new__(cls)
        made.__dict__.update(space=space, values=values)
        return made

    def __hash__(self) -> int:
        return hash(self.values)  # without the space, whose fields take long

    @cached_property
    def choices(self) -> Mapping[str, str | None]:
        """The values by the name of their decision."""
        names = (choice.name for choice in self.space.decisions)
        return dict(zip(names, self.values, strict=True))

    def graph(self) -> Graph:
        """The network as a graph."""
        return self._graph

    @cached_property
    def _graph(self) -> Graph:
        return self.space.graph(self)

    @cached_property
    def digest(self) -> str:
        """32 hex digits, equal for isomorphic networks; see :mod:`nascout.graph.canonical`."""
        return digest(self.graph())

    def __str__(self) -> str:
        return self.space.format(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content: the space's name, its parameters and the values."""
        return {"space": self.space.name, **self.space.parameters(), "values": list(self.values)}

    def to_json(self) -> str:
        """JSON text that :meth:`from_json` reads back to an equal architecture."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read what :meth:`to_json` wrote.

        Raises:
            ArchitectureError: not such a text, or values that the space does not allow.
            UnknownName: a space that is not registered.
            ConfigError: parameters that the space refuses.
        """
        from nascout.space.space import SPACES

        try:
            content = json.loads(text)
            values = tuple(content.pop("values"))
            kind = SPACES[content.pop("space")]
            known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
            parameters = {
                k: tuple(v) if isinstance(v, list) else v for k, v in content.items() if k in known
            }
            return cls(kind(**parameters), values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArchitectureError(
                f"this is not an architecture in JSON ({error!r})",
                "Write it with Architecture.to_json.",
            ) from None
