"""``nascout report``: a run's report and gallery, written again; needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import print_table, say
from nascout.cli.networks import show_networks

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
    path = opened.report(out)
    if as_json:
        print_table(chosen.pareto(), as_json=True)
        return
    front = chosen.ranked(chosen.front(), chosen.stage) if chosen.stage else ()
    show_networks(chosen, front, "Pareto front, best first")
    say(f"report   {path}")
