"""``nascout measure``: a latency table of this device, or what one network takes on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from nascout.cli.console import print_json, read_pairs, say
from nascout.errors import ConfigError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(measure)


def measure(
    target: Annotated[
        str,
        typer.Argument(
            help="A space, whose operations are measured; or what nascout score takes: an "
            "architecture of --space, FILE.py:NAME, or a model of timm or torchvision."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Of a space: the table, FILE.json; added to if it is there.")
    ] = None,
    space: Annotated[str, typer.Option(help="Of an architecture; see nascout spaces.")] = (
        "nasbench201"
    ),
    space_option: Annotated[
        list[str] | None, typer.Option(help="'channels=16', 'cells=5'. Repeatable.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Of a network: a table to set its latency beside.")
    ] = None,
    any_device: Annotated[
        bool, typer.Option("--any-device", help="Take a table of another device.")
    ] = False,
    input_shape: Annotated[str, typer.Option(help="Of a model: '3,224,224'.")] = "3,224,224",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "cpu",
    batch: Annotated[int, typer.Option(help="Samples per pass; a --table has its own.")] = 1,
    statistic: Annotated[
        str, typer.Option(help="Of a space: median, or fastest on a busy machine.")
    ] = "median",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure latency on this device: of all operations of a space, or of one network.

    A table serves searches by proxyless, and nascout measure ARCHITECTURE --table FILE. It belongs
    to its device: processor, threads and torch are written down with it.
    """
    from nascout.api.names import space as named_space
    from nascout.space import SPACES

    options = read_pairs(space_option or (), "--space-option")
    if target in SPACES:
        if out is None:
            raise ConfigError("a table needs a file", f"nascout measure {target} --out table.json")
        found = _of_space(named_space(target, **options), out, device, batch, statistic)
    else:
        if out is not None:
            raise ConfigError(
                f"{target!r} is no space, and --out is for a space's table", "Drop it."
            )
        built = named_space(space, **options)
        found = _of_network(target, built, input_shape, table, any_device, device, batch)
    print_json(found) if as_json else _show(found)


def _of_space(space: Any, out: Path, device: str, batch: int, statistic: str) -> dict[str, Any]:
    from nascout.api.measure import measure_space

    found = measure_space(space, out, device=device, batch=batch, statistic=statistic)
    return {"space": space.name, **asdict(found), "path": str(found.path)}


def _of_network(
    text: str,
    space: Any,
    input_shape: str,
    table: Path | None,
    any_device: bool,
    device: str,
    batch: int,
) -> dict[str, Any]:
    from nascout.api.measure import measure as run
    from nascout.api.targets import load_target
    from nascout.space import Architecture

    found = load_target(text, space)
    how: dict[str, Any] = {"table": table, "any_device": any_device, "device": device}
    if isinstance(found.subject, Architecture):
        measured = run(found.subject, batch=batch, **how)
    else:
        measured = run(found.make(), _shape(input_shape), batch=batch, **how)
    return {"target": found.name, **asdict(measured)}


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(size.strip().isdigit() and int(size) > 0 for size in sizes):
        raise ConfigError(f"malformed --input-shape {text!r}", "Write it like 3,224,224.")
    return tuple(map(int, sizes))


def _show(found: Mapping[str, Any]) -> None:
    """One line per number, then the machine that they belong to."""
    if "space" in found:
        say(f"{found['space']}: {found['entries']} entries")
        say(f"networks take {found['fastest_ms']:.4g} to {found['slowest_ms']:.4g} ms by the table")
        say(f"table: {found['path']}")
    else:
        say(found["target"])
        table = found["latency_ms"]
        beside = "no table for a module" if table is None else f"{table:.4g} ms by the table"
        say(f"{found['measured_latency_ms']:.4g} ms measured, {beside}")
    say(", ".join(f"{name} {value}" for name, value in found["machine"].items()))
