"""``nascout report``: a run's report and gallery, written again; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import print_table, say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, finished or not.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write; report.html in the run.")
    ] = None,
    constraint: Annotated[
        list[str] | None, typer.Option(help="Show only what satisfies this. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the front as JSON.")] = False,
) -> None:
    """Write a run's HTML report and show its Pareto front."""
    from nascout.api.run import Run

    opened = Run(run)
    gallery = opened.gallery()
    chosen = gallery.select(*constraint) if constraint else gallery
    print_table(chosen.pareto(), title="Pareto front", as_json=as_json)
    path = opened.report(out)
    if not as_json:
        say(f"report   {path}")
