"""A space: an ordered list of decisions, and the graph that they mean.

Everything a strategy needs follows from the decisions alone: sampling, mutation, neighbours,
crossover, one-hot encoding, enumeration.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from typing_extensions import dataclass_transform

from nascout.errors import ArchitectureError, ConfigError
from nascout.graph import Graph
from nascout.registry import Registry
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice

if TYPE_CHECKING:
    from nascout.space.relaxation import Relaxation

__all__ = ["SPACES", "Space", "space"]


class Space(ABC):
    """What may be built. A subclass is a frozen record whose fields are the skeleton's parameters.

    It gives ``decisions`` and ``graph``; ``parse`` and ``format`` have a default notation
    ``name=value,name=value`` that a benchmark's space overrides with its own.
    """

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    known: ClassVar[Mapping[str, str]] = {}
    """Published architectures of this space: name, such as ``darts_v2``, to notation."""
    known_skeletons: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """The parameters of the space for those of them that the defaults do not fit."""
    classes: int
    input_shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        for field, value in self.parameters().items():
            sizes = value if isinstance(value, list) else [value]
            if any(type(size) is int and size < 1 for size in sizes):
                raise ConfigError(f"{self.name}: {field} = {value}", "Give sizes of at least 1.")

    @property
    @abstractmethod
    def decisions(self) -> tuple[Choice, ...]:
        """The decisions, in order; a conditional one comes after those it depends on."""

    @abstractmethod
    def graph(self, architecture: Architecture) -> Graph:
        """The network that ``architecture`` means."""

    def shared_graph(self, architecture: Architecture) -> Graph:
        """The network of ``architecture`` where networks share weights by position.

        The same as :meth:`graph`, unless there an operation's place depends on the others.
        """
        return architecture.graph()

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of one sample, of each input of the graph."""
        return (self.input_shape,)

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each output, without those that a space adds for training only."""
        return ((self.classes,),)

    def relaxation(self, partial: int = 1) -> Relaxation:
        """The space with several operations at once in a place, for weight sharing by gates.

        Args:
            partial: one in how many channels goes through the operations, where that is possible.

        Raises:
            ConfigError: a space that does not say how.
        """
        raise ConfigError(
            f"{self.name} has no network with several operations in one place",
            "Share weights between sampled networks instead (rsps, enas), or search another space.",
        )

    def check(self, choices: Mapping[str, str | None]) -> None:  # noqa: B027 - a hook
        """Refuse decisions that are each allowed and yet make no architecture together.

        Every combination is one unless a space says otherwise; such a space is a
        :class:`nascout.space.constrained.Constrained`.

        Raises:
            ArchitectureError: says which rule is broken.
        """

    def picture(self, architecture: Architecture) -> Graph:
        """The part worth drawing: a cell where there is one, else the whole network."""
        return self.graph(architecture).prune()

    def parameters(self) -> dict[str, Any]:
        """The skeleton's parameters as JSON-able data."""
        fields = asdict(self)  # type: ignore[call-overload]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}

    def architecture(self, choices: Mapping[str, str]) -> Architecture:
        """The architecture with these values by decision name; decisions not open are left out."""
        return Architecture(self, tuple(choices.get(c.name) for c in self.decisions))

    def parse(self, text: str) -> Architecture:
        """Read the notation that ``format`` writes.

        Raises:
            ArchitectureError: text that is not of that form, or not of this space.
        """
        pairs = [part.partition("=") for part in text.split(",")]
        choices = {name.strip(): value.strip() for name, _, value in pairs}
        unknown = choices.keys() - {c.name for c in self.decisions}
        if unknown:
            raise ArchitectureError(
                f"{self.name} has no decision {min(unknown)!r}",
                f"Write it like {self.format(self.sample(random.Random(0)))}",
            )
        return self.architecture(choices)

    def format(self, architecture: Architecture) -> str:
        """``architecture`` in this space's notation."""
        return ",".join(f"{k}={v}" for k, v in architecture.choices.items() if v is not None)

    def sample(self, rng: random.Random) -> Architecture:
        """Every open decision uniformly at random."""
        return self._complete({}, rng)

    def mutate(self, architecture: Architecture, rng: random.Random) -> Architecture:
        """Another value for one open decision, chosen uniformly among those with two options."""
        free = [
            c
            for c in self.decisions
            if architecture.choices[c.name] is not None and len(c.options) > 1
        ]
        if not free:
            raise ArchitectureError(f"{self.name} has only one architecture", "Nothing to mutate.")
        choice = rng.choice(free)
        value = rng.choice([o for o in choice.options if o != architecture.choices[choice.name]])
        return self._complete({**architecture.choices, choice.name: value}, rng)

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every architecture one decision away; decisions this opens take their first option."""
        for choice in self.decisions:
            current = architecture.choices[choice.name]
            for option in choice.options if current is not None else ():
                if option != current:
                    yield self._complete({**architecture.choices, choice.name: option})

    def crossover(self, one: Architecture, other: Architecture, rng: random.Random) -> Architecture:
        """Each decision from either parent, where the parent had it open."""
        picks = {
            c.name: rng.choice([p for p in (one, other) if p.choices[c.name]] or [one]).choices[
                c.name
            ]
            for c in self.decisions
        }
        return self._complete(picks, rng)

    def _complete(
        self, wanted: Mapping[str, str | None], rng: random.Random | None = None
    ) -> Architecture:
        """Close the decisions that are not open, and fill the open ones that ``wanted`` lacks."""
        made: dict[str, str | None] = {}
        for choice in self.decisions:
            value = None
            if not choice.when or choice.is_open(made):
                value = wanted.get(choice.name)
                if value is None:
                    value = rng.choice(choice.options) if rng else choice.options[0]
            made[choice.name] = value
        self.check(made)
        return Architecture.known(self, tuple(made.values()))

    def encode(self, architecture: Architecture) -> list[int]:
        """One-hot over all options of all decisions; a decision not open is all zeros."""
        return [
            int(option == value)
            for choice, value in zip(self.decisions, architecture.values, strict=True)
            for option in choice.options
        ]

    def decode(self, code: Sequence[float]) -> Architecture:
        """The architecture of a one-hot code; of any real vector, the largest entry per decision.

        Raises:
            ArchitectureError: a code of another length.
        """
        if len(code) != sum(len(c.options) for c in self.decisions):
            raise ArchitectureError(f"a code of length {len(code)}", "Use Space.encode's length.")
        wanted, start = {}, 0
        for choice in self.decisions:
            part = list(code[start : start + len(choice.options)])
            wanted[choice.name] = choice.options[part.index(max(part))]
            start += len(choice.options)
        return self._complete(wanted)

    @cached_property
    def size(self) -> int:
        """How many architectures there are, by notation (isomorphic ones counted apart)."""
        needed_by = {name: index for index, c in enumerate(self.decisions) for name, _ in c.when}
        # A state is what was chosen where a later decision depends on it; ways to reach each.
        ways: Counter[tuple[tuple[str, str | None], ...]] = Counter({(): 1})
        for index, choice in enumerate(self.decisions):
            reached: Counter[tuple[tuple[str, str | None], ...]] = Counter()
            for state, count in ways.items():
                for option in choice.options if choice.is_open(dict(state)) else (None,):
                    made = (*state, (choice.name, option))
                    reached[tuple(m for m in made if needed_by.get(m[0], -1) > index)] += count
            ways = reached
        return sum(ways.values())

    def __iter__(self) -> Iterator[Architecture]:
        """All architectures, the last decision varying fastest."""
        return (Architecture(self, values) for values in self._enumerate({}))

    def _enumerate(self, made: dict[str, str | None]) -> Iterator[tuple[str | None, ...]]:
        if len(made) == len(self.decisions):
            yield tuple(made.values())
            return
        choice = self.decisions[len(made)]
        for option in choice.options if choice.is_open(made) else (None,):
            yield from self._enumerate({**made, choice.name: option})


SPACES: Registry[type[Space]] = Registry(
    "space",
    modules=(
        "nascout.space.amoebanet",
        "nascout.space.darts",
        "nascout.space.darts_rnn",
        "nascout.space.enas_macro",
        "nascout.space.enas_micro",
        "nascout.space.enas_rnn",
        "nascout.space.fbnet",
        "nascout.space.freeform",
        "nascout.space.growing",
        "nascout.space.mnasnet",
        "nascout.space.nasbench101",
        "nascout.space.nasbench201",
        "nascout.space.nasbench_macro",
        "nascout.space.nasnet",
        "nascout.space.nasrl",
        "nascout.space.nats_size",
        "nascout.space.pnas",
        "nascout.space.proxylessnas",
        "nascout.space.transnasbench101_macro",
        "nascout.space.transnasbench101_micro",
        "nascout.space.zoph_le_rnn",
    ),
)

T = TypeVar("T", bound=Space)


@dataclass_transform(frozen_default=True)
def space(name: str, *, paper: str = "") -> Callable[[type[T]], type[T]]:
    """Register a space: ``@space("name", paper="arXiv:...")`` above its class."""
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(f"space name {name!r}: use letters, digits, '-' and '_'")

    def register(cls: type[T]) -> type[T]:
        record = dataclass(frozen=True)(cls)
        record.name, record.paper = name, paper
        SPACES.add(name, record)
        return record

    return register
