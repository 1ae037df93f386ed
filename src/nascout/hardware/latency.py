"""Latency in milliseconds: measured on a network, or added up from a table of its operations.

The table is measured once per machine and kept, so the same architecture has the same
``latency_ms`` in every run: selection is repeatable though clocks are not. What a network really
takes is measured at the end, as ``measured_latency_ms``.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import nn

from nascout.atomic import write_text
from nascout.errors import ConfigError, StoreFull
from nascout.graph import Graph, Shape
from nascout.graph.op import Op
from nascout.graph.ops import Identity, Input
from nascout.hardware.device import fingerprint
from nascout.network import build
from nascout.network.lowering import lower
from nascout.network.mode import evaluating
from nascout.records import content_digest

__all__ = ["LatencyTable", "measure_latency_ms"]

IDLE: Final = (Input, Identity)  # operations that take no time
STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "fastest": min,
    "median": statistics.median,
}


def measure_latency_ms(
    net: nn.Module,
    *input_shapes: tuple[int, ...],
    batch: int = 1,
    device: str | torch.device = "cpu",
    seconds: float = 0.3,
    statistic: str = "median",
) -> float:
    """Wall time of one forward pass in eval mode without gradients, in milliseconds.

    Args:
        net: any module on ``device``; its mode is left as found.
        input_shapes: of one sample, for each input.
        batch: samples per pass.
        device: where to run; CUDA is synchronised around each pass.
        seconds: about how long to measure, after as long a warm-up at most.
        statistic: over blocks of passes, ``median`` or, on a busy machine, ``fastest``.
    """
    dtype = next((p.dtype for p in net.parameters()), None)
    inputs = [torch.zeros((batch, *shape), dtype=dtype, device=device) for shape in input_shapes]
    with evaluating(net), torch.inference_mode():
        blocks = _blocks_ms(lambda: net(*inputs), torch.device(device), seconds)
    return STATISTICS[statistic](blocks)


def _blocks_ms(run: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """Milliseconds per pass of several blocks of passes, so that the clock's cost vanishes."""

    def timed(passes: int) -> float:
        start = time.perf_counter()
        for _ in range(passes):
            run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return (time.perf_counter() - start) / passes * 1e3

    timed(3)
    single = max(timed(3), 1e-6)
    passes = max(1, int(0.1 / single))
    blocks = min(500, max(5, int(seconds * 1e3 / (single * passes))))
    return [timed(passes) for _ in range(blocks)]


class LatencyTable:
    """Milliseconds per operation on one machine, measured when first asked for, then kept.

    Args:
        device: where networks will run.
        batch: samples per pass.
        path: the JSON file that keeps the table; one per machine in the user's cache by default.
        statistic: ``fastest`` of several blocks of passes, since other work on the machine only
            ever adds time, or their ``median``, as :func:`measure_latency_ms` takes it.

    The estimate of a network is the sum over its nodes, times how much longer the first network
    of that input size took than its own sum (calls between operations, colder caches). Right for
    a device that runs one operation after the other; blind to fusion and overlap.

    Raises:
        ConfigError: no such statistic.
    """

    def __init__(
        self,
        device: str | torch.device = "cpu",
        *,
        batch: int = 1,
        path: Path | None = None,
        statistic: str = "fastest",
    ) -> None:
        if statistic not in STATISTICS:
            raise ConfigError(f"statistic = {statistic!r}", f"Choose {' or '.join(STATISTICS)}.")
        self.device = torch.device(device)
        self.batch, self.statistic = batch, statistic
        self.machine = {
            **fingerprint(device),
            "batch": str(batch),
            "dtype": "float32",
            "statistic": statistic,
        }
        name = f"{content_digest(self.machine)[:16]}.json"
        self.path = path or user_cache_path("nascout") / "latency" / name
        self._ms: dict[str, float] = self._read()

    def __len__(self) -> int:
        """How many entries are known."""
        return len(self._ms)

    def latency_ms(self, graph: Graph) -> float:
        """Estimated milliseconds of one forward pass of ``graph``; what is new is measured."""
        total = sum(self.operations_ms([(call.op, call.inputs) for call in graph.calls]))
        if not total:
            return 0.0
        whole = f"whole {' '.join(str(graph.shapes[i]) for i in graph.inputs)}"
        if whole not in self._ms:
            shapes = tuple(graph.shapes[i] for i in graph.inputs)
            self._ms[whole] = self._time(build(graph), shapes, seconds=1.0) / total
            self._write()
        return total * self._ms[whole]

    def operations_ms(self, operations: Sequence[tuple[Op, tuple[Shape, ...]]]) -> list[float]:
        """Milliseconds of each operation by itself on inputs of these shapes.

        It is 0 for those that do nothing, the inputs and the identity; what is new is measured.
        """
        keys = ["" if isinstance(op, IDLE) else _key(op, shapes) for op, shapes in operations]
        new = {
            key: operation
            for key, operation in zip(keys, operations, strict=True)
            if key and key not in self._ms
        }
        if new:
            # What another process has measured meanwhile stays, so that both say the same.
            self._ms |= self._read()
            self._measure(new)
            self._write()
        return [self._ms[key] if key else 0.0 for key in keys]

    def _measure(self, operations: Mapping[str, tuple[Op, tuple[Shape, ...]]]) -> None:
        with torch.random.fork_rng(devices=[]):  # modules draw weights as they are made
            for key, (op, shapes) in operations.items():
                if key not in self._ms:
                    self._ms[key] = self._time(lower(op, shapes), shapes, seconds=0.05)

    def _time(self, net: nn.Module, shapes: Sequence[Shape], seconds: float) -> float:
        net = net.to(self.device).eval()
        inputs = [torch.zeros((self.batch, *shape), device=self.device) for shape in shapes]
        with torch.inference_mode():
            blocks = _blocks_ms(lambda: net(*inputs), self.device, seconds)
        return STATISTICS[self.statistic](blocks)

    def _read(self) -> dict[str, float]:
        """The table on disk; one that is damaged or of another machine is measured anew."""
        try:
            content = json.loads(self.path.read_text())
            times = {str(k): float(v) for k, v in content["ms"].items()}
            if content["machine"] == self.machine and all(0 < t < math.inf for t in times.values()):
                return times
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return {}

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=10):
                # Whoever wrote first is right.
                self._ms |= self._read()
                content = {"machine": self.machine, "ms": self._ms}
                write_text(self.path, json.dumps(content, indent=1, sort_keys=True))
        except (OSError, StoreFull):
            # A cache that cannot be kept costs time, not correctness.
            return


def _key(op: Op, shapes: tuple[Shape, ...]) -> str:
    attributes = json.dumps(op.attributes(), sort_keys=True)
    return f"{type(op).__name__} {attributes} {' '.join(map(str, shapes))}"
