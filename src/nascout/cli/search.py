"""``nascout search``: from data to a trained, exported network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascout.cli.console import print_json, read_pairs, say
from nascout.cli.networks import show_networks

if TYPE_CHECKING:
    from nascout.api.run import Run

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(search)


def search(
    data: Annotated[
        str | None,
        typer.Option(help="digits, FILE.npz, a folder of images, a CIFAR archive, module:dataset."),
    ] = None,
    space: Annotated[str | None, typer.Option(help="See nascout spaces.")] = None,
    strategy: Annotated[str | None, typer.Option(help="See nascout strategies.")] = None,
    score: Annotated[str | None, typer.Option(help="See nascout scores.")] = None,
    budget: Annotated[int | None, typer.Option(help="Architectures to score.")] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(help="'params<=500000'; macs, activation_bytes, latency_ms. Repeatable."),
    ] = None,
    objective: Annotated[
        list[str] | None, typer.Option(help="'max:NAME' or 'min:NAME'. Repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; give it again to resume.")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Database URL, instead of SQLite in --out.")
    ] = None,
    space_option: Annotated[
        list[str] | None, typer.Option(help="'channels=16', 'cells=2'. Repeatable.")
    ] = None,
    strategy_option: Annotated[
        list[str] | None, typer.Option(help="'final_epochs=50'. Repeatable.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Resize images to this side.")] = None,
    flip: Annotated[
        bool | None, typer.Option(help="Whether a mirrored image keeps its class.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with any of these; options here win.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress.")] = False,
) -> None:
    """Search, train and export a network. Without options: handwritten digits, on any machine.

    Scores architectures without training them, keeps the best under the objectives and
    constraints, trains a shortlist, retrains the winners, and writes report, gallery and the
    exported network to --out. The same command again resumes.
    """
    given = {
        "data": data,
        "space": space,
        "strategy": strategy,
        "score": score,
        "budget": budget,
        "constraints": constraint,
        "objectives": objective,
        "seed": seed,
        "device": device,
        "out": out,
        "store": store,
        "space_options": read_pairs(space_option or (), "--space-option"),
        "strategy_options": read_pairs(strategy_option or (), "--strategy-option"),
        "image_size": image_size,
        "flip": flip,
    }
    options = _read(config) | {k: v for k, v in given.items() if v not in (None, [], {})}
    from nascout.api.search import search as run_search

    run = run_search(progress=not quiet, **options)
    print_json(_result(run)) if as_json else _show(run)


def _read(config: Path | None) -> dict[str, Any]:
    from nascout.run.config import read_toml

    return read_toml(config) if config else {}


def _result(run: Run) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "best": {"architecture": run.best.architecture.to_dict(), **run.best.values},
        "front": [
            {"architecture": str(entry.architecture), **entry.values}
            for entry in run.gallery().front()
        ],
    }


def _show(run: Run) -> None:
    gallery = run.gallery()
    stage = gallery.stage or "score"
    entries = gallery.ranked(gallery.at(stage), stage)
    show_networks(gallery, entries, "Retrained networks, best validation accuracy first")
    for line in _broken_in_practice(run):
        say(line)
    say(f"report   {run.folder / 'report.html'}")
    say(f"gallery  {run.folder / 'gallery.csv'}")
    say(f"network  {run.folder / 'best'}")
    card = json.loads((run.folder / "best" / "model.json").read_text())
    for name, difference in card["max_difference"].items():
        say(f"         {name}: reloaded, largest difference to the network {difference:.0e}")
    for name, reason in card["skipped"].items():
        say(f"         {name}: left out ({reason})")


def _broken_in_practice(run: Run) -> list[str]:
    """A latency bound holds for the table's estimate; say so where the measurement breaks it."""
    measured = run.best.values.get("measured_latency_ms")
    return [
        f"warning: asked {c}, the best network measured {measured:.2f} ms; ask for less"
        for c in run.constraints
        if c.metric == "latency_ms" and measured is not None and not c.holds({c.metric: measured})
    ]
