"""A comparison of strategies as one HTML page: tables, curves, ranks, who beats whom."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nascout.atomic import write_text
from nascout.comparison.bands import Band, band
from nascout.comparison.one_run import ORACLE, PARAMS, RANDOM
from nascout.comparison.summary import OPTIMUM, TEST, VAL
from nascout.report.numbers import duration
from nascout.report.page import render
from nascout.report.plots import BLUE, draw_svg

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Figure", "curves", "headline", "rank_plot", "wins", "write_comparison"]

BASELINES = (RANDOM, PARAMS, ORACLE, OPTIMUM)
COLOURS = ("#3b82c4", "#d97706", "#2f9e6e", "#c2414b", "#8b5cc7", "#7a5c48", "#d264a8", "#8a939d")
DASHES = ("-", "--", ":", "-.")
AXES = {"evaluations": "evaluations", "seconds": "simulated seconds"}
LEVEL = 0.05


@dataclass(frozen=True)
class Figure:
    """A plot, what it is called and what to say below it."""

    svg: str
    title: str
    caption: str


def headline(summary: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The summary as text for people.

    Args:
        summary: see :func:`nascout.comparison.summary.summarise`.
        unit: of the budgets.
    """
    import pandas as pd

    digits = 2 if (summary[[VAL, TEST]] > 2).any(axis=None) else 4  # percent, or a fraction
    rows = [
        {
            "data set": row["dataset"],
            unit: f"{row['budget']:,g}",
            "strategy": row["strategy"],
            "runs": row["runs"],
            "validation": _spread(row[VAL], row.get(f"{VAL}_std", nan), digits),
            "test": _spread(row[TEST], row.get(f"{TEST}_std", nan), digits),
            "trainings": _count(row["trainings"]),
            "scores": _count(row["scores"]),
            "simulated": _time(row["seconds"]),
        }
        for row in summary.to_dict("records")
    ]
    return pd.DataFrame(rows)


def _spread(mean: float, std: float, digits: int) -> str:
    if not isfinite(mean):
        return "–"
    return f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if isfinite(std) else "")


def _count(mean: float) -> str:
    return "–" if not isfinite(mean) else f"{mean:,.0f}" if mean == int(mean) else f"{mean:,.1f}"


def _time(seconds: float) -> str:
    return "–" if not isfinite(seconds) or not seconds else duration(seconds)


def curves(trajectories: pd.DataFrame, unit: str, by: str, most: float) -> list[Figure]:
    """Per data set, the accuracy of the leader over the cost: median and quartiles of the runs."""
    drawn = []
    for dataset, block in trajectories.groupby("dataset", sort=False):
        bands = {
            str(name): band(course, unit, by, most)
            for name, course in block.groupby("strategy", sort=False)
        }
        svg = draw_svg(_painter(bands), AXES[unit], by, f"{dataset}: {by} over {AXES[unit]}")
        words = "Median of the runs; shaded, from the lower to the upper quartile."
        drawn.append(Figure(svg, str(dataset), words))
    return drawn


def _painter(bands: Mapping[str, Band]) -> Any:
    def paint(axes: Axes) -> None:
        for place, (name, one) in enumerate(bands.items()):
            colour = COLOURS[place % len(COLOURS)]
            dash = DASHES[place // len(COLOURS) % len(DASHES)]
            axes.plot(one.cost, one.median, dash, color=colour, linewidth=1.3, label=_plain(name))
            axes.fill_between(one.cost, one.low, one.high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        # The first samples are far below everything else; what matters is at the end.
        ends = np.concatenate([one.low[len(one.low) // 2 :] for one in bands.values()])
        tops = np.concatenate([one.high for one in bands.values()])
        low, high = np.nanmin(ends), np.nanmax(tops)
        margin = 0.05 * (high - low) or 1
        axes.set_ylim(low - margin, high + margin)

    return paint


def rank_plot(ranks: pd.DataFrame) -> list[Figure]:
    """Mean ranks at each budget, with half the critical difference to both sides."""
    drawn = []
    for budget, block in ranks.groupby("budget"):
        names = [_plain(name) for name in block["strategy"]]
        means = block["mean_rank"].tolist()
        difference, blocks = block["critical_difference"].iloc[0], block["blocks"].iloc[0]

        def paint(
            axes: Axes,
            names: Sequence[str] = names,
            means: Sequence[float] = means,
            bar: float = difference / 2,
        ) -> None:
            places = range(len(names))
            axes.errorbar(means, places, xerr=bar, fmt="o", color=BLUE, markersize=5, capsize=2)
            axes.set_yticks(places, names, fontsize="small")
            axes.invert_yaxis()

        words = (
            f"Over {blocks:,} rankings, one per data set and seed; 1 is best. Bars that do not "
            f"overlap differ (Nemenyi, 5 %; critical difference {difference:.2f}). All alike: "
            f"p = {block['friedman_p'].iloc[0]:.2g} (Friedman)."
        )
        title = f"Mean rank at {budget:,g}"
        drawn.append(Figure(draw_svg(paint, "mean rank", "", title), title, words))
    return drawn


def wins(significance: pd.DataFrame) -> dict[str, dict[str, dict[str, tuple[str, bool]]]]:
    """Per data set at the largest budget: how often the row beats the column, and if it is sure.

    Returns:
        By data set, row and column, a percentage and whether Holm's p is below 5 %.
    """
    last = significance[significance["budget"] == significance["budget"].max()]
    found: dict[str, dict[str, dict[str, tuple[str, bool]]]] = {}
    for row in last.to_dict("records"):
        table = found.setdefault(str(row["dataset"]), {})
        one, other, sure = str(row["strategy"]), str(row["other"]), row["p_holm"] < LEVEL
        for name in (one, other):
            table.setdefault(name, {})
        table[one][other] = (f"{100 * row['wins']:.0f}", sure)
        table[other][one] = (f"{100 * (1 - row['wins']):.0f}", sure)
    return found


def write_comparison(
    path: str | os.PathLike[str],
    *,
    summary: pd.DataFrame,
    ranks: pd.DataFrame,
    significance: pd.DataFrame,
    trajectories: pd.DataFrame,
    unit: str,
    by: str,
    about: Mapping[str, str],
) -> Path:
    """Write the page; equal arguments give an equal file.

    Args:
        path: the HTML file; it is replaced whole or stays as it was.
        summary, ranks, significance, trajectories: see :class:`nascout.api.compare.Comparison`.
        unit: of the budgets.
        by: the accuracy that is ranked and drawn.
        about: how it was made, in the order to be shown.

    Raises:
        StoreFull: no space left.
        OSError: the folder cannot be written.
    """
    table = headline(summary, unit)
    text = render(
        "comparison.html",
        title=f"Search strategies on {about['benchmark']}",
        columns=list(table.columns),
        rows=table.to_dict("records"),
        baselines=BASELINES,
        curves=curves(trajectories, unit, by, summary["budget"].max()),
        ranks=rank_plot(ranks),
        wins=wins(significance),
        judged="test" if by == TEST else "validation",
        unit=unit,
        about=about,
    )
    return write_text(path, text)


def _plain(text: str) -> str:
    """Only characters that the font has, so that drawing never warns."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text).lstrip("_")
