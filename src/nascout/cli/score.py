"""``nascout score``: training-free scores of anything that is a network."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from nascout.cli.console import print_json, print_table, read_pairs, say
from nascout.errors import ConfigError

__all__ = ["register"]

NOISE = "inputs are random noise, and labels are random: give --data for real ones"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="An architecture in the space's notation, FILE.py:NAME, package.module:NAME, "
            "FILE.pt2, or a model of timm or torchvision.",
        ),
    ],
    space: Annotated[str, typer.Option(help="Of architectures; see nascout spaces.")] = (
        "nasbench201"
    ),
    scores: Annotated[
        list[str] | None,
        typer.Option("--score", help="A score, or all. Repeatable; see nascout scores."),
    ] = None,
    data: Annotated[str, typer.Option(help="Whose training images are scored on.")] = "digits",
    image_size: Annotated[int | None, typer.Option(help="Resize the images to a square.")] = None,
    input_shape: Annotated[
        str | None, typer.Option(help="Score on noise of this shape instead: '3,224,224'.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples per score.")] = 128,
    seeds: Annotated[int, typer.Option(help="Initialisations to average over.")] = 5,
    space_option: Annotated[
        list[str] | None, typer.Option(help="'channels=16', 'cells=5'. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score networks without training them: mean ± standard deviation over initialisations.

    Code in FILE.py, in a module or in FILE.pt2 is run.
    """
    from nascout.api.names import space as named_space
    from nascout.api.score_table import noise, score_table
    from nascout.api.targets import load_target
    from nascout.data import load

    skeleton: dict[str, Any] = {}
    if input_shape is None:
        loaded = load(data, image_size=image_size)
        skeleton = {"classes": len(loaded.classes), "input_shape": loaded.input_shape}
    else:
        skeleton = {"input_shape": _shape(input_shape)}
    built = named_space(space, **(skeleton | read_pairs(space_option or (), "--space-option")))
    subjects = [load_target(text, built) for text in targets]
    if input_shape is None:
        x, y = loaded.batch(batch)
    else:
        x, y = noise(subjects, skeleton["input_shape"], batch)
    rows = score_table(
        subjects,
        x,
        y,
        scores or ["default", "params", "macs"],
        seeds=seeds,
        about=() if input_shape is None else (NOISE,),
    )
    print_json(rows) if as_json else _show(rows)


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(size) for size in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ConfigError(f"malformed --input-shape {text!r}", "Write it like 3,224,224.")
    return shape


def _show(rows: list[dict[str, Any]]) -> None:
    """A table, then the targets, then the warnings that the table refers to."""
    import pandas as pd

    numbers = {name: f"#{n}" for n, name in enumerate(dict.fromkeys(r["target"] for r in rows), 1)}
    distinct = list(dict.fromkeys(text for row in rows for text in row["warnings"]))
    common = [text for text in distinct if all(text in row["warnings"] for row in rows)]
    marks = {text: str(n) for n, text in enumerate((t for t in distinct if t not in common), 1)}
    table = [
        {
            "": numbers[row["target"]],
            "score": row["score"],
            "value": _value(row),
            "better": row["better"],
            "seconds": f"{row['seconds']:.2g}",
            "outcome": row["outcome"],
            "notes": " ".join(marks[text] for text in row["warnings"] if text in marks),
        }
        for row in rows
    ]
    print_table(pd.DataFrame(table))
    for name, number in numbers.items():
        say(f"{number}  {name}")
    for text in common:
        say(f"warning: {text}")
    for text, mark in marks.items():
        say(f"({mark}) {text}")


def _value(row: dict[str, Any]) -> str:
    value, spread = row["value"], row["spread"]
    exact = float(value).is_integer() and abs(value) < 1e12
    text = f"{value:,.0f}" if exact else f"{value:,.5g}"
    measured = spread is not None and math.isfinite(spread)
    return f"{text} ± {spread:,.2g}" if measured else text
