"""``nascout report``: a run's report and gallery, written again; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nascout.cli.console import print_table, say
from nascout.cli.grow import show_family
from nascout.cli.networks import show_networks
from nascout.cli.opened import open_run
from nascout.records import Constraint

if TYPE_CHECKING:
    from nascout.api.grown import GrownRun

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: Annotated[
        Path, typer.Argument(help="Folder of a search or a growing run, finished or not.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write; report.html in the run.")
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option(help="Show only what satisfies this. Repeatable.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Database URL, if the run is not in its folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the front as JSON.")] = False,
) -> None:
    """Write a run's HTML report and its gallery's table, and show its Pareto front."""
    from nascout.api.grown import GrownRun

    opened = open_run(run, store)
    if isinstance(opened, GrownRun):
        _report_growth(opened, out, constraint or (), as_json)
        return
    gallery = opened.gallery()
    chosen = gallery.select(*constraint) if constraint else gallery
    path = opened.report(out)
    if as_json:
        print_table(chosen.pareto(), as_json=True)
        return
    front = chosen.ranked(chosen.front(), chosen.stage) if chosen.stage else ()
    show_networks(chosen, front, "Pareto front, best first")
    say(f"report   {path}")


def _report_growth(
    run: GrownRun, out: Path | None, constraints: Sequence[str], as_json: bool
) -> None:
    bounds = [Constraint.parse(text) for text in constraints]
    front = [m.model for m in run.gallery().front()]
    numbers = [one.number for one in front if all(c.holds(one.values) for c in bounds)]
    path = run.report(out)
    frame = run.frame().set_index("model", drop=False).loc[numbers]
    if as_json:
        print_table(frame, as_json=True)
        return
    show_family(frame, f"Front of accuracy and {run.config['objective']}, cheapest first")
    say(f"report   {path}")
