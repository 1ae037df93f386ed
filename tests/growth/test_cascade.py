import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nascout.errors import ConfigError
from nascout.growth.cascade import (
    Cascade,
    CascadeTraining,
    covariance,
    grow_cascade,
    two_spirals,
)


def test_the_published_spirals():
    """194 points; the first at (0, 6.5), the second spiral its mirror in the origin."""
    x, y = two_spirals()
    assert x.shape == (194, 2) and y.shape == (194, 1) and y.sum() == 97
    assert torch.equal(x[97:], -x[:97])
    # Lang and Witbrock: angle i · π / 16, radius 6.5 · (104 - i) / 104.
    i = torch.arange(97, dtype=torch.float64)
    radius, angle = 6.5 * (104 - i) / 104, i * torch.pi / 16
    wanted = torch.stack([radius * angle.sin(), radius * angle.cos()], 1)
    assert torch.allclose(x[:97].double(), wanted, atol=1e-5)


def test_covariance_by_the_definition():
    values, residual = torch.randn(7, 3), torch.randn(7, 2)
    for unit in range(3):
        v = values[:, unit] - values[:, unit].mean()
        wanted = sum(
            abs(sum(v[p] * (residual[p, o] - residual[:, o].mean()) for p in range(7)))
            for o in range(2)
        )
        assert torch.allclose(covariance(values, residual)[unit], wanted, atol=1e-5)


def test_a_unit_reads_everything_before_it_and_is_frozen():
    net = Cascade(2, 1)
    x = torch.randn(5, 2)
    net.install(torch.tensor([0.1, 0.2, 0.3]))
    net.install(torch.tensor([0.5, -1.0, 2.0, 3.0]))
    first = (0.1 + x @ torch.tensor([0.2, 0.3])).tanh()
    second = (0.5 + x @ torch.tensor([-1.0, 2.0]) + 3 * first).tanh()
    assert torch.allclose(net.features(x)[:, 3:], torch.stack([first, second], 1), atol=1e-6)
    assert [name for name, _ in net.named_parameters()] == ["output"]
    assert torch.equal(net(x), torch.zeros(5, 1))


@pytest.mark.slow
def test_parity_needs_units_and_a_line_none():
    x = torch.tensor([[a, b, c] for a in (0.0, 1.0) for b in (0.0, 1.0) for c in (0.0, 1.0)])
    parity = (x.sum(1, keepdim=True) % 2).float()
    net = grow_cascade(x, parity)
    assert 1 <= len(net.units) <= 4 and torch.equal((net(x) > 0).float(), parity)
    assert len(grow_cascade(x, x[:, :1]).units) == 0
    assert len(grow_cascade(x, parity, units=1, training=CascadeTraining(epochs=1)).units) == 1


@pytest.mark.slow
def test_two_spirals_are_solved():
    x, y = two_spirals()
    net = grow_cascade(x, y, seed=1)
    assert ((net(x).sigmoid() - y).abs() < 0.4).all()
    # Fahlman and Lebiere (1990), 100 trials: 12 to 19 units, 15.2 on average.
    assert len(net.units) <= 19
    again = grow_cascade(x, y, seed=1)
    assert torch.equal(again.output, net.output)


@pytest.mark.slow
def test_the_example():
    example = Path(__file__).parents[2] / "examples" / "cascade_correlation.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, check=True)
    assert "194 of 194 points right" in done.stdout and done.stderr == ""


def test_what_does_not_fit():
    for x, y in (
        (torch.zeros(3, 2), torch.zeros(4, 1)),
        (torch.zeros(3, 2), torch.full((3, 1), 0.5)),
        (torch.zeros(3), torch.zeros(3, 1)),
    ):
        with pytest.raises(ConfigError, match="zeros and ones"):
            grow_cascade(x, y)
