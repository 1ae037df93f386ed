"""Opening the NAS-Bench-201 table and asking it 100,000 times: seconds and memory.

python benchmarks/table_speed.py nasbench201.parquet
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from pathlib import Path


def main() -> None:
    """One process, from opening to the last answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--queries", type=int, default=100_000)
    options = parser.parse_args()
    import nascout.benchmark  # noqa: F401 - what it needs in any case does not count
    from nascout.api.benchmark import benchmark

    rng = random.Random(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    cells = benchmark("nasbench201", options.path)
    opened = time.process_time() - start
    names = list(cells)
    total = 0.0
    for name in rng.choices(names, k=options.queries):
        total += cells.query(name, dataset="cifar10", split="test", epochs=200)
    seconds = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"opened in {opened * 1e3:.1f} ms, {options.queries:,} queries of {len(cells):,} cells: "
        f"{seconds:.2f} s of processor time in all, {grown:.0f} MiB more, "
        f"mean {total / options.queries:.2f}"
    )


if __name__ == "__main__":
    main()
