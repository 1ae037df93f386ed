"""``nascout score``: training-free scores of anything that is a network, or of a whole space."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascout.cli.console import print_json, print_table, read_pairs, say
from nascout.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["register"]

NOISE = "inputs are random noise, and labels are random: give --data for real ones"
RANKING = Path("scores.parquet")
TOP = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...",
            help="An architecture in the space's notation, FILE.py:NAME, package.module:NAME, "
            "FILE.pt2, or a model of timm or torchvision.",
        ),
    ] = None,
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
        str | None, typer.Option(help="Score TARGETs on noise of this shape: '3,224,224'.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples per score.")] = 128,
    seeds: Annotated[
        int | None,
        typer.Option(help="Initialisations to average over; 5, or 1 with --all or --sample."),
    ] = None,
    space_option: Annotated[
        list[str] | None, typer.Option(help="'channels=16', 'cells=5'. Repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Rank the whole space.")] = False,
    sample: Annotated[
        int | None, typer.Option(help="Rank so many architectures of the space, drawn at random.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Of a ranking: FILE.parquet or FILE.csv, scores.parquet by default; "
            "give it again to resume."
        ),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Of networks ranked together: '2GB', '500MB'.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes to rank in.")] = None,
    device: Annotated[str | None, typer.Option(help="To rank on: auto, cpu, cuda, cuda:1.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="To rank in: float32, float64, bfloat16.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of --sample.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress.")] = False,
) -> None:
    """Score networks without training them: mean ± standard deviation over initialisations.

    Code in FILE.py, in a module or in FILE.pt2 is run. With --all or --sample, architectures of
    the space are scored instead, and written to --out, best first; the same command again
    resumes.
    """
    ranked = {
        name: value
        for name, value in {
            "sample": sample,
            "out": out,
            "memory": memory,
            "jobs": jobs,
            "device": device,
            "precision": precision,
            "seed": seed,
        }.items()
        if value is not None
    }
    options = read_pairs(space_option or (), "--space-option")
    if everything or sample is not None:
        _check_ranking(targets or (), everything, sample, input_shape)
        from nascout.data import load

        frame = _rank(
            space,
            scores or ["default"],
            data=load(data, image_size=image_size),
            batch=batch,
            seeds=1 if seeds is None else seeds,
            space_options=options,
            progress=not quiet,
            **ranked,
        )
        _show_ranking(frame, out or RANKING, as_json)
        return
    _check_scoring(targets or (), ranked)
    shape = _shape(input_shape) if input_shape else None
    rows = _rows(targets or (), space, options, scores, data, image_size, shape, batch, seeds)
    print_json(rows) if as_json else _show(rows)


def _check_ranking(
    targets: Sequence[str], everything: bool, sample: int | None, input_shape: str | None
) -> None:
    if targets:
        raise ConfigError(
            f"TARGET {targets[0]!r} beside {'--all' if everything else '--sample'}",
            "Leave it out to rank the space, or score it without that option.",
        )
    if everything and sample is not None:
        raise ConfigError("both --all and --sample", "Give one of them.")
    if input_shape is not None:
        raise ConfigError(
            "a space is not ranked on noise", "Give --data, and --image-size to resize it."
        )


def _check_scoring(targets: Sequence[str], ranked: Iterable[str]) -> None:
    if not targets:
        raise ConfigError("nothing to score", "Name a TARGET, or give --all or --sample N.")
    for name in ranked:
        raise ConfigError(f"--{name} is for ranking a space", "Give --all or --sample N with it.")


def _rank(space: str, scores: Sequence[str], **options: Any) -> pd.DataFrame:
    from nascout.api.rank import rank

    try:
        return rank(space, scores, **options)
    except Interrupted as error:
        error.remedy = f"Go on with: nascout {shlex.join(sys.argv[1:])}"
        raise


def _show_ranking(frame: pd.DataFrame, out: Path, as_json: bool) -> None:
    """The best networks, and where all of them are."""
    counts = {
        "architectures": len(frame),
        "networks": int(frame["duplicate_of"].isna().sum()),
        "failed": int((frame["failed"].notna() & frame["duplicate_of"].isna()).sum()),
    }
    best = frame[frame["duplicate_of"].isna()].head(TOP)
    best = best.drop(columns=["digest", "duplicate_of", "failed"])
    if as_json:
        rows = best.astype(object).where(best.notna(), None).to_dict("records")
        print_json({"out": str(out), **counts, "best": rows})
        return
    table = best.drop(columns=["rank", "architecture"]).map(_number)
    table.insert(0, "rank", best["rank"])
    table.insert(0, "", [f"#{number}" for number in range(1, len(best) + 1)])
    print_table(table, title=f"Best of {counts['architectures']:,} architectures")
    for number, text in zip(table[""], best["architecture"], strict=True):
        say(f"{number}  {text}")
    say(f"{counts['networks']:,} distinct networks; {counts['failed']:,} with a score that failed")
    say(f"table: {out}")


def _rows(
    targets: Sequence[str],
    space: str,
    options: dict[str, Any],
    scores: list[str] | None,
    data: str,
    image_size: int | None,
    shape: tuple[int, ...] | None,
    batch: int,
    seeds: int | None,
) -> list[dict[str, Any]]:
    """Every target by every score."""
    from nascout.api.names import space as named_space
    from nascout.api.score_table import noise, score_table
    from nascout.api.targets import load_target
    from nascout.data import load

    skeleton: dict[str, Any] = {"input_shape": shape}
    if shape is None:
        loaded = load(data, image_size=image_size)
        skeleton = {"classes": len(loaded.classes), "input_shape": loaded.input_shape}
    built = named_space(space, **(skeleton | options))
    subjects = [load_target(text, built) for text in targets]
    x, y = loaded.batch(batch) if shape is None else noise(subjects, shape, batch)
    return score_table(
        subjects,
        x,
        y,
        scores or ["default", "params", "macs"],
        seeds=5 if seeds is None else seeds,
        about=() if shape is None else (NOISE,),
    )


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
    text, spread = _number(row["value"]), row["spread"]
    measured = spread is not None and math.isfinite(spread)
    return f"{text} ± {spread:,.2g}" if measured else text


def _number(value: float) -> str:
    exact = float(value).is_integer() and abs(value) < 1e12
    return f"{value:,.0f}" if exact else f"{value:,.5g}"
