"""``nascout doctor``: what this machine offers, and whether a run is whole."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import nascout
from nascout.cli.console import say
from nascout.cli.opened import open_run
from nascout.errors import IntegrityError

if TYPE_CHECKING:
    from nascout.api.grown import GrownRun

__all__ = ["register"]

EXTRAS = {
    "ONNX export": ("onnx", ("onnx", "onnxscript", "onnxruntime")),
    "PostgreSQL stores": ("postgresql", ("psycopg",)),
    "Parquet tables": ("parquet", ("pyarrow",)),
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    run: Annotated[Path | None, typer.Argument(help="Folder of a run to check.")] = None,
    store: Annotated[
        str | None, typer.Option(help="Database URL, if the run is not in its folder.")
    ] = None,
) -> None:
    """Show versions, devices and optional parts; check a run's store and weights."""
    import torch

    from nascout.hardware.device import fingerprint

    say(f"nascout {nascout.__version__}, Python {platform.python_version()}")
    say(
        f"torch {torch.__version__}, {fingerprint('cpu')['processor']}, "
        f"{torch.get_num_threads()} threads"
    )
    cuda = torch.cuda.is_available()
    say(f"CUDA: {torch.cuda.get_device_name() if cuda else 'not available'}")
    for feature, (extra, modules) in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        say(f"{feature}: {f'pip install nascout[{extra}]' if missing else 'ready'}")
    if run is not None:
        _check(run, store)


def _check(folder: Path, store: str | None) -> None:
    from nascout.api.grown import GrownRun
    from nascout.run.weights import verify

    opened = open_run(folder, store)
    if isinstance(opened, GrownRun):
        _check_growth(opened)
        return
    say(f"store: {len(opened.trials)} trials, every one as it was written")
    for entry in opened.gallery().entries:
        if entry.weights is not None:
            verify(entry.weights)
            say(f"weights: {entry.weights.name} as they were written")


def _check_growth(run: GrownRun) -> None:
    from nascout.api.grown_check import examined

    damaged = 0
    for finding in examined(run):
        damaged += finding.is_damage
        say(". ".join(filter(None, [finding.text, finding.remedy])))
    if damaged:
        raise IntegrityError(
            f"{damaged} things in {run.folder} are damaged or missing", "See the lines above."
        )
