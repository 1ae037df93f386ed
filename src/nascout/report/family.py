"""A growing run as one HTML page: the front growing over time, the family tree, the table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascout.atomic import write_text
from nascout.errors import NascoutError
from nascout.gallery.family import Family, described
from nascout.records import Outcome
from nascout.report.family_tree import draw_family
from nascout.report.numbers import duration, show
from nascout.report.page import render
from nascout.report.plots import BLUE, draw_svg
from nascout.report.sections import Figure
from nascout.run.growth.records import COSTS, METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_family"]

MOMENTS = (0.25, 0.5, 0.75, 1.0)
SHADES = (0.25, 0.45, 0.7, 1.0)
HEADS = {
    "val_accuracy": "Validation",
    "test_accuracy": "Test",
    "params": "Params",
    "macs": "MACs",
    "activation_bytes": "Peak activations",
    "latency_ms": "Latency, measured",
}
GREY, ORANGE = "#8a939d", "#d97706"


def write_family(
    path: str | os.PathLike[str], family: Family, *, title: str, summary: Mapping[str, str]
) -> Path:
    """Write the report of a growing run; equal arguments give an equal file.

    Args:
        path: the HTML file; it is replaced whole or stays as it was.
        family: what was made.
        title: the run's name.
        summary: how it was made, in the order to be shown.

    Raises:
        StoreFull: no space left.
        OSError: the folder cannot be written.
    """
    text = render(
        "family.html",
        title=title,
        best=_best(family),
        summary=summary,
        heads=[HEADS[name] for name in METRICS],
        rows=_rows(family),
        figures=_figures(family),
        tree=draw_family(family),
        steps=_steps(family),
        failures=_failures(family),
    )
    return write_text(path, text)


def _best(family: Family) -> dict[str, Any]:
    """The most accurate model, and what it gained over the first; or why there is none."""
    try:
        best = family.pick().model
    except NascoutError as error:
        return {"problem": str(error)}
    first = family.members[0].model.values["val_accuracy"]
    numbers = [(HEADS[name], show(name, best.values.get(name))) for name in METRICS]
    line = [member.model for member in family.genealogy(best.number)]
    return {
        "problem": "",
        "number": best.number,
        "gained": f"{best.values['val_accuracy'] - first:+.2f}",
        "numbers": [(name, value) for name, value in numbers if value != "–"],
        "line": [(model.number, described(model.added)) for model in line],
    }


def _rows(family: Family) -> list[dict[str, Any]]:
    front = {member.model.number for member in family.front()}
    near = {member.model.number for member in family.near_hull()}
    return [
        {
            "model": m.model,
            "added": described(m.model.added),
            "on_front": m.model.number in front,
            "near_hull": m.model.number in near,
            "cells": [show(name, m.model.values.get(name)) for name in METRICS],
        }
        for m in family.members
    ]


def _steps(family: Family) -> list[tuple[str, int, str, str]]:
    """Per queue: how many steps are done, how they ended, what they took."""
    rows = []
    for kind in ("parent", "candidates", "child"):
        done = [job for job in family.jobs if job.kind == kind and job.outcome is not None]
        ends = Counter(str(job.outcome) for job in done)
        told = ", ".join(f"{count} {outcome}" for outcome, count in ends.most_common())
        rows.append((kind, len(done), told or "none", duration(sum(job.seconds for job in done))))
    return rows


def _failures(family: Family) -> list[tuple[int, str, str, str]]:
    wanted = (None, Outcome.OK, Outcome.INFEASIBLE)
    failed = [job for job in family.jobs if job.outcome not in wanted]
    return [(j.number, j.kind, str(j.outcome), j.message.strip()) for j in failed]


def _figures(family: Family) -> list[Figure]:
    if not family.trained:
        return []
    costs = [family.objective, *(cost for cost in COSTS if cost != family.objective)]
    known = [c for c in costs if all(c in m.model.values for m in family.trained)]
    over_cost = [_over_cost(family, cost) for cost in known]
    return [over_cost[0], _over_time(family), *over_cost[1:]]


def _over_cost(family: Family, cost: str) -> Figure:
    """All models, each joined to its parent, and the front at four moments."""
    points = {m.model.number: _point(m.model.values, cost) for m in family.trained}
    end = max(m.model.elapsed for m in family.trained)

    def paint(axes: Axes) -> None:
        for member in family.trained:
            number, parent = member.model.number, member.model.parent
            if parent in points:
                pair = [points[parent], points[number]]
                axes.plot(*zip(*pair, strict=True), color=GREY, linewidth=0.7, alpha=0.6)
        axes.plot(
            *zip(*points.values(), strict=True), "o", color=GREY, markersize=4, label="models"
        )
        for moment, shade in zip(MOMENTS, SHADES, strict=True):
            front = [_point(m.model.values, cost) for m in family.front(cost, until=moment * end)]
            if front:
                label = f"after {duration(moment * end)}"
                axes.plot(
                    *zip(*front, strict=True),
                    drawstyle="steps-post",
                    color=BLUE,
                    alpha=shade,
                    marker="o",
                    markersize=3,
                    linewidth=1.4,
                    label=label,
                )
        first = family.members[0].model.number
        if first in points:
            axes.plot(*points[first], "*", color=ORANGE, markersize=12, label="the first")

    x = "measured_latency_ms" if cost == "latency_ms" else cost
    name = HEADS.get(cost, cost)
    title = f"The front growing: accuracy against {name}"
    svg = draw_svg(paint, x, "val_accuracy", title)
    return Figure(svg, title, "Lines lead from a model to what grew from it.")


def _point(values: Mapping[str, float], cost: str) -> tuple[float, float]:
    return values[cost], values["val_accuracy"]


def _over_time(family: Family) -> Figure:
    """The best accuracy so far."""
    known = sorted((m.model for m in family.trained), key=lambda model: model.elapsed)

    def paint(axes: Axes) -> None:
        best: list[float] = []
        for model in known:
            best.append(max([*best[-1:], model.values["val_accuracy"]]))
        axes.plot([m.elapsed for m in known], best, color=BLUE, drawstyle="steps-post")
        accuracies = [m.values["val_accuracy"] for m in known]
        axes.plot([m.elapsed for m in known], accuracies, "o", color=GREY, markersize=4)

    title = "The best so far"
    svg = draw_svg(paint, "seconds of the run", "val_accuracy", title)
    return Figure(svg, title, "A dot is a model, when its training was done.")
