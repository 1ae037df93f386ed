"""ProxylessNAS: targets of latency that are met, and steps beside a plain implementation.

Part ``targets`` searches ProxylessNAS's space, narrow and on small images, once per target: what
was asked, what is expected at the end, the table's sum for the network that is derived, and what
it takes when it is measured again, in turn with the others. Targets are shares of the way from
the fastest network of the space to the slowest.

    OMP_NUM_THREADS=1 python benchmarks/proxyless.py targets --data digits --clock wall \
        --out benchmarks/results/proxyless_targets.csv

Part ``steps`` times steps of the weights and of the alphas against benchmarks/plain/proxyless.py,
in turn, and adds up what is kept for the backward pass.

    OMP_NUM_THREADS=1 python benchmarks/proxyless.py steps \
        --out benchmarks/results/proxyless_steps.csv
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import torch
from plain import proxyless as plain
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

import nascout
from nascout.api.measure import measure_space
from nascout.data import load
from nascout.hardware import measure_latency_ms
from nascout.oneshot import METHODS, share
from nascout.oneshot.learner import Moment
from nascout.space.decision import Choice
from nascout.space.proxylessnas import WIDTHS, ProxylessNas
from nascout.train.batches import Batch

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
STRIDES = (1, 1, 2, 1, 2, 1, 1, 1)


def targets(options: argparse.Namespace) -> list[dict[str, object]]:
    """A search per target, and what was found, measured in turn."""
    data = load(str(options.data), image_size=options.image_size)
    split = data.split()
    split = replace(split, train=split.train.take(torch.arange(min(2000, len(split.train)))))
    space = nascout.space(
        "proxylessnas",
        divisor=options.divisor,
        strides=STRIDES,
        classes=len(data.classes),
        input_shape=data.input_shape,
    )
    rows, nets = [], []
    clock = patch("nascout.hardware.latency.time.perf_counter", CLOCKS[options.clock])
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.json"
        with clock:
            span = measure_space(space, table, batch=options.latency_batch)
        for part in options.parts:
            target = span.fastest_ms + part * (span.slowest_ms - span.fastest_ms)
            method = METHODS["proxyless"](
                epochs=options.epochs,
                batch_size=options.batch,
                val_fraction=0.5,
                warm_up=0.1,
                every=1,
                alpha_lr=options.alpha_lr,
                latency_target_ms=target,
                latency_strength=options.strength,
                latency_table=str(table),
            )
            start = time.perf_counter()
            shared = share(method, space, split)
            seconds = time.perf_counter() - start
            found, last = shared.architectures[0][0], shared.curve[-1]
            nets.append(nascout.build(found))
            rows.append(
                {
                    "fastest_ms": span.fastest_ms,
                    "slowest_ms": span.slowest_ms,
                    "first_expected_ms": shared.curve[0].numbers["expected_latency_ms"],
                    "target_ms": target,
                    "expected_ms": last.numbers["expected_latency_ms"],
                    "table_ms": last.numbers["latency_ms"],
                    "measured_ms": 0.0,
                    "entropy": last.numbers["entropy"],
                    "search_seconds": seconds,
                    "architecture": str(found),
                }
            )
    with clock:
        again = [
            [measure_latency_ms(net, data.input_shape, batch=options.latency_batch) for net in nets]
            for _ in range(9)
        ]
    for row, times in zip(rows, zip(*again, strict=True), strict=True):
        row["measured_ms"] = statistics.median(times)
    return rows


@dataclass(frozen=True)
class Fewer(ProxylessNas):
    """With the first options of each block."""

    options: int = 7

    @property
    def decisions(self) -> tuple[Choice, ...]:
        """Those of the space, with fewer options."""
        return tuple(Choice(c.name, c.options[: self.options]) for c in super().decisions)


@torch.no_grad()
def decide(alphas: Iterable[Tensor]) -> None:
    """Make both sides draw the same: the second option, and in a pair the first beside it."""
    for alpha in alphas:
        alpha[:2] = torch.tensor([40.0, 50.0])


class Ours:
    """nascout's learner and optimiser on one batch."""

    def __init__(self, options: int, divisor: int, batch: Batch, update: str) -> None:
        shape = tuple(batch.x.shape[1:])
        space = Fewer(
            divisor=divisor, strides=STRIDES, classes=10, input_shape=shape, options=options
        )
        method = METHODS["proxyless"](warm_up=0.0, every=1, update=update)
        self.learner = method.learner(space, 0, torch.device("cpu"))
        self.sgd = torch.optim.SGD(self.learner.net.parameters(), 0.025, momentum=0.9)
        self.batch, self.moments = batch, self._moments()
        decide(self.learner.alphas.values())

    def _moments(self) -> Iterator[Moment]:
        for step in itertools.count():
            yield Moment(0, 1, step, 10**6, 0.025, 0)

    def weights(self) -> None:
        """One step of the weights."""
        loss = self.learner.loss(self.batch, next(self.moments))
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()

    def alphas(self) -> None:
        """One step of the alphas."""
        self.learner.before_step(self.batch, iter([self.batch]), next(self.moments))


