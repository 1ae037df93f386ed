"""``nascout export``: a network of a run as files that need no nascout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import say

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
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
    from nascout.api.run import Run
    from nascout.network.export import export as write

    gallery = Run(run).gallery()
    best = (gallery.select(*constraint) if constraint else gallery).best
    facts = {"architecture": str(best.architecture), "values": dict(best.values)}
    wanted = tuple(formats) if formats else None
    written = write(best.build(), out, formats=wanted, metadata=facts)
    say(f"{best.architecture}")
    for name, path in written.files.items():
        say(f"{name:<12} {path}")
    for name, difference in written.max_difference.items():
        say(f"{name:<12} largest difference to the original {difference:.2e}")
    for name, reason in written.skipped.items():
        say(f"{name:<12} left out: {reason}")
