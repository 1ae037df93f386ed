"""What ProxylessNAS keeps for the backward pass: one path, however many options there are."""

from dataclasses import dataclass

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from nascout.graph.mixing import Mixed
from nascout.oneshot import METHODS
from nascout.oneshot.learner import Moment
from nascout.space.decision import Choice
from nascout.space.proxylessnas import ProxylessNas
from nascout.train.batches import Batch


def moment():
    return Moment(5, 10, 0, 4, 0.025, 0)


def batch():
    x = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    return Batch(x, (torch.arange(6) % 3,), 1.0, 6)


def learner_of(name, space):
    return METHODS[name]().learner(space, 0, torch.device("cpu"))


@dataclass(frozen=True)
class Fewer(ProxylessNas):
    """With some of the options of each block."""

    options: int = 7

    @property
    def decisions(self):
        return tuple(Choice(c.name, c.options[: self.options]) for c in super().decisions)


SLIM = {"divisor": 8, "classes": 3, "input_shape": (2, 8, 8), "strides": (1, 1, 1, 2, 2, 1, 1, 1)}


def saved_bytes(compute):
    total = []

    def pack(tensor):
        total.append(tensor.numel() * tensor.element_size())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        compute()
    return sum(total)


@pytest.mark.slow
def test_a_step_of_the_weights_keeps_one_path_however_many_there_are():
    def steps(name, options):
        space = Fewer(options=options, **SLIM)
        learner = learner_of(name, space)
        with torch.no_grad():
            for alpha in learner.alphas.values():
                alpha[0] = 50.0  # the same path at every number of options
        one = batch()
        return saved_bytes(lambda: learner.loss(one, moment()))

    two, four, seven = (steps("proxyless", n) for n in (2, 4, 7))
    assert two == four == seven > 0
    mixtures = [steps("darts", n) for n in (2, 4, 7)]
    assert two < mixtures[0] < mixtures[1] < mixtures[2]


@pytest.mark.slow
def test_a_step_of_the_alphas_keeps_one_path_and_the_ends_of_the_others():
    """Of an inactive path only its result is kept, for the gradient of its gate."""
    space = Fewer(options=2, **SLIM)
    learner, one = learner_of("proxyless", space), batch()
    pairs = {name: torch.tensor([0, 1]) for name in learner.alphas}
    wide = {name: pair[1:] for name, pair in pairs.items()}
    mixture = learner_of("darts", space)
    alone = saved_alive(lambda: F.cross_entropy(learner.run_path(wide, one.x), one.targets[0]))
    ours = saved_alive(lambda: learner.mixed_loss(one, pairs, moment()))
    both = saved_alive(lambda: mixture.loss(one, moment()))
    ends = 6 * 4 * sum(graph_sizes(learner, pairs))
    assert ours < both
    assert ours < alone + 3 * ends


def graph_sizes(learner, pairs):
    """Values of each mixture's result, of one image."""
    edges = learner.relaxation.edges
    kept = {e.name: [e.options[int(i)] for i in pairs[e.name]] for e in edges}
    return [
        call.shape.size
        for call in learner.relaxation.graph(kept).calls
        if isinstance(call.op, Mixed)
    ]


def saved_alive(compute):
    """Bytes that the graph of a loss still holds once it is computed."""
    held = {}

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            held[id(self)] = tensor.numel() * tensor.element_size()

        def __del__(self):
            held.pop(id(self), None)

    with saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        loss = compute()
    assert loss.requires_grad
    return sum(held.values())