class Plain:
    """The same network in plain modules."""

    def __init__(self, options: int, divisor: int, batch: Batch, update: str) -> None:
        widths = [max(1, width // divisor) for width in WIDTHS["mobile"]]
        self.net: nn.Sequential = plain.network(
            widths, STRIDES, channels=batch.x.shape[1], classes=10, options=options
        )
        alphas = [part.alphas for part in self.net if isinstance(part, plain.Choices)]
        gates = [part.gates for part in self.net if isinstance(part, plain.Choices)]
        others = {id(p) for p in (*alphas, *gates)}
        weights = [p for p in self.net.parameters() if id(p) not in others]
        self.sgd = torch.optim.SGD(weights, 0.025, momentum=0.9)
        self.adam = torch.optim.Adam(alphas, 1e-3, betas=(0.0, 0.999))
        decide(alphas)
        self.x, self.y, self.update = batch.x, batch.targets[0], update
        self.count = sum(p.numel() for p in weights)

    def weights(self) -> None:
        """One step of the weights."""
        plain.weight_step(self.net, self.x, self.y, self.sgd)

    def alphas(self) -> None:
        """One step of the alphas."""
        plain.alpha_step(self.net, self.x, self.y, self.adam, self.update)


def peak_bytes(step: Callable[[], None]) -> int:
    """The most that was kept for backward passes at one time; weights do not count."""
    now = most = 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal now, most
            self.tensor = tensor
            self.bytes = 0 if isinstance(tensor, nn.Parameter) else tensor.nbytes
            now += self.bytes
            most = max(most, now)

        def __del__(self) -> None:
            nonlocal now
            now -= self.bytes

    with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        step()
    return most


def steps(options: argparse.Namespace) -> list[dict[str, object]]:
    """Time and memory, by number of options and kind of step, on the same path."""
    generator = torch.Generator().manual_seed(0)
    size = options.image_size or 16
    x = torch.randn(options.batch, 3, size, size, generator=generator)
    batch = Batch(x, (torch.arange(options.batch) % 10,), 1.0, options.batch)
    rows = []
    for update, count in (("two", 2), ("two", 4), ("two", 7), ("full", 7)):
        torch.manual_seed(0)
        sides = [kind(count, options.divisor, batch, update) for kind in (Ours, Plain)]
        ours, theirs = sides
        if count == 7:
            assert sum(p.numel() for p in ours.learner.net.parameters()) == theirs.count
        for what in ("weights", "alphas"):
            if update == "full" and what == "weights":
                continue
            for side in sides:
                getattr(side, what)()
            spent: list[list[float]] = [[], []]
            for _ in range(options.repeats):
                for side, times in zip(sides, spent, strict=True):
                    start = time.perf_counter()
                    getattr(side, what)()
                    times.append(time.perf_counter() - start)
            kept = [
                statistics.mean(peak_bytes(getattr(side, what)) for _ in range(5)) for side in sides
            ]
            ratio = statistics.median(p / o for o, p in zip(*spent, strict=True))
            rows.append(
                {
                    "step": what,
                    "update": update,
                    "options": count,
                    "nascout_ms": 1e3 * statistics.median(spent[0]),
                    "plain_ms": 1e3 * statistics.median(spent[1]),
                    "times_faster": ratio,
                    "nascout_kept_mb": kept[0] / 1e6,
                    "plain_kept_mb": kept[1] / 1e6,
                    "times_less_kept": kept[1] / kept[0],
                }
            )
    return rows


def rounded(value: object) -> object:
    """Four digits."""
    if not isinstance(value, float) or not math.isfinite(value) or not value:
        return value
    return round(value, 3 - math.floor(math.log10(abs(value))))


def main() -> None:
    """Run a part and write its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("targets", "steps"))
    parser.add_argument("--data", default="digits", help="digits, or a file of images")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--divisor", type=int, default=8)
    parser.add_argument("--parts", type=float, nargs="+", default=[0.15, 0.3, 0.45])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--alpha-lr", type=float, default=0.5)
    parser.add_argument("--strength", type=float, default=10.0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--latency-batch", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = (targets if options.part == "targets" else steps)(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({k: rounded(v) for k, v in row.items()} for row in rows)
    print(options.out.read_text())


if __name__ == "__main__":
    main()
