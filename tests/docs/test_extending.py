"""The code in docs/extending.md works as it stands, and passes the conformance suites."""

import re
from pathlib import Path

import pytest
import torch

from nascout.graph import OPS, Builder
from nascout.network import build, source_state, to_source
from nascout.score import SCORES
from nascout.search import STRATEGIES
from nascout.space import SPACES
from nascout.testing.score import check_score
from nascout.testing.space import check_space
from nascout.testing.strategy import check_strategy

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()


@pytest.fixture(scope="module")
def page():
    """Everything the page defines; taken out of the registries again."""
    registries = (SPACES, SCORES, STRATEGIES, OPS)
    for registry in registries:
        registry.load()
    before = [dict(registry._entries) for registry in registries]
    names: dict[str, object] = {"__name__": "docs_extending"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "extending.md", "exec"), names)
    yield names
    for registry, entries in zip(registries, before, strict=True):
        registry._entries.clear()
        registry._entries.update(entries)


@pytest.mark.slow
def test_the_space(page):
    check_space(page["Tower"]())


@pytest.mark.slow
def test_the_score(page):
    check_score("output_spread")


@pytest.mark.slow
def test_the_strategy(page):
    check_strategy(page["First"], SPACES["nasbench201"](channels=4, cells=1))


def test_the_op(page):
    g = Builder()
    graph = g.graph(g.node(page["GELU"](), g.input((3, 4, 4)), key="gelu"))
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    net = build(graph)
    assert torch.equal(net(x), torch.nn.functional.gelu(x))
    scope: dict[str, object] = {}
    exec(to_source(graph), scope)
    written = scope["Model"]()
    written.load_state_dict(source_state(net))
    assert torch.equal(written(x), net(x))
