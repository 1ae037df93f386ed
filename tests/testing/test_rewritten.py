import random

import torch

from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES
from nascout.testing.rewritten import rewritten


def test_another_graph_gives_the_same_outputs():
    space = SPACES["nasbench201"](channels=4, cells=1, input_shape=(3, 8, 8))
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for seed in range(3):
        graph = space.sample(random.Random(seed)).graph()
        other = rewritten(graph)
        outputs = [build(one, 1, dtype=torch.float64)(x) for one in (graph, other)]
        torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-9, atol=1e-12)
        assert graph_cost(other).params > graph_cost(graph).params
