"""``nascout spaces``, ``scores``, ``strategies``: what there is."""

from __future__ import annotations

from typing import Annotated

import typer

from nascout.cli.console import print_table

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    for command in (spaces, scores, strategies):
        app.command()(command)


def spaces(as_json: Json = False) -> None:
    """List the search spaces."""
    from nascout.api.names import spaces as table

    print_table(table(), as_json=as_json)


def scores(as_json: Json = False) -> None:
    """List the training-free scores."""
    from nascout.api.names import scores as table

    print_table(table(), as_json=as_json)


def strategies(as_json: Json = False) -> None:
    """List the search strategies."""
    from nascout.api.names import strategies as table

    print_table(table(), as_json=as_json)
