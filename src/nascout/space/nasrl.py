"""The layer sequences of the first neural architecture search with reinforcement learning."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from nascout.errors import ArchitectureError
from nascout.graph import Builder, Graph
from nascout.graph.cuts import Pad
from nascout.graph.ops import BatchNorm, Conv2d, GlobalAvgPool, Linear, ReLU
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.space import Space, space

__all__ = ["NasRl"]

SIDES: Final = ("1", "3", "5", "7")
LAYER: Final = r"(\d+)x(\d+)x(\d+)(?:/(\d+)x(\d+))?(?::(\d+(?:,\d+)*))?"
EXAMPLE: Final = "3x5x36|7x1x48:1|5x5x24:1,2"

Size = tuple[int, int]


@space("nasrl", paper="arXiv:1611.01578")
class NasRl(Space):
    """Sequences of convolutions, any of which may read any earlier ones.

    A layer picks the height and width of its filters (1, 3, 5, 7), how many there are, their
    vertical and horizontal strides if there is a choice, and, for every earlier layer, whether it
    reads it (the anchors). It is a convolution, normalisation and ReLU of what it reads, joined
    along channels. The paper's rules make a network of any choice: a layer that reads nothing
    reads the image; layers that nobody reads are joined before the classifier; maps to be joined
    are padded with zeros to the largest height and width among them.

    Deviations: the paper does not say where the zeros go; here they are below and to the right.
    The classifier reads the mean over positions. The pooling layers of the paper's third network
    are not here.

    Args:
        depth: number of layers; the paper starts at 6 and adds 2 every 1,600 networks.
        filters: how many a layer may have.
        strides: (1,) as in the paper's first experiment, or (1, 2, 3) as in its second.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.

    Notation: one part per layer, height x width x filters, ``/`` and the strides if there is a
    choice, ``:`` and the layers that it reads, counted from 1: ``3x5x36|7x1x48/2x1:1``.

    Example:
        >>> NasRl(depth=3).parse(EXAMPLE).choices["2->3"]
        'yes'
    """

    depth: int = 15
    filters: tuple[int, ...] = (24, 36, 48, 64)
    strides: tuple[int, ...] = (1,)
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """Of each layer the filters' height, width and number, the strides, and the anchors."""
        filters, strides = tuple(map(str, self.filters)), tuple(map(str, self.strides))
        choices = []
        for n in range(1, self.depth + 1):
            choices += [Choice(f"height{n}", SIDES), Choice(f"width{n}", SIDES)]
            choices.append(Choice(f"filters{n}", filters))
            if len(strides) > 1:
                choices.append(Choice(f"vertical_stride{n}", strides))
                choices.append(Choice(f"horizontal_stride{n}", strides))
            choices += [Choice(f"{i}->{n}", ("no", "yes")) for i in range(1, n)]
        return tuple(choices)

    def graph(self, architecture: Architecture) -> Graph:
        """The layers, those that nobody reads joined, classifier."""
        g = Builder()
        image = g.input(self.input_shape), self.input_shape[1:]
        layers: list[tuple[int, Size]] = []
        unread = set(range(self.depth))
        for n in range(1, self.depth + 1):
            (height, width, filters, *strides), sources = self._layer(architecture, n)
            unread -= {i - 1 for i in sources}
            read = [layers[i - 1] for i in sources] or [image]
            x, size = _joined(g, read, key=f"layer{n}/join")
            down, right = strides or self.strides * 2
            ops = (Conv2d(filters, (height, width), (down, right)), BatchNorm(), ReLU())
            x = g.chain(ops, x, key=f"layer{n}")
            layers.append((x, (-(-size[0] // down), -(-size[1] // right))))
        x, _ = _joined(g, [layers[i] for i in sorted(unread)], key="head/join")
        return g.graph(g.chain((GlobalAvgPool(), Linear(self.classes)), x, key="head"))

    def _layer(self, architecture: Architecture, n: int) -> tuple[list[int], list[int]]:
        """The numbers of layer ``n``, and the layers that it reads."""
        choices = architecture.choices
        parts = "height", "width", "filters", "vertical_stride", "horizontal_stride"
        numbers = [int(value) for part in parts if (value := choices.get(f"{part}{n}"))]
        return numbers, [i for i in range(1, n) if choices[f"{i}->{n}"] == "yes"]

    def parse(self, text: str) -> Architecture:
        """Read the notation that ``format`` writes.

        Raises:
            ArchitectureError: text of another form, or of another depth, or a value that is not of
                the space.
        """
        layers = [re.fullmatch(LAYER, part, re.ASCII) for part in text.strip().split("|")]
        if len(layers) != self.depth or None in layers:
            raise ArchitectureError(
                f"malformed architecture {text!r}",
                f"Write {self.depth} layers like {EXAMPLE}; with strides, 3x5x36/2x1.",
            )
        values: list[str] = []
        for n, layer in enumerate(layers, 1):
            *numbers, sources = layer.groups() if layer else ()
            read, earlier = (sources or "").split(","), [str(i) for i in range(1, n)]
            if not {*read} <= {*earlier, ""}:
                raise ArchitectureError(
                    f"layer {n} of {text!r} reads {sources}", "Let it read earlier layers."
                )
            values += [number for number in numbers if number]
            values += ["yes" if i in read else "no" for i in earlier]
        return Architecture(self, tuple(values))

    def format(self, architecture: Architecture) -> str:
        """One part per layer."""
        return "|".join(_written(*self._layer(architecture, n)) for n in range(1, self.depth + 1))


def _written(numbers: list[int], sources: list[int]) -> str:
    text = "x".join(map(str, numbers[:3]))
    text += "/" + "x".join(map(str, numbers[3:])) if numbers[3:] else ""
    return text + (":" + ",".join(map(str, sources)) if sources else "")


def _joined(g: Builder, read: list[tuple[int, Size]], key: str) -> tuple[int, Size]:
    """What is read, padded to one size and side by side; and that size."""
    heights, widths = zip(*(size for _, size in read), strict=True)
    largest = max(heights), max(widths)
    padded = [
        x if size == largest else g.node(Pad(*largest), x, key=f"{key}-pad{i}")
        for i, (x, size) in enumerate(read)
    ]
    return g.concat(*padded, key=key), largest
