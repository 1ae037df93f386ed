"""NAS-Bench-201's own counts, and NAS-Bench-Suite-Zero's values of scores that need no data."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import nascout
from nascout.score.l2_norm import l2_norm
from nascout.score.synflow import synflow
from nascout.space.nasbench201 import NasBench201

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(shared_data):
    """``published(dataset, cells)``: a sample of the cells that have both kinds of values."""
    suite = pd.read_parquet(shared_data / "nasbench201_reference_scores.parquet")
    table = pd.read_parquet(shared_data / "nasbench201.parquet").drop(columns="index")

    def sample(dataset, cells):
        rows = suite[suite["dataset"] == dataset].merge(table, on="arch_str")
        return rows.sample(cells, random_state=0)

    return sample


@pytest.fixture(scope="module")
def counted(published):
    """300 cells with their published values and our counts."""
    rows = published("cifar10", 300)
    costs = [nascout.cost(NasBench201().parse(text)) for text in rows["arch_str"]]
    return rows.assign(counted_params=[c.params for c in costs], macs=[c.macs for c in costs])


@pytest.mark.parametrize(
    "ours, column",
    [("counted_params", "params_c10"), ("counted_params", "params"), ("macs", "flops_m_api_c10")],
)
def test_counts_rank_as_the_published_ones(counted, ours, column):
    assert spearmanr(counted[ours], counted[column]).statistic == pytest.approx(1, abs=1e-12)


def test_suite_zeros_flops_are_macs_and_elementwise_work(counted):
    """Per element of a map: one for a ReLU, two for a normalisation, nine for a pooling's window.

    A cell's edge works on 5 · (16 · 32² + 32 · 16² + 64 · 8²) = 143,360 elements.
    """
    convolutions = counted["arch_str"].str.count("nor_conv")
    poolings = counted["arch_str"].str.count("avg_pool")
    rest = 1e6 * counted["flops"] - counted["macs"] - 143_360 * (3 * convolutions + 9 * poolings)
    assert np.ptp(rest) < 1
    assert counted["flops"].corr(counted["macs"], "spearman") < 1


def test_l2_norm_is_the_published_one(published):
    """Up to the draw: one convolution more is 20 % more, another seed less than 1 %."""
    rows, space = published("cifar100", 60), NasBench201(classes=100)
    ours = [l2_norm(nascout.build(space.parse(text))) for text in rows["arch_str"]]
    assert ours == pytest.approx(rows["l2_norm"].to_list(), rel=0.01)


def test_synflow_ranks_as_the_published_one(published):
    rows, space = published("cifar10", 30), NasBench201()
    ours = [synflow(nascout.build(space.parse(text))) for text in rows["arch_str"]]
    assert spearmanr(ours, rows["synflow"]).statistic >= 0.98
