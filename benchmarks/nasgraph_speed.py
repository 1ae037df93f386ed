"""NASGraph: a population by nascout, one network by nascout, and as in the paper.

The score of NASGraph(16 channels, 1 cell per stage, 3 stages), for which the paper reports 217
CPU seconds for 200 random NAS-Bench-201 cells. All three score the same cells with the same
weights, in turn, in one process and one thread. What is timed is CPU seconds, from the
architecture to its value for the population, without building the network for the others.

    OMP_WAIT_POLICY=passive python benchmarks/nasgraph_speed.py --cells 200 --plain-every 10 \
        --out benchmarks/results/nasgraph_speed.csv
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from plain.nasgraph import plain_nasgraph

import nascout
from nascout.graph import Graph
from nascout.network.module import Network
from nascout.score.card import SCORES
from nascout.score.nasgraph import nasgraph
from nascout.score.unit_graph_ops import graph_steps
from nascout.score.unit_response import normal_weight
from nascout.score.unit_steps import Conv
from nascout.space import Architecture


def with_normal_weights(graph: Graph) -> Network:
    """The network with the weights that the score draws, in place of its own."""
    net = nascout.build(graph)
    drawn = {
        step.operation.name: normal_weight(step.operation)
        for step in graph_steps(graph)[0]
        if isinstance(step.operation, Conv)
    }
    for node, module in zip(graph, net.node_modules(), strict=True):
        if f"{node.key}.weight" in drawn:
            module.weight.data = drawn[f"{node.key}.weight"]
    return net


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """Value and CPU milliseconds."""
    start = time.process_time()
    value = function()
    return value, 1000 * (time.process_time() - start)


def score_all(architectures: list[Architecture], plain_every: int) -> list[dict[str, object]]:
    """A row per cell."""
    graphs = []

    def made() -> float:
        graphs.append(architecture.graph())
        return next(values)

    # A generator reads the list as it grows.
    values = SCORES["nasgraph"].at_once(graphs, None, seed=0, memory=2**30)
    x = torch.zeros(1, 3, 32, 32)
    rows = []
    for number, architecture in enumerate(architectures):
        value, population = timed(made)
        net = with_normal_weights(graphs[-1])
        alone, single = timed(partial(nasgraph, net))
        row = {"architecture": str(architecture), "score": value}
        row |= {"population_ms": population, "single_ms": single, "plain_ms": ""}
        others = [alone]
        if number % plain_every == 0:
            plain, row["plain_ms"] = timed(partial(plain_nasgraph, net, x))
            others.append(plain)
        assert others == [value] * len(others), (architecture, value, others)
        rows.append({k: round(v, 3) if k.endswith("ms") and v else v for k, v in row.items()})
    return rows


def main() -> None:
    """Time all and write a row per cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--plain-every", type=int, default=10, help="time it on every n-th cell")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/nasgraph_speed.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = nascout.space("nasbench201", channels=16, cells=1)
    rng = random.Random(0)
    score_all([space.sample(rng)], 1)  # warms up
    rows = score_all([space.sample(rng) for _ in range(options.cells)], options.plain_every)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} cells, one thread, torch {torch.__version__}; equal scores")
    plain = statistics.mean(float(row["plain_ms"]) for row in rows if row["plain_ms"])
    for name in ("population", "single"):
        each = [float(row[f"{name}_ms"]) for row in rows]
        ratios = [float(r["plain_ms"]) / float(r[f"{name}_ms"]) for r in rows if r["plain_ms"]]
        print(
            f"{name}: {sum(each) / 1000:.2f} s in all, median {statistics.median(each):.2f} ms, "
            f"as in the paper {plain * len(rows) / 1000:.0f} s; "
            f"times faster: median {statistics.median(ratios):.0f}"
        )


if __name__ == "__main__":
    main()
