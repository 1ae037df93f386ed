"""Free-form macro graphs: any layer may read any earlier one, and junctions need repair."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from nascout.graph import Builder, Graph, Op, repair
from nascout.graph.ops import (
    AvgPool,
    BatchNorm,
    Conv2d,
    DepthwiseConv2d,
    GlobalAvgPool,
    Linear,
    MaxPool,
    ReLU,
)
from nascout.space.architecture import Architecture
from nascout.space.decision import Choice
from nascout.space.skeleton import relu_conv_bn
from nascout.space.space import Space, space

__all__ = ["FreeForm"]

OPS: Final = ("conv_1x1", "conv_3x3", "sep_conv_3x3", "max_pool_3x3", "avg_pool_3x3")
CONVS: Final = ("conv_1x1", "conv_3x3", "sep_conv_3x3")


@space("freeform", paper="arXiv:1611.01578")
class FreeForm(Space):
    """Layer sequences with arbitrary skips, after the layer space of Zoph and Le.

    Every layer picks its operation, width (a multiple of ``channels``), stride, which earlier
    layers it reads, and whether it adds or concatenates them. A layer that reads nothing reads
    the one before it; layers that nobody reads are concatenated before the classifier (rules 1
    and 2 of the paper). Deviation: where the paper zero-pads, junctions are repaired by pooling
    and 1x1 projections, which count in the cost.

    Args:
        channels: the unit of width.
        depth: the largest number of layers.
        classes: outputs of the classifier.
        input_shape: channels, height and width of one sample.
    """

    channels: int = 16
    depth: int = 8
    classes: int = 10
    input_shape: tuple[int, int, int] = (3, 32, 32)

    @cached_property
    def decisions(self) -> tuple[Choice, ...]:
        """The number of layers, then each layer's decisions, open if the layer exists."""
        depths = tuple(str(n) for n in range(min(3, self.depth), self.depth + 1))
        choices = [Choice("layers", depths)]
        for layer in range(1, self.depth + 1):
            exists = (("layers", tuple(n for n in depths if int(n) >= layer)),)
            is_conv = (*exists, (f"op{layer}", CONVS))
            choices.append(Choice(f"op{layer}", OPS, exists))
            choices.append(Choice(f"width{layer}", ("1", "2", "4"), is_conv))
            choices.append(Choice(f"stride{layer}", ("1", "2"), exists))
            choices.append(Choice(f"join{layer}", ("add", "concat"), exists))
            choices += [
                Choice(f"{source}->{layer}", ("no", "yes"), exists) for source in range(layer)
            ]
        return tuple(choices)

    def graph(self, architecture: Architecture) -> Graph:
        """Stem, the layers, the loose ends joined, head; repaired."""
        choice = architecture.choices
        g = Builder()
        stem = (Conv2d(self.channels, 3), BatchNorm())
        layers = [g.chain(stem, g.input(self.input_shape), key="stem")]
        unread = {0}
        for layer in range(1, int(choice["layers"] or 0) + 1):
            key = f"layer{layer}"
            sources = [i for i in range(layer) if choice[f"{i}->{layer}"] == "yes"] or [layer - 1]
            unread -= set(sources)
            join = g.add if choice[f"join{layer}"] == "add" else g.concat
            x = join(*(layers[i] for i in sources), key=f"{key}/join")
            name, stride = str(choice[f"op{layer}"]), int(choice[f"stride{layer}"] or 1)
            width = self.channels * int(choice[f"width{layer}"] or 1)
            layers.append(g.chain(_layer(name, width, stride), x, key=f"{key}/{name}"))
            unread.add(layer)
        x = g.concat(*(layers[i] for i in sorted(unread)), key="head/join")
        head = (BatchNorm(), ReLU(), GlobalAvgPool(), Linear(self.classes))
        return repair(g.graph(g.chain(head, x, key="head")))


def _layer(name: str, width: int, stride: int) -> tuple[Op, ...]:
    return {
        "conv_1x1": relu_conv_bn(width, 1, stride),
        "conv_3x3": relu_conv_bn(width, 3, stride),
        "sep_conv_3x3": (ReLU(), DepthwiseConv2d(3, stride), Conv2d(width, 1), BatchNorm()),
        "max_pool_3x3": (MaxPool(3, stride),),
        "avg_pool_3x3": (AvgPool(3, stride),),
    }[name]
