"""Steps of weight sharing beside a plain implementation: time, and memory for the backward pass.

Both sides have the same weights, alphas, images and paths; benchmarks/plain/darts.py does what the
released codes do. Steps are timed in turn, by the processor's clock of this process. Memory is what
is kept for backward passes at one time, each storage once, weights aside.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive python benchmarks/oneshot_steps.py \
        --out benchmarks/results/oneshot_steps.csv

Rows are appended as they come; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from plain import darts as plain
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from nascout.oneshot import METHODS
from nascout.oneshot.gated import Gated
from nascout.oneshot.learner import Learner, Moment
from nascout.space import SPACES, Architecture, Space
from nascout.train.batches import Batch

LR = 0.025
RUNS = {
    "rsps": ("rsps", {}),
    "darts, first order": ("darts", {}),
    "darts, second order": ("darts", {"order": 2}),
    "pc_darts": ("pc_darts", {"frozen": 0.0, "alpha_lr": 3e-4}),
    "gdas": ("gdas", {}),
}
PLAIN = {"darts": plain.DartsCells, "nasbench201": plain.Bench201}
SIZES = {"nasbench201": (16, 1, 32), "darts": (8, 3, 8)}  # channels, cells, images per step


def moment(step: int) -> Moment:
    """One of many of the first epoch."""
    return Moment(0, 2, step, 10**6, LR, 0)


class Ours:
    """nascout's learner and the optimiser that it is shared with."""

    def __init__(self, label: str, space: Space) -> None:
        name, knobs = RUNS[label]
        method = METHODS[name](**knobs)
        self.learner: Learner = method.learner(space, 0, torch.device("cpu"))
        part = getattr(method, "partial", 1)
        self.learner.net.hold(space.relaxation(part).graph())
        weights = [{"params": list(self.learner.net.parameters())}]
        weights[0]["weight_decay"] = method.weight_decay
        self.sgd = method.recipe().optimizer.of(weights)
        self.sgd.param_groups[0]["lr"] = LR
        self.learner.weights_optimizer = self.sgd

    def weights(self, train: Batch, val: Batch, step: int) -> Tensor:
        """One step of the weights, as a sharing takes it; its loss."""
        net = self.learner.net
        loss = self.learner.loss(train, moment(step))
        self.sgd.zero_grad()
        torch.autograd.backward(loss, inputs=list(net.parameters()))
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        self.sgd.step()
        return loss.detach()

    def alphas(self, train: Batch, val: Batch, step: int) -> None:
        """One step of the architecture."""
        self.learner.before_step(train, iter([val]), moment(step))


