"""Latency on this device: a table of a space's operations, or one network beside that table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from nascout.api.search import checked_device
from nascout.errors import ConfigError, StoreUnwritable
from nascout.hardware import LatencyTable, measure_latency_ms
from nascout.hardware.saved_table import load_table
from nascout.network import build
from nascout.oneshot.expected_latency import tabulate
from nascout.space import Architecture, Space

__all__ = ["MeasuredNetwork", "MeasuredSpace", "measure", "measure_space"]


@dataclass(frozen=True)
class MeasuredSpace:
    """A table of the operations of a space.

    Attributes:
        path: the JSON file.
        entries: operations and input sizes that were measured.
        fastest_ms, slowest_ms: of networks of the space, by the table.
        machine: what the table belongs to: device, processor, threads, torch, batch, dtype, and
            the statistic.
    """

    path: Path
    entries: int
    fastest_ms: float
    slowest_ms: float
    machine: Mapping[str, str]


@dataclass(frozen=True)
class MeasuredNetwork:
    """The latency of one network.

    Attributes:
        measured_latency_ms: of a pass, after a warm-up, by the statistic of the table.
        latency_ms: the sum in the table; ``None`` for a module, which has no graph.
        machine: what both belong to.
    """

    measured_latency_ms: float
    latency_ms: float | None
    machine: Mapping[str, str]


def measure_space(
    space: Space,
    out: str | Path,
    *,
    device: str = "cpu",
    batch: int = 1,
    statistic: str = "median",
) -> MeasuredSpace:
    """Measure every operation of ``space`` on this device and write the table to ``out``.

    Each operation runs in eval mode and float32: a warm-up, then a statistic over blocks of
    passes. A table of this device that is already there is added to.

    Args:
        space: one with a relaxation.
        out: the JSON file.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
        batch: samples per pass.
        statistic: ``median``, or ``fastest`` on a machine that is busy with other work.

    Raises:
        ConfigError: a space without a relaxation, a device that is not available, or a file that
            is there and is no table of this device and batch.
        StoreUnwritable: a file that cannot be written.
    """
    path, device = Path(out), checked_device(device)
    relaxation = space.relaxation()
    table = LatencyTable(device, batch=_checked(batch), path=path, statistic=statistic)
    if path.exists() and load_table(path).machine != table.machine:
        raise ConfigError(
            f"{path} is a table of another device, batch or statistic", "Write to another file."
        )
    expected = tabulate(relaxation, table)
    if not path.exists():
        raise StoreUnwritable(f"cannot write {path}", "Choose a folder that can be written.")
    return MeasuredSpace(path, len(table), expected.fastest, expected.slowest, table.machine)


def measure(
    target: Architecture | nn.Module,
    *input_shapes: tuple[int, ...],
    table: str | Path | None = None,
    any_device: bool = False,
    device: str = "cpu",
    batch: int = 1,
) -> MeasuredNetwork:
    """The latency of a network on this device, beside what a table says.

    Args:
        target: an architecture, or any module.
        input_shapes: of one sample of each input, for a module.
        table: the file of :func:`measure_space`, whose batch and statistic are then taken;
            without one, the user's cache of this device.
        any_device: take a table of another device.
        device: where to run.
        batch: samples per pass.

    Raises:
        ConfigError: a table or device that cannot be used.

    Example:
        >>> from torch import nn
        >>> found = measure(nn.ReLU(), (4,))
        >>> found.measured_latency_ms > 0, found.latency_ms
        (True, None)
    """
    device, batch = checked_device(device), _checked(batch)
    known = (
        load_table(table, any_device=any_device)
        if table
        else LatencyTable(device, batch=batch, statistic="median")
    )
    if isinstance(target, Architecture):
        graph = target.graph()
        latency: float | None = known.latency_ms(graph)
        net: nn.Module = build(graph)
        input_shapes = target.space.input_shapes
    else:
        net, latency = target, None
    measured = measure_latency_ms(
        net.to(device),
        *input_shapes,
        batch=known.batch,
        device=device,
        statistic=known.statistic,
    )
    return MeasuredNetwork(measured, latency, known.machine)


def _checked(batch: int) -> int:
    if batch < 1:
        raise ConfigError(f"batch = {batch}", "Give at least 1.")
    return batch
