"""A latency table in a file of one's own, which belongs to the machine that it names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from nascout.errors import ConfigError
from nascout.graph import Shape
from nascout.hardware.device import fingerprint
from nascout.hardware.latency import LatencyTable

__all__ = ["ForeignTable", "load_table"]


class ForeignTable(LatencyTable):
    """What was measured on another machine, to which nothing can be added here.

    Args:
        path: the file.
        machine: what it says of its machine.
    """

    def __init__(self, path: Path, machine: dict[str, str]) -> None:
        batch, statistic = int(machine["batch"]), machine["statistic"]
        super().__init__(batch=batch, path=path, statistic=statistic)
        self.machine = machine
        self._ms = self._read()

    def _time(self, net: nn.Module, shapes: Sequence[Shape], seconds: float) -> float:
        what = type(net).__name__
        raise ConfigError(
            f"{self.path} has no {what} on {' '.join(map(str, shapes))}, and its device is another",
            f"Measure the space on that device: nascout measure SPACE --out {self.path.name}",
        )


def load_table(path: str | Path, *, any_device: bool = False) -> LatencyTable:
    """The table that ``nascout measure SPACE --out FILE`` wrote.

    On its own machine, what the table lacks is measured and added to the file.

    Args:
        path: the JSON file.
        any_device: take it also where processor, threads, or torch differ from those that it was
            measured with; what it lacks is then an error.

    Raises:
        ConfigError: no such file, no latency table, or one of another device.

    Example:
        >>> load_table("nowhere.json")
        Traceback (most recent call last):
        nascout.errors.ConfigError: cannot read nowhere.json (No such file or directory). Make it \
with nascout measure SPACE --out nowhere.json
    """
    path = Path(path)
    machine = _machine(path)
    device = machine["device"]
    here = fingerprint(device if device == "cpu" or torch.cuda.is_available() else "cpu")
    differs = [
        f"{name}: {machine.get(name, '-')} there, {value} here"
        for name, value in here.items()
        if machine.get(name) != value
    ]
    if differs and not any_device:
        raise ConfigError(
            f"{path} was measured on another device ({'; '.join(differs)})",
            "Measure here with nascout measure, or allow it (any_device).",
        )
    if differs:
        table: LatencyTable = ForeignTable(path, machine)
    else:
        batch, statistic = int(machine["batch"]), machine["statistic"]
        table = LatencyTable(device, batch=batch, path=path, statistic=statistic)
    if not len(table):
        raise _no_table(path)
    return table


def _machine(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text())
        machine = {str(name): str(value) for name, value in content["machine"].items()}
        if machine["device"] and int(machine["batch"]) > 0 and machine["statistic"]:
            return machine
    except OSError as error:
        raise ConfigError(
            f"cannot read {path} ({error.strerror})",
            f"Make it with nascout measure SPACE --out {path}",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_table(path) from error
    raise _no_table(path)


def _no_table(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is no latency table", "Make one with nascout measure SPACE --out FILE."
    )
