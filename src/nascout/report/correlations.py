"""Scores against accuracies as one HTML page: a table, a plot per score, what failed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascout.atomic import write_text
from nascout.report.density import density
from nascout.report.numbers import duration
from nascout.report.page import render

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Figure", "headline", "most_draws", "plots", "write_correlations"]

BASELINES = ("params", "macs")
MEASURES = {
    "spearman": "Spearman",
    "kendall": "Kendall",
    "distance_correlation": "dCor",
    "spearman_top10": "Spearman, top 10 %",
    "kendall_top10": "Kendall, top 10 %",
    "spearman_top5": "Spearman, top 5 %",
    "kendall_top5": "Kendall, top 5 %",
}
BRIEF = {"spearman": "Spearman", "kendall": "Kendall", "kendall_top10": "Kendall, top 10 %"}
PICK = {"accuracy": "accuracy of pick", "in_top10": "pick in top 10 %"}


@dataclass(frozen=True)
class Figure:
    """One score's plot and what to say below it."""

    svg: str
    caption: str


def plots(frame: pd.DataFrame, values: pd.DataFrame, accuracy: str) -> dict[str, Figure]:
    """A plot per score, in the order of ``frame``.

    Args:
        frame: one row per score, as :class:`nascout.api.correlations.Correlations` has it.
        values: ``accuracy`` and a column per score.
        accuracy: what the accuracy is called.
    """
    found = {}
    for row in frame.to_dict("records"):
        name = str(row["score"])
        if name in values:
            up = row["better"] == "higher"
            points = values[["accuracy", name]].to_numpy(float)
            drawn = density(*points.T, x=accuracy, y=name, higher_is_better=up)
            said = [f"{label} {_show(row, key)}" for key, label in list(MEASURES.items())[:3]]
            said.append(f"{drawn.shown:,} networks shown")
            said += [f"{drawn.outside:,} far outside"] if drawn.outside else []
            said += [f"{row['failed']:,} failed"] if row["failed"] else []
            found[name] = Figure(drawn.svg, ", ".join(said) + ".")
    return found


def headline(frame: pd.DataFrame, *, brief: bool = False) -> pd.DataFrame:
    """The columns a reader wants first, as text with intervals; picks of the most draws.

    Args:
        frame: one row per score.
        brief: fewer columns, and an interval for the first only, for a terminal.
    """
    import pandas as pd

    n = most_draws(frame)
    columns = (BRIEF if brief else MEASURES) | {f"pick{n}_{k}": v for k, v in PICK.items() if n}
    rows = [
        {"score": row["score"], "failed": row["failed"]}
        | {
            label: _show(row, key, interval=not brief or key == "spearman")
            for key, label in columns.items()
        }
        for row in frame.to_dict("records")
    ]
    return pd.DataFrame(rows)


def most_draws(frame: pd.DataFrame) -> int:
    """The largest N that the sample has a best of N for; 0 if there is none."""
    found = (re.fullmatch(r"pick(\d+)_accuracy", str(name)) for name in frame)
    return max((int(match[1]) for match in found if match), default=0)


def write_correlations(
    path: str | os.PathLike[str],
    frame: pd.DataFrame,
    failures: pd.DataFrame,
    figures: Mapping[str, Figure],
    summary: Mapping[str, str],
) -> Path:
    """Write the page; equal arguments give an equal file.

    Args:
        path: the HTML file; it is replaced whole or stays as it was.
        frame: one row per score.
        failures: ``score``, ``outcome``, ``networks``, ``message``.
        figures: by score, see :func:`plots`.
        summary: how it was made, in the order to be shown.

    Raises:
        StoreFull: no space left.
        OSError: the folder cannot be written.
    """
    table = headline(frame)
    text = render(
        "correlations.html",
        title=f"Scores against {summary['accuracy']}",
        columns=list(table.columns),
        rows=table.to_dict("records"),
        draws=most_draws(frame),
        seconds=[_duration(value) for value in frame["seconds"]],
        baselines=BASELINES,
        figures=figures,
        failures=failures.to_dict("records"),
        summary=summary,
    )
    return write_text(path, text)


def _show(row: Mapping[Any, Any], key: str, *, interval: bool = True) -> str:
    """``0.58 [0.55, 0.61]``."""
    value, low, high = (float(row.get(name, "nan")) for name in (key, f"{key}_low", f"{key}_high"))
    if not isfinite(value):
        return "–"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if interval and isfinite(low) else f"{value:.2f}"


def _duration(seconds: float) -> str:
    return duration(seconds) if isfinite(seconds) else "–"
