"""One epoch of training on one thread and on all, by image size.

OMP_WAIT_POLICY=passive python benchmarks/threads.py --out benchmarks/results/threads.csv
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from pathlib import Path

import torch

import nascout
from nascout.data import as_data
from nascout.train import fit, recipes

CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|"
    "+|nor_conv_3x3~0|skip_connect~1|nor_conv_1x1~2|"
)
SIZES = ((8, 8), (16, 16), (24, 16), (32, 16))  # side, channels


def seconds(side: int, channels: int, threads: int) -> float:
    """Of one epoch on 320 training images."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (400, 3, side, side), generator=generator).to(torch.uint8)
    split = as_data((x, torch.arange(len(x)) % 10), test_fraction=0).split()
    space = nascout.space("nasbench201", channels=channels, cells=1, input_shape=(3, side, side))
    net = nascout.build(space.parse(CELL))
    torch.set_num_threads(threads)
    start = time.perf_counter()
    fit(net, split, recipes["shortlist"], epochs=1)
    return time.perf_counter() - start


def main() -> None:
    """Alternate between one thread and all, and write medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/threads.csv"))
    options = parser.parse_args()
    every = torch.get_num_threads()
    rows = []
    for side, channels in SIZES:
        seconds(side, channels, every)
        pairs = [
            (seconds(side, channels, 1), seconds(side, channels, every))
            for _ in range(options.runs)
        ]
        one, many = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        rows.append(
            {
                "side": side,
                "channels": channels,
                "one_thread_s": round(one, 3),
                f"{every}_threads_s": round(many, 3),
                "ratio": round(ratio, 2),
            }
        )
        print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
