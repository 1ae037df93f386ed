"""``nascout export``: a network of a run as files that need no nascout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import say
from nascout.cli.opened import open_run

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a search or a growing run.")],
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path("exported"),
    constraint: Annotated[
        list[str] | None,
        typer.Option(help="Export the best that satisfies this. Repeatable."),
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="source, pt2, onnx. Repeatable.")
    ] = None,
) -> None:
    """Export the best network of a run: stand-alone source, .pt2 and ONNX, each checked."""
    from nascout.api.grown import GrownRun
    from nascout.network.export import export as write

    opened = open_run(run)
    wanted = tuple(formats) if formats else None
    if isinstance(opened, GrownRun):
        chosen = opened.pick(*(constraint or ()))
        say(f"model {chosen.model.number} of {run}")
        written = opened.export(chosen, out, formats=wanted)
    else:
        gallery = opened.gallery()
        best = (gallery.select(*constraint) if constraint else gallery).best
        facts = {"architecture": str(best.architecture), "values": dict(best.values)}
        say(f"{best.architecture}")
        written = write(best.build(), out, formats=wanted, metadata=facts)
    for name, path in written.files.items():
        say(f"{name:<12} {path}")
    for name, difference in written.max_difference.items():
        say(f"{name:<12} largest difference to the original {difference:.2e}")
    for name, reason in written.skipped.items():
        say(f"{name:<12} left out: {reason}")
