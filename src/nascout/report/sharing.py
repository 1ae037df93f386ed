"""How shared weights developed: what each option weighed, and what the method watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nascout.report.plots import draw_svg
from nascout.report.sections import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["sharing_figures"]

FEWEST = 2  # epochs worth a curve
SKIP = "skip"


def sharing_figures(epochs: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Curves over the epochs of a sharing, as :mod:`nascout.run.sharing` writes them.

    One of the loss, one of each number that the method watched, and one of the weights: per
    option of the decisions, its mean over them, so that a collapse to skips shows.

    Args:
        epochs: with ``train_loss``, ``numbers`` and ``weights`` by decision, and ``options`` of
            each decision where there are weights.
    """
    if len(epochs) < FEWEST:
        return []
    curves = {"training loss": [epoch["train_loss"] for epoch in epochs]}
    for name in epochs[0]["numbers"]:
        curves[name] = [epoch["numbers"][name] for epoch in epochs]
    drawn = [_figure({name: values}, name) for name, values in curves.items()]
    weights = _means(epochs)
    if weights:
        drawn.append(_figure(weights, "mean weight of an option"))
    return drawn


def _means(epochs: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Per option, its mean weight over the decisions that have it, epoch by epoch."""
    options: Mapping[str, Sequence[str]] = epochs[0].get("options", {})
    named = {
        decision: names for decision, names in options.items() if decision in epochs[0]["weights"]
    }
    found: dict[str, list[float]] = {}
    for option in dict.fromkeys(name for names in named.values() for name in names):
        homes = [(d, names.index(option)) for d, names in named.items() if option in names]
        found[option] = [
            sum(epoch["weights"][d][place] for d, place in homes) / len(homes) for epoch in epochs
        ]
    return found


def _figure(curves: Mapping[str, Sequence[float]], title: str) -> Figure:
    def paint(axes: Axes) -> None:
        for name, values in curves.items():
            thick = 2.4 if SKIP in name else 1.3
            axes.plot(range(1, len(values) + 1), values, label=name, linewidth=thick)
        if len(curves) > 1:
            axes.legend(fontsize=8)

    svg = draw_svg(paint, "epoch", title, f"{title} by epoch")
    caption = "While weights were shared; skips are drawn thicker." if len(curves) > 1 else ""
    return Figure(svg, f"{title}, weights shared", caption)
