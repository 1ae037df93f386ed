"""Gradients by the architecture against full differentiation, in float64."""

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from nascout.network.supernet import Supernet
from nascout.oneshot.bilevel import dominant_eigenvalue, first_order, gradients, second_order
from nascout.space import SPACES

DOUBLE = torch.float64


class Problem:
    """A supernet, smooth enough to be differentiated, with alphas and two batches."""

    def __init__(self, seed):
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape):
            return torch.randn(*shape, generator=generator, dtype=DOUBLE)

        space = SPACES["nasbench201"](channels=2, cells=1, classes=3, input_shape=(2, 4, 4))
        relaxation = space.relaxation()
        self.graph = relaxation.graph()
        self.net = Supernet(seed)
        self.net.hold(self.graph)
        self.net.double()
        self.names = [edge.name for edge in relaxation.edges]
        self.alphas = [draw(5).requires_grad_() for _ in self.names]
        self.weights = list(self.net.parameters())
        self.velocity = [0.1 * draw(*w.shape) for w in self.weights]
        self.train = draw(6, 2, 4, 4), torch.arange(6) % 3
        self.val = draw(6, 2, 4, 4), (torch.arange(6) + 1) % 3

    def loss(self, batch, weights=None):
        gates = {n: a.softmax(0) for n, a in zip(self.names, self.alphas, strict=True)}
        if weights is None:
            out = self.net(self.graph, batch[0], gates=gates)
        else:
            named = dict(zip(dict(self.net.named_parameters()), weights, strict=True))
            out = functional_call(self.net, named, (self.graph, batch[0]), {"gates": gates})
        return F.cross_entropy(out, batch[1])


def unrolled(problem, step, momentum, decay):
    """The same gradient by differentiating through the step itself."""
    slopes = gradients(problem.loss(problem.train), problem.weights, create_graph=True)
    moved = [
        w - step * (momentum * v + s + decay * w)
        for w, v, s in zip(problem.weights, problem.velocity, slopes, strict=True)
    ]
    return gradients(problem.loss(problem.val, moved), problem.alphas)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("momentum, decay", [(0.0, 0.0), (0.9, 0.01)])
def test_second_order_is_the_derivative_through_the_step(seed, momentum, decay):
    problem = Problem(seed)
    before = [w.detach().clone() for w in problem.weights]
    got = second_order(
        lambda: problem.loss(problem.train),
        lambda: problem.loss(problem.val),
        problem.weights,
        problem.alphas,
        step=0.1,
        velocity=problem.velocity,
        momentum=momentum,
        decay=decay,
        reach=1e-5,
    )
    wanted = unrolled(problem, 0.1, momentum, decay)
    first = first_order(lambda: problem.loss(problem.val), problem.alphas)
    error = torch.cat(got).sub(torch.cat(wanted)).norm() / torch.cat(wanted).norm()
    assert error < 1e-4
    # The first order is something else, so the comparison says something.
    assert torch.cat(first).sub(torch.cat(wanted)).norm() / torch.cat(wanted).norm() > 1e-2
    assert all(torch.equal(w, b) for w, b in zip(problem.weights, before, strict=True))


def test_weights_are_put_back_when_a_loss_fails():
    problem = Problem(0)
    before = [w.detach().clone() for w in problem.weights]

    def fails():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        second_order(
            lambda: problem.loss(problem.train), fails, problem.weights, problem.alphas, step=0.1
        )
    assert all(torch.equal(w, b) for w, b in zip(problem.weights, before, strict=True))


def test_a_step_of_zero_is_the_first_order():
    problem = Problem(1)
    train, val = lambda: problem.loss(problem.train), lambda: problem.loss(problem.val)
    got = second_order(train, val, problem.weights, problem.alphas, step=0.0)
    for one, other in zip(got, first_order(val, problem.alphas), strict=True):
        torch.testing.assert_close(one, other)


def test_the_largest_eigenvalue_is_that_of_the_whole_hessian():
    problem = Problem(2)
    slopes = gradients(problem.loss(problem.val), problem.alphas, create_graph=True)
    rows = [
        torch.cat(torch.autograd.grad(value, problem.alphas, retain_graph=True))
        for value in torch.cat(slopes)
    ]
    values = torch.linalg.eigvalsh(torch.stack(rows))
    wanted = values[values.abs().argmax()].item()
    found = dominant_eigenvalue(lambda: problem.loss(problem.val), problem.alphas, iterations=2000)
    assert found == pytest.approx(wanted, rel=1e-2)
