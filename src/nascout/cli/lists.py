"""``nascout spaces``, ``architectures``, ``benchmarks``, ``scores``, ``strategies``: lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nascout.cli.console import print_table
from nascout.errors import UnknownName

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the five commands."""
    for command in (spaces, architectures, benchmarks, scores, strategies):
        app.command()(command)


def spaces(as_json: Json = False) -> None:
    """List the search spaces."""
    from nascout.api.names import spaces as table

    frame = table()
    if not as_json:  # without papers, and numbers too long to read, it fits a terminal
        sizes = [f"{n:,}" if n < 10**12 else f"{n:.1e}" for n in frame["architectures"]]
        frame = frame.drop(columns="paper").assign(architectures=sizes)
    print_table(frame, as_json=as_json)


def architectures(
    name: Annotated[str | None, typer.Argument(help="Show this one's notation.")] = None,
    as_json: Json = False,
) -> None:
    """List the published architectures that have a name, or show one's notation."""
    from nascout.api.known import architectures as table

    _print(table(), "architecture", name, ["name", "space", "skeleton"], as_json)


def benchmarks(
    name: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None,
    as_json: Json = False,
) -> None:
    """List the benchmarks, or say what file one needs and where its authors offer it."""
    from nascout.api.benchmark import benchmarks as table

    _print(table(), "benchmark", name, ["name", "space", "architectures", "licence"], as_json)


def scores(
    name: Annotated[str | None, typer.Argument(help="Show this one's card in full.")] = None,
    as_json: Json = False,
) -> None:
    """List the training-free scores, or tell all about one."""
    from nascout.api.names import scores as table

    _print(table(), "score", name, ["name", "better", "needs", "what"], as_json)


def _print(
    frame: pd.DataFrame, kind: str, name: str | None, brief: list[str], as_json: bool
) -> None:
    """Some columns of all entries, or all columns of the entry called ``name``."""
    if name is not None:
        if name not in set(frame["name"]):
            raise UnknownName(kind, name, frame["name"])
        frame = frame[frame["name"] == name]
    if as_json:
        print_table(frame, as_json=True)
    elif name is None:
        print_table(frame[brief])
    else:
        card = frame.iloc[0].rename_axis("field").rename("").reset_index()
        print_table(card[card[""].notna() & (card[""] != "")].map(str))


def strategies(as_json: Json = False) -> None:
    """List the search strategies."""
    from nascout.api.names import strategies as table

    frame = table()
    # Without papers it fits a terminal.
    print_table(frame if as_json else frame.drop(columns="paper"), as_json=as_json)
