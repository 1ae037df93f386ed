"""Plots as SVG text: matplotlib's object interface, no global state, the same text every time.

Axes and words take the colour of the text around them (``currentColor``), so a plot reads on
light and dark grounds. Marks differ in shape as well as in colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from nascout.printable import printable
from nascout.report.numbers import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BLUE", "agreement", "draw_svg", "histogram", "trade_off"]

GREY, BLUE, ORANGE = "#8a939d", "#3b82c4", "#d97706"
INK = "#010203"  # stands for currentColor until the text is written
MOST_POINTS = 2000
Points = Sequence[tuple[float, float]]

STYLE: Any = {
    "svg.hashsalt": "nascout",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10.0,
    "legend.frameon": False,
}


def trade_off(cloud: Points, front: Points, best: Points, *, x: str, y: str) -> str:
    """``y`` against the cost ``x``: all candidates, the staircase of their front, the best.

    Args:
        cloud: every candidate; more than 2,000 are thinned evenly.
        front: those on the front of these two metrics.
        best: one or none.
        x: metric of the horizontal axis.
        y: metric of the vertical axis.
    """

    def paint(axes: Axes) -> None:
        step = -(-len(cloud) // MOST_POINTS) or 1
        size = 4 if len(cloud) > 50 else 6
        _dots(axes, cloud[::step], "o", GREY, "candidates", size=size, alpha=0.55)
        axes.plot(*_columns(sorted(front)), color=BLUE, drawstyle="steps-post", linewidth=1.2)
        _dots(axes, front, "o", BLUE, "front of the two", size=6)
        _dots(axes, best, "*", ORANGE, "best", size=13)
        _cost_axis(axes, x, [point[0] for point in cloud])

    return draw_svg(paint, x, y, f"{label(y)} against {label(x)}")


def histogram(values: Sequence[float], shortlist: Sequence[float], *, metric: str) -> str:
    """How a score is spread, with the candidates that were trained standing out."""

    def paint(axes: Axes) -> None:
        bars = max(5, min(40, round(len(values) ** 0.5) * 2))
        low, high = min(values), max(values)
        if not high - low > 1e-9 * abs(high):  # all but constant
            low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
        width = (high - low) / bars
        lefts = [low + i * width for i in range(bars)]
        for part, colour, name in ((values, GREY, "all"), (shortlist, ORANGE, "trained")):
            heights = [0] * bars
            for value in part:
                heights[max(0, min(bars - 1, int((value - low) / width)))] += 1
            if part:
                axes.bar(lefts, heights, width, align="edge", color=colour, label=name)

    return draw_svg(paint, metric, "candidates", f"Distribution of {metric}")


def agreement(points: Points, best: Points, *, x: str, y: str) -> str:
    """A score against the accuracy it should foretell."""

    def paint(axes: Axes) -> None:
        _dots(axes, points, "o", BLUE, "trained", size=5, alpha=0.75)
        _dots(axes, best, "*", ORANGE, "best", size=13)

    return draw_svg(paint, x, y, f"{label(y)} against {label(x)}")


def _columns(points: Points) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def _dots(
    axes: Axes, points: Points, mark: str, colour: str, name: str, *, size: int, alpha: float = 1.0
) -> None:
    if points:
        axes.plot(
            *_columns(points),
            linestyle="",
            marker=mark,
            color=colour,
            markersize=size,
            markeredgewidth=0,
            alpha=alpha,
            label=_plain(name),
        )


def _cost_axis(axes: Axes, metric: str, values: Sequence[float]) -> None:
    """Engineering units, and a logarithm if the values span more than a factor of 30."""
    from matplotlib.ticker import EngFormatter, MaxNLocator, NullFormatter

    if values and min(values) > 0 and max(values) > 30 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    if not metric.endswith("_ms"):
        axes.xaxis.set_major_formatter(EngFormatter())


def draw_svg(paint: Any, x: str, y: str, title: str) -> str:
    """An SVG: ``paint(axes)`` draws into labelled axes, whatever the caller's matplotlib style."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the caller set does not show; it is restored
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(4.4, 3.3), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        paint(axes)
        axes.set_xlabel(_plain(_with_unit(x)))
        axes.set_ylabel(_plain(_with_unit(y)))
        axes.set_axisbelow(True)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            axes.legend(
                loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0, fontsize="small"
            )
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    return _inline(buffer.getvalue(), title)


def _with_unit(metric: str) -> str:
    unit = " (%)" if metric.endswith("accuracy") else " (ms)" if metric.endswith("_ms") else ""
    return label(metric) + unit


def _plain(text: str) -> str:
    """Only characters that the font has, so that drawing never warns."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def _inline(svg: str, title: str) -> str:
    """Make matplotlib's file a part of a page: no prolog, page-wide style, fonts or shared ids."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    svg = svg.replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(printable(title))}" ', 1)
