"""A score against accuracies, drawn so that density can be judged: hexagons and marginals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.report.plots import BLUE, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Density", "density"]

HEXAGONS = 28  # across
BARS = 40
FENCE = 3.0  # in interquartile ranges, beyond the quartiles
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Density:
    """A plot as SVG, with how many points it shows and how many lie outside its axes."""

    svg: str
    shown: int
    outside: int


def density(
    accuracy: Floats | Sequence[float],
    score: Floats | Sequence[float],
    *,
    x: str,
    y: str,
    higher_is_better: bool = True,
) -> Density:
    """Accuracy to the right, better scores up; darker hexagons hold more networks.

    Points that are not finite are left out. Values far out (three interquartile ranges beyond the
    quartiles) would squeeze the rest into a corner: they are left outside and counted. A positive
    score that spans more than a factor of 30 is drawn on a logarithm.

    Args:
        accuracy, score: of the same networks.
        x, y: what they are called.
        higher_is_better: if not, the score's axis points down.

    >>> found = density([1, 2, 3, 4], [5, 6, 7, float("nan")], x="accuracy", y="score")
    >>> found.shown, found.outside
    (3, 0)
    """
    points = np.stack([np.asarray(accuracy, float), np.asarray(score, float)])
    points = points[:, np.isfinite(points).all(axis=0)]
    a, s = points
    logarithm = len(s) > 0 and s.min() > 0 and s.max() > 30 * s.min()
    inside = _near(a) & _near(np.log10(s) if logarithm else s)
    a, s = a[inside], s[inside]

    def paint(axes: Axes) -> None:
        if logarithm:
            axes.set_yscale("log")
        if not len(a):
            return
        _hexagons(axes, a, s, "log" if logarithm else "linear")
        _marginals(axes, a, s, logarithm)
        if not higher_is_better:
            axes.invert_yaxis()

    name = y if higher_is_better else f"{y} (lower is better)"
    svg = draw_svg(paint, x, name, f"{y} against {x}")
    return Density(svg, len(a), int((~inside).sum()))


def _near(values: Floats) -> Any:
    if not len(values):
        return np.ones(0, bool)
    low, high = np.percentile(values, [25, 75])
    reach = FENCE * (high - low)
    # Where most values are equal there is no scale to call anything far.
    return (values >= low - reach) & (values <= high + reach) | (reach == 0)


def _hexagons(axes: Axes, a: Floats, s: Floats, scale: Any) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba

    x_low, x_high = _limits(a)
    y_low, y_high = _limits(np.log10(s) if scale == "log" else s)
    cells = axes.hexbin(
        a, s, gridsize=HEXAGONS, mincnt=1, linewidths=0, yscale=scale,
        extent=(x_low, x_high, y_low, y_high),
    )  # fmt: skip
    counts = np.asarray(cells.get_array())
    most = int(counts.max())
    # Opacity rather than hue: it reads on light and dark grounds alike.
    edges = np.unique(np.round(np.geomspace(1, most + 1, min(most, 6) + 1)).astype(int))
    opacity = np.linspace(0.25, 1.0, len(edges) - 1)
    colours = ListedColormap([(*to_rgba(BLUE)[:3], alpha) for alpha in opacity])
    cells.set_cmap(colours)
    cells.set_norm(BoundaryNorm(edges, len(edges) - 1))
    axes.figure.colorbar(
        cells, ax=axes, label="networks per hexagon", aspect=30, pad=0.02, format="%d"
    )


def _limits(values: Floats) -> tuple[float, float]:
    """A little more than the range, and never nothing."""
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5 * abs(low) or 0.5
    return low - room, high + room


def _marginals(axes: Axes, a: Floats, s: Floats, logarithm: bool) -> None:
    """Histograms above and at the right, on the plot's own axes."""
    top = axes.inset_axes((0, 1.03, 1, 0.16), sharex=axes)
    side = axes.inset_axes((1.03, 0, 0.13, 1), sharey=axes)
    top.hist(a, bins=BARS, color=BLUE, alpha=0.6)
    bins: Any = np.geomspace(s.min(), s.max(), BARS + 1) if logarithm else BARS
    side.hist(s, bins=bins, orientation="horizontal", color=BLUE, alpha=0.6)
    for marginal in (top, side):
        marginal.set_axis_off()
