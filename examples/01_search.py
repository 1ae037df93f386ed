"""Search a network for handwritten digits, pick from the gallery, use the winner.

Run: python examples/01_search.py        (a minute or two; run it again and it is done at once)
"""

import torch

import nascout

run = nascout.search(data="digits", budget=64, constraints=["params<=50000"], out="example-run")

front = run.gallery().pareto()
print(front[["architecture", "retrained_val_accuracy", "test_accuracy", "params", "latency_ms"]])

# Tomorrow the target moves: select again, without searching again.
smallest = run.frame()["params"].min()
print(f"smallest network seen: {smallest:,} params")

net = run.best.build()  # a plain nn.Module with its trained weights, in eval mode
print(net(torch.zeros(1, 1, 8, 8)).shape, nascout.cost(net))
