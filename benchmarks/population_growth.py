"""How time and memory of scoring a population grow with its size, the batch and the channels.

One process per point scores random NAS-Bench-201 cells (one cell per stage, 16 x 16) by NASWOT and
says the processor seconds and by how much its peak memory grew. One quantity changes at a time.

    OMP_WAIT_POLICY=passive python benchmarks/population_growth.py \
        --out benchmarks/results/population_growth.csv
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

MEMORY = 2**28
#: Architectures, batch, channels.
POINTS = (
    *((count, 8, 4) for count in (100, 1000, 10000)),
    *((64, batch, 8) for batch in (32, 64, 128, 256, 512)),
    *((64, 64, channels) for channels in (8, 16, 32, 64)),
)


def main() -> None:
    """A process per point, a row per process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--point", type=int, nargs=3, help="measure one point in this process")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/population_growth.csv")
    )
    options = parser.parse_args()
    if options.point:
        print(json.dumps(measured(*options.point)))
        return
    rows = []
    for point in POINTS:
        command = [sys.executable, __file__, "--point", *map(str, point)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def measured(count: int, batch: int, channels: int) -> dict[str, object]:
    """Processor seconds, and by how many MiB the largest size of this process grew."""
    import torch

    import nascout
    from nascout.score.at_once import scores_at_once
    from nascout.score.card import SCORES

    torch.set_num_threads(1)
    space = nascout.space("nasbench201", channels=channels, cells=1, input_shape=(3, 16, 16))
    rng = random.Random(0)
    x = torch.randn(batch, 3, 16, 16)
    card = SCORES["naswot"]
    list(scores_at_once(card, [space.sample(rng) for _ in range(4)], x[:2], memory=MEMORY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    done = 0
    while done < count:  # as a whole space is scored
        part = sorted((space.sample(rng) for _ in range(min(128, count - done))), key=str)
        done += len(list(scores_at_once(card, part, x, memory=MEMORY)))
    seconds = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "architectures": count,
        "batch": batch,
        "channels": channels,
        "seconds": round(seconds, 2),
        "ms_per_architecture": round(1e3 * seconds / count, 2),
        "memory_mib": round(grown / 1024),
        "budget_mib": MEMORY // 2**20,
    }


if __name__ == "__main__":
    main()