class Plain:
    """The same network in plain modules, with the weights and alphas of ``ours``."""

    def __init__(self, label: str, space: Space, ours: Ours) -> None:
        name, _ = RUNS[label]
        part = 4 if name == "pc_darts" else 1
        channels, *_ = space.input_shape
        self.net = PLAIN[space.name](space.channels, space.cells, part, channels, space.classes)
        self.net.to(next(ours.learner.net.parameters()).dtype)
        with torch.no_grad():
            pairs = zip(self.net.parameters(), ours.learner.net.parameters(), strict=True)
            for mine, theirs in pairs:
                assert mine.shape == theirs.shape
                mine.copy_(theirs)
        if isinstance(ours.learner, Gated):
            for kind, alphas in by_kind(ours.learner, "->").items():
                self.net.alphas[kind].data = torch.stack(alphas)
            for kind, betas in by_kind(ours.learner, "_input").items():
                self.net.betas[kind].data = torch.cat(betas)
        weights = self.net.parameters()
        self.sgd = torch.optim.SGD(weights, LR, momentum=0.9, weight_decay=3e-4)
        architecture = self.net.architecture()
        self.adam = torch.optim.Adam(architecture, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
        self.name, self.label, self.space = name, label, space
        self.path: Mapping[str, plain.Mix] = {}
        self.noise: Mapping[str, Mapping[str, Tensor]] = {}

    def tell(self, step: int) -> None:
        """The path, or the noise, that the other side will draw in this step."""
        if self.name == "rsps":
            rng = random.Random(f"path/0/0/{step}")
            self.path = chosen(self.space.sample(rng), plain.OPTIONS[self.space.name])
        if self.name == "gdas":
            self.noise = {
                purpose: gumbel(moment(step), purpose, self.net.alphas)
                for purpose in ("weights", "alphas")
            }

    def draw(self, purpose: str) -> Mapping[str, plain.Mix]:
        """What runs."""
        if self.name == "rsps":
            return self.path
        if self.name == "gdas":
            return self.net.drawn(10.0, self.noise[purpose])
        return self.net.mixture()

    def weights(self, train: Batch, val: Batch, step: int) -> Tensor:
        """One step of the weights."""
        draw = partial(self.draw, "weights")
        return plain.weight_step(self.net, (train.x, train.targets[0]), self.sgd, draw)

    def alphas(self, train: Batch, val: Batch, step: int) -> None:
        """One step of the architecture."""
        one, other = ((batch.x, batch.targets[0]) for batch in (train, val))
        if self.label == "darts, second order":
            plain.unrolled_alpha_step(self.net, one, other, self.adam, self.sgd)
        else:
            plain.alpha_step(self.net, other, self.adam, partial(self.draw, "alphas"))


def by_kind(learner: Gated, mark: str) -> dict[str, list[Tensor]]:
    """Alphas whose names have ``mark``, by kind of cell, in the order of the edges."""
    found: dict[str, list[Tensor]] = {}
    for name, alpha in learner.alphas.items():
        kind = "".join(c for c in name.split("_")[0] if c.isalpha()) or "cell"
        if mark in name:
            found.setdefault(kind, []).append(alpha.detach())
    return found


def chosen(architecture: Architecture, options: tuple[str, ...]) -> dict[str, plain.Mix]:
    """The option of every edge of a derived network."""
    space = architecture.space
    if space.name == "nasbench201":
        places = [options.index(str(value)) for value in architecture.values]
        return {"cell": plain.Mix(None, places)}
    mixes = {}
    for kind, cell in space.genotype(architecture).items():
        ops = [{end.source: end.op for end in block.ends} for block in cell.blocks]
        names = [read.get(i) for node, read in enumerate(ops, 2) for i in range(node)]
        places = [None if n is None else options.index(n) for n in names]
        mixes[kind] = plain.Mix(None, places)
    return mixes


def gumbel(now: Moment, purpose: str, alphas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The noise of nascout's generator at that moment, edge by edge."""
    generator = now.generator(purpose)
    noise = {}
    for kind, alpha in alphas.items():
        rows = [torch.rand(alpha.shape[1], generator=generator) for _ in alpha]
        uniform = torch.stack(rows).clamp(1e-10, 1 - 1e-7)
        noise[kind] = -(-uniform.log()).log()
    return noise


def peak_bytes(step: Callable[[], object], weights: list[nn.Parameter]) -> int:
    """The most that was kept for backward passes at one time, without the weights."""
    own = {w.untyped_storage().data_ptr() for w in weights}
    readers: Counter[int] = Counter()
    now = most = 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal now, most
            storage = tensor.untyped_storage()
            self.tensor, self.place = tensor, storage.data_ptr()
            self.bytes = 0 if self.place in own else storage.nbytes()
            readers[self.place] += 1
            if readers[self.place] == 1:
                now += self.bytes
                most = max(most, now)

        def __del__(self) -> None:
            nonlocal now
            readers[self.place] -= 1
            if not readers[self.place]:
                now -= self.bytes

    with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        step()
    return most


def make_batch(n: int, size: int, seed: int, dtype: torch.dtype = torch.float32) -> Batch:
    """Images that are all noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, size, size, generator=generator, dtype=dtype)
    return Batch(x, (torch.arange(n) % 10,), 1.0, n)


def measured(label: str, space: Space, what: str, repeats: int) -> dict[str, object]:
    """A row of the table."""
    *_, batch = SIZES[space.name]
    train, val = (make_batch(batch, space.input_shape[1], seed) for seed in (0, 1))
    torch.manual_seed(0)
    ours = Ours(label, space)
    theirs = Plain(label, space, ours)
    sides = [ours, theirs]
    spent: list[list[float]] = [[], []]
    kept: list[list[int]] = [[], []]
    paths = 5 if label in ("rsps", "gdas") else 1  # of which memory depends
    for step in range(repeats + paths):
        theirs.tell(step)
        if step == 0:
            losses = [float(side.weights(train, val, step)) for side in sides]
            assert abs(losses[0] - losses[1]) < 1e-4, losses
        for side, times, most in zip(sides, spent, kept, strict=True):

            def run(side: Ours | Plain = side, step: int = step) -> object:
                return getattr(side, what)(train, val, step)

            if step >= repeats:
                net = side.learner.net if isinstance(side, Ours) else side.net
                most.append(peak_bytes(run, list(net.parameters())))
                continue
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    pairs = sorted(p / o for o, p in zip(*(times[1:] for times in spent), strict=True))
    mb = [statistics.mean(most) / 1e6 for most in kept]
    return {
        "nascout_ms": round(1e3 * statistics.median(spent[0]), 2),
        "plain_ms": round(1e3 * statistics.median(spent[1]), 2),
        "times_faster": round(statistics.median(pairs), 3),
        "quarter": round(pairs[len(pairs) // 4], 3),
        "three_quarters": round(pairs[3 * len(pairs) // 4], 3),
        "nascout_kept_mb": round(mb[0], 3),
        "plain_kept_mb": round(mb[1], 3),
    }


def main() -> None:
    """Measure what is not in the file yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=list(RUNS))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    done = set()
    if options.out.exists():
        with options.out.open() as file:
            done = {(r["cell"], r["method"], r["step"]) for r in csv.DictReader(file)}
    shape = (3, options.image_size, options.image_size)
    for name, (channels, cells, _) in SIZES.items():
        space = SPACES[name](channels=channels, cells=cells, input_shape=shape)
        for label in options.only:
            for what in ("weights",) if label == "rsps" else ("weights", "alphas"):
                if (name, label, what) in done:
                    continue
                row = {"cell": name, "method": label, "step": what}
                row |= measured(label, space, what, options.repeats)
                options.out.parent.mkdir(parents=True, exist_ok=True)
                begin = not options.out.exists()
                with options.out.open("a", newline="") as file:
                    writer = csv.DictWriter(file, row.keys())
                    if begin:
                        writer.writeheader()
                    writer.writerow(row)
                print(row, flush=True)


if __name__ == "__main__":
    main()
