"""Zoph and Le's tree cells: the paper's example, its counts, where the memory goes."""

import pytest
import torch

from nascout.graph import graph_cost
from nascout.network import build
from nascout.space import SPACES

TREE = SPACES["zoph_le_rnn"]
EXAMPLE = (
    "node0_combine=add,node0_op=tanh,node1_combine=elem_mult,node1_op=relu,"
    "node2_combine=elem_mult,node2_op=sigmoid,inject_combine=add,inject_op=relu,"
    "inject_node=0,memory_node=1"
)


@pytest.fixture(scope="module")
def example():
    """Its network; the first one that is built imports much of torch, which is no test's time."""
    return build(TREE(width=5, base=2).parse(EXAMPLE))


def test_the_papers_example(example):
    """Section 3.4: a0 = ReLU(tanh(W1 x + W2 h) + c), a1 = ReLU(W3 x · W4 h), h = sigmoid(a0 · a1)
    and the next c is W3 x · W4 h, what node 1 has before its activation."""
    matrix = dict(example.named_parameters())
    x, h, c = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    w1, w2, w3, w4 = (
        matrix[f"node{i}.{v}.linear.weight"].T for i, v in ((0, "x"), (0, "h"), (1, "x"), (1, "h"))
    )
    a0 = torch.relu(torch.tanh(x @ w1 + h @ w2) + c)
    product = (x @ w3) * (h @ w4)
    after_h, after_c = example(x, h, c)
    torch.testing.assert_close(after_h, torch.sigmoid(a0 * torch.relu(product)))
    torch.testing.assert_close(after_c, product)


def test_published_counts():
    """6e16 cells (section 4.2); 25M and 32M parameters with and without a shared embedding."""
    space = TREE()
    assert space.size == 8**16 * 15**2
    assert f"{space.size:.0e}" == "6e+16"
    cells = 2 * graph_cost(next(iter(space)).graph()).params
    assert cells == 2 * 16 * 740**2
    shared = cells + 10_000 * (740 + 1)
    assert (round(shared / 1e6), round((shared + 7_400_000) / 1e6)) == (25, 32)


@pytest.mark.parametrize(
    ("node", "children"), [(8, (0, 1)), (11, (6, 7)), (12, (8, 9)), (14, (12, 13))]
)
def test_the_tree(node, children):
    graph = next(iter(TREE(width=2))).graph()
    keys = {n.key: n for n in graph}
    read = [graph.nodes[i].key.partition("/")[0] for i in keys[f"node{node}/add"].inputs]
    names = [f"node{i}" for i in children]
    # In the first architecture c enters at node 0, so that its parent reads what comes of that.
    assert read == ["inject" if name == "node0" else name for name in names]


def test_the_memory_may_enter_at_the_root():
    text = EXAMPLE.replace("inject_node=0", "inject_node=2").replace(
        "memory_node=1", "memory_node=2"
    )
    graph = TREE(width=2, base=2).parse(text).graph()
    assert [graph.nodes[i].key for i in graph.outputs] == ["inject/relu", "node2/elem_mult"]
