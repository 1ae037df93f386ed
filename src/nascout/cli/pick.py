"""``nascout pick``: tomorrow's target from yesterday's growing run, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import print_json, say
from nascout.cli.grow import show_family

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(pick)


def pick(
    run: Annotated[Path, typer.Argument(help="Folder of a growing run.")],
    constraint: Annotated[
        list[str] | None, typer.Option(help="'latency_ms<=40'. Repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to export it; RUN/picked/NUMBER by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model that was grown, if its file has moved.")
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="pt2, onnx. Repeatable.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="The run's data, to measure a pick on its test images for once."),
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="As given to grow.")] = None,
    store: Annotated[
        str | None, typer.Option(help="Database URL, if the run is not in its folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Pick the most accurate model of a growing run under constraints, and export it.

    Nothing is searched or trained. Writes weights, recipe and the exported files, each read back
    and compared. A pick under several bounds may be a model that its run did not measure on the
    test images; --data does so now, and keeps it.
    """
    from nascout.api.grown import GrownRun

    opened = GrownRun(run, model=model, store=store)
    chosen = opened.pick(*(constraint or ()))
    if data is not None:
        chosen = opened.tested(chosen, data, image_size=image_size)
    number = chosen.model.number
    folder = out or run / "picked" / str(number)
    written = opened.export(chosen, folder, formats=tuple(formats) if formats else None)
    if as_json:
        values = {"test_accuracy": None, **chosen.model.values}
        print_json({"model": number, "folder": str(folder), **values})
        return
    line = [one.model.number for one in opened.genealogy(number)]
    frame = opened.frame()
    show_family(frame[frame["model"].isin(line)], f"Model {number} and what it grew from")
    if "test_accuracy" not in chosen.model.values:
        say(f"#{number} was not measured on the test images; --data DATA does so, once")
    say(f"written  {folder}")
    for name, difference in written.max_difference.items():
        say(f"         {name}: reloaded, largest difference to the network {difference:.0e}")
    for name, reason in written.skipped.items():
        say(f"         {name}: left out ({reason})")
