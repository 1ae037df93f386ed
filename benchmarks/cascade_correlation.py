"""How many units cascade-correlation needs for two spirals, over seeds.

Beside it stands what Fahlman and Lebiere (1990) report of 100 trials: 12 to 19 units, 15.2 on
average.

    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 python benchmarks/cascade_correlation.py \
        --seeds 10 --out benchmarks/results/cascade_correlation.csv
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path

import torch

from nascout.growth.cascade import grow_cascade, two_spirals

RESULTS = Path("benchmarks/results")


def main() -> None:
    """Grow one network per seed and write a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS / "cascade_correlation.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, y = two_spirals()
    rows = []
    for seed in range(options.seeds):
        net = grow_cascade(x, y, seed=seed)
        probability = net(x).detach().sigmoid()
        rows.append(
            {
                "seed": seed,
                "units": len(net.units),
                "wrong": int(((probability > 0.5) != (y > 0.5)).sum()),
                "largest_error": round(float((probability - y).abs().max()), 4),
            }
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    units = [int(row["units"]) for row in rows]
    solved = sum(row["wrong"] == 0 for row in rows)
    print(f"{solved} of {len(rows)} solved, torch {torch.__version__}")
    print(f"units: {min(units)} to {max(units)}, mean {statistics.mean(units):.1f}")


if __name__ == "__main__":
    main()
