"""Which search strategy is worth its trainings? Compared on a table of trained networks.

    python examples/04_compare.py nasbench201.parquet

The table is NAS-Bench-201's; docs/benchmarks.md says how to get one. No network is trained here: a
training is looked up, which takes about fifty microseconds.
"""

import sys

import nascout

table = nascout.benchmark("nasbench201", sys.argv[1])
found = nascout.compare(
    table,
    {
        "evolution": "regularised_evolution",
        "local search": "local_search",
        "guided": "predictor_guided",
    },
    dataset="cifar100",
    evaluations=(20, 50),
    runs=10,
)

# Random search, its largest and truly best samples, and the best of all are always there.
columns = ["budget", "strategy", "retrained_val_accuracy", "test_accuracy", "trainings"]
print(found.summary[columns].round(2).to_string(index=False))

# Which differences are more than luck? Pairs of runs with equal seeds, corrected for their number.
print(found.significance.head().to_string(index=False))

found.save("comparison")  # tables as CSV, and comparison.html with curves and ranks
