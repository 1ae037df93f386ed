"""One step of growth from architectures of our spaces: those with cells, and those without."""

import random

import pytest
import torch
from torch.nn import functional as F

from nascout.growth import (
    attach,
    cell_groups,
    groups,
    grow_once,
    grown_from,
    recipe_of,
    thinned,
    trace,
)
from nascout.network import build
from nascout.space import SPACES

SMALL = {"classes": 5, "input_shape": (3, 16, 16)}
MOBILE = {**SMALL, "input_shape": (3, 32, 32)}
CELLS = {
    "nasbench101": {**SMALL, "channels": 8, "cells": 1},
    "nasbench201": {**SMALL, "channels": 4, "cells": 1},
    "nats_size": SMALL,
    "darts": {**SMALL, "channels": 4, "cells": 3},
    "nasnet": {**SMALL, "channels": 4, "cells": 1},
    "transnasbench101_micro": {**SMALL, "channels": 4, "cells": 1},
}
MACRO = {
    "enas_macro": {**SMALL, "channels": 4, "layers": 4},
    "mnasnet": {**MOBILE, "channels": 8},
    "fbnet": {**MOBILE, "channels": 8, "last": 32},
    "nasbench_macro": SMALL,
    "freeform": SMALL,
    "growing": SMALL,
    "transnasbench101_macro": {**SMALL, "channels": 4, "blocks": 1},
}
FEW = {"map": ("sep3", "identity"), "vector": ("linear_relu", "identity")}


def architecture(name):
    """A sample of the space that has more than two places."""
    space, rng = SPACES[name](**{**CELLS, **MACRO}[name]), random.Random(1)
    while True:
        arch = space.sample(rng)
        if len(arch.graph()) > 12:
            return arch


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CELLS, *MACRO])
def test_an_architecture_grows(name):
    arch = architecture(name)
    shape = arch.space.input_shape
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    net = build(arch)
    parent = trace(net, x)
    rng = random.Random(0)
    if name in CELLS:
        group = max(cell_groups(parent), key=len)
        assert len(group) > 1  # cells that grow alike
        chosen = (thinned(group, 2, rng),)
    else:
        chosen = tuple(thinned(group, 2, rng) for group in rng.sample(groups(parent), 2))
    searched = attach(parent, chosen, operations=FEW)
    for training in (True, False):
        torch.manual_seed(0)
        wanted = parent.train(training)(x)
        torch.manual_seed(0)
        assert torch.equal(first(searched.train(training)(x)), first(wanted))

    def train(grown):
        grown.train()
        loss = F.cross_entropy(first(grown(x)), torch.arange(4))
        loss.backward()
        torch.optim.SGD(grown.parameters(), lr=0.01).step()

    grown = grow_once(parent, chosen, train, operations=FEW)
    assert {a.place for a in grown.additions} == {s.place for group in chosen for s in group}
    assert set(parent.state_dict()) < set(grown.child.state_dict())
    again = grown_from(build(arch), recipe_of(grown.child))
    again.load_state_dict(grown.child.state_dict())
    assert torch.equal(first(again.eval()(x)), first(grown.child.eval()(x)))


def first(outputs):
    return outputs[0] if isinstance(outputs, tuple) else outputs
