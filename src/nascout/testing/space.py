"""The conformance battery of a space: what every strategy relies on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from nascout.errors import ArchitectureError
from nascout.graph import graph_cost
from nascout.space import SPACES, Architecture, Space

__all__ = ["check_space"]

NEIGHBOURHOODS = 5
ENUMERABLE = 2000


def check_space(space: Space, samples: int = 100, seed: int = 0, networks: int = 3) -> None:
    """Check that ``space`` keeps every promise that strategies, stores and scores rely on.

    Args:
        space: what to check; its class is registered with ``@nascout.space.space(name)``.
        samples: architectures to draw and check.
        seed: of the draw.
        networks: how many of them to build and run; none where torch is not installed.

    Raises:
        AssertionError: names the property that fails, and the architecture it fails for.

    Example:
        >>> check_space(SPACES["nasbench201"](channels=2, cells=1), samples=3, networks=0)
    """
    with _promise(space, "the space's own record"):
        _record(space)
    with _promise(space, "decisions"):
        _decisions(space)
    with _promise(space, "sampling"):
        drawn = _sampled(space, samples, seed)
    with _promise(space, "size"):
        _size(space, drawn)
    with _promise(space, "parse"):
        _refuses_nonsense(space)
    rng = random.Random(seed)
    for architecture in drawn:
        for what, check in _PROMISES.items():
            with _promise(space, what, architecture):
                check(space, architecture, rng)
    for architecture in drawn[:NEIGHBOURHOODS]:
        with _promise(space, "neighbours", architecture):
            _neighbours(space, architecture)
    _equal_digests(space, drawn)
    for architecture in drawn[:networks] if find_spec("torch") else ():
        with _promise(space, "network", architecture):
            _network(space, architecture)


@contextmanager
def _promise(space: Space, what: str, architecture: Architecture | None = None) -> Iterator[None]:
    """Whatever goes wrong inside becomes an AssertionError that says what and where."""
    try:
        yield
    except Exception as error:
        where = "" if architecture is None else f" for {architecture.values}"
        raise AssertionError(
            f"space {getattr(space, 'name', space)!r} breaks {what!r}{where}: {error}"
        ) from error


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise AssertionError(why)


def _record(space: Space) -> None:
    _require(SPACES[space.name] is type(space), f"SPACES[{space.name!r}] is another class")
    parameters = {k: tuple(v) if isinstance(v, list) else v for k, v in space.parameters().items()}
    again = type(space)(**parameters)
    _require(again == space, "rebuilt from its parameters it is not equal")
    _require(hash(again) == hash(space), "equal spaces have different hashes")
    _require(not {"space", "values"} & parameters.keys(), "a parameter is named space or values")


def _decisions(space: Space) -> None:
    earlier: dict[str, tuple[str, ...]] = {}
    for choice in space.decisions:
        _require(choice.name not in earlier, f"two decisions are named {choice.name!r}")
        _require(len(choice.options) > 0, f"{choice.name!r} has no options")
        _require(
            len(set(choice.options)) == len(choice.options), f"{choice.name!r} repeats an option"
        )
        for name, allowed in choice.when:
            _require(name in earlier, f"{choice.name!r} depends on {name!r}, which is not earlier")
            strangers = set(allowed) - set(earlier[name])
            _require(not strangers, f"{choice.name!r} waits for {strangers} of {name!r}")
        earlier[choice.name] = choice.options
    _require(space.decisions == space.decisions, "asked twice, it gives different decisions")


def _sampled(space: Space, samples: int, seed: int) -> list[Architecture]:
    first, second = random.Random(seed), random.Random(seed)
    drawn = [space.sample(first) for _ in range(samples)]
    _require(drawn == [space.sample(second) for _ in drawn], "the same seed gives other samples")
    _require(all(a.space == space for a in drawn), "a sample is of another space")
    return drawn


def _size(space: Space, drawn: list[Architecture]) -> None:
    _require(space.size >= len(set(drawn)), f"{space.size} is fewer than were sampled")
    if space.size <= ENUMERABLE:
        everything = list(space)
        _require(len(everything) == space.size, f"size {space.size}, but {len(everything)} listed")
        _require(len(set(everything)) == space.size, "the list repeats architectures")
        _require(set(drawn) <= set(everything), "a sample is not listed")


def _refuses_nonsense(space: Space) -> None:
    for text in ("", "?", "no=such,thing=here"):
        try:
            space.parse(text)
        except ArchitectureError as error:
            _require("\n" not in str(error), "an error message of several lines")
        else:
            _require(False, f"{text!r} is read as an architecture")


def _notation(space: Space, architecture: Architecture, rng: random.Random) -> None:
    text = str(architecture)
    _require("\n" not in text, "the notation has several lines")
    _same(space.parse(text), architecture, f"{text!r} is read as another architecture")


def _json(space: Space, architecture: Architecture, rng: random.Random) -> None:
    back = Architecture.from_json(architecture.to_json())
    _same(back, architecture, "JSON gives another architecture back")


def _code(space: Space, architecture: Architecture, rng: random.Random) -> None:
    code = space.encode(architecture)
    made = sum(value is not None for value in architecture.values)
    _require(set(code) <= {0, 1} and sum(code) == made, "not one 1 per decision made")
    _same(space.decode(code), architecture, "its code gives another architecture back")


def _graph(space: Space, architecture: Architecture, rng: random.Random) -> None:
    graph = space.graph(architecture)
    _require(graph == architecture.graph(), "built twice, the graphs differ")
    shapes = [graph.shapes[i] for i in graph.inputs]
    _require(shapes == [*space.input_shapes], f"inputs {shapes}, not {space.input_shapes}")
    shapes = [graph.shapes[i] for i in graph.outputs]
    _require(shapes == [*space.output_shapes], f"outputs {shapes}, not {space.output_shapes}")
    _require(len(space.picture(architecture).shapes) > 0, "nothing to draw")


def _cost(space: Space, architecture: Architecture, rng: random.Random) -> None:
    cost = graph_cost(architecture.graph())
    _require(min(cost.params, cost.macs) >= 0 < cost.activation_bytes, f"{cost}")


def _digest(space: Space, architecture: Architecture, rng: random.Random) -> None:
    again = Architecture(space, architecture.values)
    _require(again.digest == architecture.digest, "built twice, the digests differ")


def _mutation(space: Space, architecture: Architecture, rng: random.Random) -> None:
    if space.size < 2:
        return
    state = rng.getstate()
    child = space.mutate(architecture, rng)
    _require(child.space == space, "the mutant is of another space")
    _require(child != architecture, "the mutant is its parent")
    rng.setstate(state)
    _require(space.mutate(architecture, rng) == child, "the same seed gives another mutant")


def _crossover(space: Space, architecture: Architecture, rng: random.Random) -> None:
    other = space.sample(rng)
    child = space.crossover(architecture, other, rng)
    _require(child.space == space, f"the child with {other.values} is of another space")
    _same(space.crossover(architecture, architecture, rng), architecture, "no child of itself")


_PROMISES: dict[str, Callable[[Space, Architecture, random.Random], None]] = {
    "notation round trip": _notation,
    "JSON round trip": _json,
    "one-hot round trip": _code,
    "graph": _graph,
    "cost": _cost,
    "digest": _digest,
    "mutation": _mutation,
    "crossover": _crossover,
}


def _same(found: Architecture, wanted: Architecture, why: str) -> None:
    _require(found == wanted, f"{why}: {found.values}")
    _require(hash(found) == hash(wanted), "equal architectures have different hashes")


def _neighbours(space: Space, architecture: Architecture) -> None:
    near = list(space.neighbours(architecture))
    _require(all(n.space == space for n in near), "a neighbour is of another space")
    _require(architecture not in near, "it is its own neighbour")
    _require(len(set(near)) == len(near), "the same neighbour twice")
    _require(bool(near) == (space.size > 1), "no neighbours")


def _equal_digests(space: Space, drawn: list[Architecture]) -> None:
    seen: dict[str, tuple[Architecture, Any]] = {}
    for architecture in drawn:
        cost = graph_cost(architecture.graph())
        twin, known = seen.setdefault(architecture.digest, (architecture, cost))
        with _promise(space, "equal digests mean equal params and MACs", architecture):
            same = (cost.params, cost.macs) == (known.params, known.macs)
            _require(same, f"{cost}, but {twin.values} has {known}")


def _network(space: Space, architecture: Architecture) -> None:
    import torch

    from nascout.network import build

    net = build(architecture, seed=0)
    with torch.no_grad():
        outputs = net(*(torch.zeros(2, *shape) for shape in space.input_shapes))
    every = outputs if isinstance(outputs, tuple) else (outputs,)
    shapes = [tuple(output.shape) for output in every]
    _require(shapes == [(2, *shape) for shape in space.output_shapes], f"two samples give {shapes}")
    params = sum(p.numel() for p in net.parameters())
    counted = graph_cost(architecture.graph()).params
    _require(params == counted, f"{params} parameters in torch, {counted} in the graph")
