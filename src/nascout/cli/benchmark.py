"""``nascout benchmark``: convert official files, say what a file holds, query it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascout.cli.console import print_json, print_table, read_pairs, say

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="See nascout benchmarks.")]
Table = Annotated[Path, typer.Argument(help="Its table, Parquet or CSV.")]
Asked = Annotated[
    list[str] | None,
    typer.Option("--ask", help="'split=test', 'epochs=200', 'seed=mean', ... Repeatable."),
]
Space = Annotated[str | None, typer.Option(help="Space of a table of your own.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(name="benchmark", help="Published tables.", no_args_is_help=True)
    for command in (convert, info, query, fit):
        group.command()(command)
    app.add_typer(group)


def convert(
    official: Annotated[Path, typer.Argument(help="The official file, or folder of files.")],
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    name: Annotated[
        str | None, typer.Option(help="The benchmark; guessed from the file if not given.")
    ] = None,
) -> None:
    """Turn an official file into nascout's own format.

    Pickles are read by a reader that runs nothing they ask for; a file that asks for more than
    plain values is refused. TensorFlow is not needed.
    """
    from nascout.api.benchmark_files import convert as run

    found = run(official, out, name)
    say(f"{found.benchmark}: {out}, from {found.source} (sha256 {found.source_sha256[:12]}...)")


def info(
    path: Annotated[Path, typer.Argument(help="A converted file.")], as_json: Json = False
) -> None:
    """Say what a converted file holds and where it came from."""
    from nascout.api.benchmark_files import describe

    about, columns = describe(path)
    if as_json:
        rows = columns.astype(object).where(columns.notna(), None).to_dict("records")
        print_json({**about, "columns": rows})
        return
    for key, value in about.items():
        say(f"{key}: {value}")
    print_table(columns)


def query(
    name: Name,
    path: Table,
    architecture: Annotated[str, typer.Argument(help="In the notation of the space.")],
    ask: Asked = None,
    space: Space = None,
    as_json: Json = False,
) -> None:
    """Say what an architecture reached; what must be asked for is listed where it is missing."""
    from nascout.api.benchmark import benchmark

    table = benchmark(name, path, **({"space": space} if space else {}))
    asked = read_pairs(ask or (), "--ask")
    column = table.column(**asked)
    value = table.query(architecture, **asked)
    if as_json:
        measure = table.measures[column]
        print_json({"value": value, "unit": measure.unit, **measure.coordinates})
    else:
        say(f"{value:.6g} {table.measures[column].unit}".strip())


def fit(
    name: Name,
    path: Table,
    out: Annotated[Path, typer.Argument(help="The JSON file to write.")],
    ask: Asked = None,
    log: Annotated[bool, typer.Option(help="Fit the logarithm: for speeds.")] = False,
    trees: Annotated[int, typer.Option(help="Boosted trees.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the division and the fit.")] = 0,
    space: Space = None,
    as_json: Json = False,
) -> None:
    """Fit a surrogate of one column, for architectures outside the table.

    A tenth of the architectures is held out; how good the surrogate is on them is printed.
    """
    from nascout.api.benchmark import benchmark
    from nascout.api.surrogates import fit_surrogate

    table = benchmark(name, path, **({"space": space} if space else {}))
    asked = read_pairs(ask or (), "--ask")
    found = fit_surrogate(table, log=log, trees=trees, seed=seed, **asked)
    found.save(out)
    if as_json:
        print_json({"target": found.target, **found.held_out, "file": str(out)})
        return
    say(f"{found.target}: {out}")
    tau, r2, mae = (found.held_out[key] for key in ("kendall", "r2", "mae"))
    say(f"on {found.held_out['count']:,} held out: tau {tau:.3f}, R2 {r2:.3f}, MAE {mae:.4g}")
