"""``nascout grow``: a gallery of larger models from one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascout.cli.console import print_json, print_table, say

if TYPE_CHECKING:
    import pandas as pd

    from nascout.api.grown import GrownRun

__all__ = ["register", "show_family"]

COLUMNS = {
    "val_accuracy": "val %",
    "test_accuracy": "test %",
    "params": "params",
    "macs": "MACs",
    "latency_ms": "ms",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(grow)


def grow(
    model: Annotated[
        str, typer.Argument(help="model.py:make_model, package.module:factory, or a cell.")
    ],
    weights: Annotated[
        Path | None, typer.Option(help="Its weights, as safetensors; else it is trained first.")
    ] = None,
    data: Annotated[
        str,
        typer.Option(help="digits, FILE.npz, a folder of images, a CIFAR archive, module:dataset."),
    ] = "digits",
    objective: Annotated[
        str, typer.Option(help="macs, params, activation_bytes or latency_ms.")
    ] = "macs",
    constraint: Annotated[
        list[str] | None, typer.Option(help="'latency_ms<=10'. Repeatable.")
    ] = None,
    budget: Annotated[str, typer.Option(help="2h, 30m, 90s or '12 children'.")] = "12 children",
    out: Annotated[Path, typer.Option(help="Folder of the run; give it again to resume.")] = Path(
        "grown"
    ),
    operation: Annotated[
        list[str] | None, typer.Option(help="Try this instead of the defaults. Repeatable.")
    ] = None,
    place: Annotated[
        list[str] | None, typer.Option(help="Grow only here: 'layer2.*'. Repeatable.")
    ] = None,
    leaf: Annotated[
        list[str] | None, typer.Option(help="A submodule not to look into. Repeatable.")
    ] = None,
    cells: Annotated[
        str | None, typer.Option(help="Grow all cells alike: a pattern of their names.")
    ] = None,
    at_once: Annotated[int, typer.Option(help="Places that one step tries.")] = 3,
    inputs: Annotated[int, typer.Option(help="Tensors that each of them may read.")] = 4,
    method: Annotated[str, typer.Option(help="petridish, petridish_code or archai.")] = "petridish",
    recipe: Annotated[str, typer.Option(help="How everything is trained.")] = "growth",
    parent_epochs: Annotated[
        int | None, typer.Option(help="To train the model first; 0 with --weights.")
    ] = None,
    candidate_epochs: Annotated[int, typer.Option(help="Of a parent with its candidates.")] = 4,
    child_epochs: Annotated[int, typer.Option(help="Of a child.")] = 8,
    workers: Annotated[int, typer.Option(help="Processes that work at the same time.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    image_size: Annotated[int | None, typer.Option(help="Resize images to this side.")] = None,
    store: Annotated[
        str | None, typer.Option(help="Database URL, instead of SQLite in --out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the front as JSON.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress.")] = False,
) -> None:
    """Grow a model you have, keeping its weights, into a gallery along the Pareto front.

    Tries many additions at once without disturbing the model, keeps the promising ones, trains
    the children, and goes on from those on the hull of cost and error. The same command again
    resumes.
    """
    from nascout.api.grow import grow as run_grow

    run = run_grow(
        model,
        data,
        weights=weights,
        out=out,
        leaf=leaf or (),
        objective=objective,
        constraints=constraint or (),
        budget=budget,
        operations=operation or (),
        places=place or (),
        at_once=at_once,
        inputs=inputs,
        cells=cells,
        method=method,
        recipe=recipe,
        parent_epochs=parent_epochs,
        candidate_epochs=candidate_epochs,
        child_epochs=child_epochs,
        seed=seed,
        workers=workers,
        device=device,
        image_size=image_size,
        store=store,
        progress=not quiet,
    )
    print_json(_result(run)) if as_json else _show(run)


def _result(run: GrownRun) -> dict[str, Any]:
    front = [member.model for member in run.gallery().front()]
    return {
        "folder": str(run.folder),
        "front": [{"model": m.number, "parent": m.parent, **m.values} for m in front],
    }


def _show(run: GrownRun) -> None:
    frame = run.frame()
    frame = frame[frame["on_front"]].sort_values(run.config["objective"])
    show_family(frame, f"Front of accuracy and {run.config['objective']}, of {len(run.frame())}")
    say(f"report   {run.folder / 'report.html'}")
    say(f"pick     nascout pick {run.folder} --constraint 'latency_ms<=...'")


def show_family(frame: pd.DataFrame, title: str) -> None:
    """Print some rows of a family's table, and what the columns mean."""
    shown = [name for name in COLUMNS if frame[name].notna().any()]
    table = frame[["model", "parent", *shown]].rename(columns=COLUMNS)
    print_table(table, title=title)
    for number, added in zip(frame["model"], frame["added"], strict=True):
        say(f"#{number}  {added or 'the model that growth started from'}")
    say("1 MAC = one multiply-add. val guided the growth; test images were used once, at the end.")
