"""The ``nascout`` command: options in, errors out, exit codes."""

from __future__ import annotations

import os
import sys

import typer

import nascout
from nascout.cli import (
    benchmark,
    compare,
    correlate,
    doctor,
    export,
    grow,
    lists,
    measure,
    pick,
    report,
    score,
    search,
)
from nascout.cli.console import error_line
from nascout.errors import NascoutError

__all__ = ["app", "main"]

app = typer.Typer(
    name="nascout",
    help="Find neural architectures before paying for training, and prove what was found.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (
    *(search, grow, pick, score, correlate, compare, measure, benchmark, export, report),
    *(lists, doctor),
)
for module in COMMANDS:
    module.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"nascout {nascout.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Find neural architectures before paying for training, and prove what was found."""


def main() -> None:
    """Run the command line; leaves with the exit code of what went wrong, if anything did."""
    # Waiting threads that spin cost a shared machine dearly; torch reads this when it loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app()
    except NascoutError as error:
        sys.stderr.write(error_line(error))
        sys.exit(error.exit_code)
