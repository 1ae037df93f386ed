"""Distance correlation against its definition, published bounds and a published table."""

import math

import pandas as pd
import pytest
import torch

from nascout.score.distance_correlation import (
    distance_correlation,
    distance_correlations,
    unbiased_squared_correlation,
)


def rows(n=5, size=40):
    return torch.randn((n, size), generator=torch.Generator().manual_seed(0)).double()


def by_definition(x, y):
    """Doubly centred distances, multiplied and averaged."""

    def centred(v):
        a = (v[:, None] - v).abs()
        return a - a.mean(0) - a.mean(1, keepdim=True) + a.mean()

    a, b = centred(x.double()), centred(y.double())
    return float(((a * b).mean() / ((a * a).mean() * (b * b).mean()).sqrt()).sqrt())


def unbiased_by_definition(x, y):
    """U-centred distances (Székely and Rizzo 2014, definition 2), off the diagonal."""

    def centred(v):
        n, a = len(v), (v[:, None] - v).abs()
        a = a - a.sum(0) / (n - 2) - a.sum(1, keepdim=True) / (n - 2) + a.sum() / (n - 1) / (n - 2)
        return a.fill_diagonal_(0)

    a, b = centred(x.double()), centred(y.double())
    return float((a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt())


def test_the_table_of_params_and_accuracy(shared_data):
    cells = pd.read_parquet(shared_data / "nasbench201.parquet").head(1000)
    x = torch.tensor(cells["params_c10"].to_numpy(), dtype=torch.float64)
    y = torch.tensor(cells["c10_test_nats"].to_numpy(), dtype=torch.float64)
    assert distance_correlation(x, y) == pytest.approx(0.4961, abs=5e-5)


def test_every_pair_of_rows_by_definition():
    data = torch.cat((rows(), rows()[:1] ** 2, rows()[1:2].round()))
    matrix = distance_correlations(data)
    for i, x in enumerate(data):
        for j, y in enumerate(data):
            assert float(matrix[i, j]) == pytest.approx(by_definition(x, y), rel=1e-9)


def test_the_unbiased_one_by_definition():
    x, y, *_ = rows()
    for a, b in ((x, y), (x, x**2), (x, x + y)):
        expected = unbiased_by_definition(a, b)
        assert unbiased_squared_correlation(a, b) == pytest.approx(expected, rel=1e-9)


def test_a_line_is_one_and_a_parabola_is_seen():
    x = torch.linspace(-1, 1, 101)
    assert distance_correlation(x, 3 - 2 * x) == pytest.approx(1, rel=1e-9)
    assert abs(float(torch.corrcoef(torch.stack((x, x**2)))[0, 1])) < 1e-6
    assert distance_correlation(x, x**2) > 0.4


def test_independent_samples_are_zero_on_average_only_when_unbiased():
    data = rows(60, 20)
    pairs = [(data[i], data[i + 30]) for i in range(30)]
    unbiased = [unbiased_squared_correlation(*pair) for pair in pairs]
    assert abs(sum(unbiased) / 30) < 0.05 and min(unbiased) < 0
    assert min(distance_correlation(*pair) for pair in pairs) > 0.2


def test_a_far_away_sample_keeps_its_digits():
    x, y, *_ = rows()
    expected = distance_correlation(x, y)
    assert distance_correlation(x + 1e6, y) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_constant_has_no_correlation(constant):
    x, y, *_ = rows()
    flat = torch.full_like(y, constant)
    assert math.isnan(distance_correlation(x, flat))
    assert math.isnan(unbiased_squared_correlation(x, flat))
