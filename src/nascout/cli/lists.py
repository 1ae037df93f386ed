"""``nascout spaces``, ``benchmarks``, ``scores``, ``strategies``: what there is."""

from __future__ import annotations

from typing import Annotated

import typer

from nascout.cli.console import print_table
from nascout.errors import UnknownName

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the four commands."""
    for command in (spaces, benchmarks, scores, strategies):
        app.command()(command)


def spaces(as_json: Json = False) -> None:
    """List the search spaces."""
    from nascout.api.names import spaces as table

    frame = table()
    if not as_json:  # without papers, and numbers too long to read, it fits a terminal
        sizes = [f"{n:,}" if n < 10**12 else f"{n:.1e}" for n in frame["architectures"]]
        frame = frame.drop(columns="paper").assign(architectures=sizes)
    print_table(frame, as_json=as_json)


def benchmarks(as_json: Json = False) -> None:
    """List the benchmarks: what file each needs and where its authors offer it."""
    from nascout.api.benchmark import benchmarks as table

    frame = table()
    print_table(frame if as_json else frame.drop(columns=["paper", "what"]), as_json=as_json)


def scores(
    name: Annotated[str | None, typer.Argument(help="Show this one's card in full.")] = None,
    as_json: Json = False,
) -> None:
    """List the training-free scores, or tell all about one."""
    from nascout.api.names import scores as table

    frame = table()
    if name is not None:
        frame = frame[frame["name"] == name]
        if frame.empty:
            raise UnknownName("score", name, table()["name"])
    if as_json:
        print_table(frame, as_json=True)
    elif name is None:
        print_table(frame[["name", "better", "needs", "what"]])
    else:
        card = frame.iloc[0].rename_axis("field").rename("").reset_index()
        print_table(card[card[""].notna() & (card[""] != "")].map(str))


def strategies(as_json: Json = False) -> None:
    """List the search strategies."""
    from nascout.api.names import strategies as table

    print_table(table(), as_json=as_json)
