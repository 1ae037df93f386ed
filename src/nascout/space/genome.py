"""A genome: the layers and edges of a graph that may grow for ever, each with a lasting name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from graphlib import CycleError, TopologicalSorter
from typing import Final, NamedTuple

from nascout.errors import ArchitectureError

__all__ = ["SMALLEST", "Edge", "Genome", "Layer"]

Edge = tuple[str, str]  # the names of the layer that is read, and of the one that reads

NAME: Final = r"[0-9a-f]{8}"
LAYER: Final = rf"({NAME}):(\w+)\*([1-9]\d*)/([12])"


class Layer(NamedTuple):
    """An operation, its width in units of the skeleton's channels, and its stride, 1 or 2."""

    op: str
    width: int = 1
    stride: int = 1


@dataclass(frozen=True)
class Genome:
    """Layers by name, and edges that are on or off; ``in`` and ``out`` are the ends of the graph.

    A layer is named after the edge that it was put on, so the same innovation has the same name in
    whatever genome, process or search it happens. An edge is named by its ends. Layers added up are
    brought to one shape where the graph is built, so any acyclic wiring is a network.

    Notation: per layer ``name:operation*width/stride<sources``, last ``out<sources``, joined by
    ``|``; ``-`` is before a source whose edge is off.

    Raises:
        ArchitectureError: a cycle, an edge to or from nowhere, a loose layer, no way through.

    Example:
        >>> genome = SMALLEST.split(("in", "out"), "conv_3x3")
        >>> str(genome)
        '0569d752:conv_3x3*1/1<in|out<-in,0569d752'
        >>> Genome.parse(str(genome)) == genome
        True
    """

    layers: Mapping[str, Layer]
    edges: Mapping[Edge, bool]

    def __post_init__(self) -> None:
        sources = {source for source, _ in self.edges}
        readers = {reader for _, reader in self.edges}
        if sources != {"in", *self.layers} or readers != {"out", *self.layers}:
            raise ArchitectureError(
                "a layer reads nothing, is read by nothing, or is not there",
                "Give every layer a source and a reader among the layers, in and out.",
            )
        if "out" not in self.live:
            raise ArchitectureError(
                "no path leads from in to out", "Switch edges on until one does."
            )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All names, each after those it reads, whether the edge is on or off; else by name."""
        sorter = TopologicalSorter(self._sources)
        found: list[str] = []
        try:
            sorter.prepare()
        except CycleError:
            raise ArchitectureError(
                "the edges form a cycle", "Let layers read only what comes before them."
            ) from None
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            found += ready
            sorter.done(*ready)
        return tuple(found)

    @cached_property
    def live(self) -> tuple[str, ...]:
        """Those on a path of edges that are on from ``in`` to ``out``, in order."""
        reached, reaching = {"in"}, {"out"}
        for name in self.order:
            if reached & {*self.sources(name)}:
                reached.add(name)
        for name in reversed(self.order):
            if name in reaching:
                reaching |= {*self.sources(name)}
        return tuple(name for name in self.order if name in reached & reaching)

    def sources(self, name: str) -> list[str]:
        """What ``name`` reads by edges that are on, in order."""
        return [source for source in self._sources.get(name, ()) if self.edges[source, name]]

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {"in": []}
        for source, reader in self.edges:
            found.setdefault(reader, []).append(source)
        return found

    def split(self, edge: Edge, op: str) -> Genome:
        """With a layer on ``edge``, as wide as what it reads; the edge itself goes off."""
        source, reader = edge
        count = 0
        while (name := _name(edge, count)) in self.layers:
            count += 1
        layer = Layer(op, self.layers[source].width if source in self.layers else 1)
        edges = {**self.edges, edge: False, (source, name): True, (name, reader): True}
        return Genome({**self.layers, name: layer}, edges)

    def switch(self, edge: Edge, on: bool = True) -> Genome:
        """With ``edge`` on or off; one that was not there is added."""
        return Genome(self.layers, {**self.edges, edge: on})

    def change(self, name: str, **attributes: object) -> Genome:
        """With other attributes of the layer ``name``."""
        layer = self.layers[name]._replace(**attributes)  # type: ignore[arg-type]
        return Genome({**self.layers, name: layer}, self.edges)

    def edits(self, ops: tuple[str, ...]) -> dict[str, list[Callable[[], Genome]]]:
        """Every genome one innovation away, made when called; by the kind of innovation.

        The kinds: a layer on an edge that is on; an edge more; another operation; twice or half
        the width; the other stride; an edge on or off, where a path remains.
        """
        layers = self.layers.items()
        return {
            "split": [
                partial(self.split, edge, op) for edge, on in self.edges.items() if on for op in ops
            ],
            "connect": [partial(self.switch, edge) for edge in self._missing()],
            "operation": [
                partial(self.change, name, op=op)
                for name, layer in layers
                for op in ops
                if op != layer.op
            ],
            "width": [
                *(partial(self.change, name, width=2 * layer.width) for name, layer in layers),
                *(
                    partial(self.change, name, width=layer.width // 2)
                    for name, layer in layers
                    if layer.width % 2 == 0
                ),
            ],
            "stride": [
                partial(self.change, name, stride=3 - layer.stride) for name, layer in layers
            ],
            "switch": [
                partial(self.switch, edge, not on)
                for edge, on in self.edges.items()
                if not on or self._spares(edge)
            ],
        }

    def _missing(self) -> list[Edge]:
        """Edges that could be added without a cycle."""
        above: dict[str, set[str]] = {}  # what each depends on
        for name in self.order:
            read = self._sources[name]
            above[name] = {*read}.union(*(above[source] for source in read))
        return [
            (source, reader)
            for source in self.order[:-1]
            for reader in self.order[1:]
            if source != reader and reader not in above[source]
            if (source, reader) not in self.edges
        ]

    def _spares(self, edge: Edge) -> bool:
        """Whether a path remains without ``edge``."""
        try:
            self.switch(edge, False)
        except ArchitectureError:
            return False
        return True

    def __str__(self) -> str:
        parts = []
        place = {name: number for number, name in enumerate(self.order)}
        for name in self.order[1:]:
            read = sorted(self._sources[name], key=place.__getitem__)
            marked = ("" if self.edges[source, name] else "-" for source in read)
            sources = ",".join(mark + source for mark, source in zip(marked, read, strict=True))
            op, width, stride = self.layers.get(name, Layer(""))
            said = name if name == "out" else f"{name}:{op}*{width}/{stride}"
            parts.append(f"{said}<{sources}")
        return "|".join(parts)

    @classmethod
    def parse(cls, text: str) -> Genome:
        """Read the notation, in whatever order layers and sources are written.

        Raises:
            ArchitectureError: text of another form, or not a genome.
        """
        layers: dict[str, Layer] = {}
        edges: dict[Edge, bool] = {}
        for part in text.strip().split("|"):
            said, _, read = part.partition("<")
            match = re.fullmatch(LAYER, said, re.ASCII)
            name = match[1] if match else "out"
            made = {
                (source.removeprefix("-"), name): source[:1] != "-" for source in read.split(",")
            }
            twice = len(made) < read.count(",") + 1 or made.keys() & edges.keys()
            if twice or name in layers or (match is None and said != "out"):
                raise ArchitectureError(f"malformed genome {text!r}", f"Write it like {EXAMPLE}")
            edges |= made
            if match:
                layers[name] = Layer(match[2], int(match[3]), int(match[4]))
        return cls(layers, edges)


def _name(edge: Edge, count: int) -> str:
    """Of the layer put on ``edge``; ``count`` if the genome has such ones already."""
    return hashlib.sha256(f"{edge[0]}>{edge[1]}#{count}".encode()).hexdigest()[:8]


SMALLEST: Final = Genome({}, {("in", "out"): True})
EXAMPLE: Final = str(SMALLEST.split(("in", "out"), "conv_3x3"))
