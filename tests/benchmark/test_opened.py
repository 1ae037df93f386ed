import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import nascout
from nascout.benchmark import beside
from nascout.errors import ArchitectureError, ConfigError, DataError

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
OTHER = CELL.replace("avg_pool_3x3", "none")
ACCURACY = {"metric": "accuracy", "split": "val", "higher_is_better": True}


def write(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.fixture
def own(tmp_path):
    """Three trainings of two cells: one cell was trained twice."""
    path = write(
        tmp_path / "own.csv", arch=[CELL, OTHER, CELL], top1=[1.0, 5.0, 3.0], ms=[7.0, None, None]
    )
    columns = {
        "top1": ACCURACY,
        "ms": {"metric": "latency_ms", "device": "phone", "higher_is_better": False},
    }
    return nascout.benchmark("table", path, space="nasbench201", columns=columns)


def test_repeats_are_one_row_and_their_mean(own):
    assert (len(own), list(own)) == (2, [CELL, OTHER])
    assert own.query(CELL) == 2.0
    assert own.query(CELL, metric="latency_ms") == 7.0
    assert np.isnan(own.query(OTHER, metric="latency_ms"))
    assert own.best() == (OTHER, 5.0)
    assert own.best(device="phone", metric="latency_ms") == (CELL, 7.0)


def test_an_architecture_of_any_skeleton_is_asked_for(own):
    cell = nascout.space("nasbench201", channels=4, cells=1).parse(CELL)
    assert own.query(cell) == own.query(CELL) == own.query(f" {CELL}")
    assert cell in own
    assert nascout.space("mnasnet").sample(random.Random(0)) not in own
    with pytest.raises(ConfigError, match="not mnasnet"):
        own.query(nascout.space("mnasnet").sample(random.Random(0)))


def test_what_is_not_held_is_said(own):
    missing = CELL.replace("nor_conv_3x3", "none")
    assert missing not in own
    assert "nonsense" not in own
    assert 3 not in own
    with pytest.raises(DataError, match=r"does not hold \|none.*holds 2 architectures"):
        own.query(missing)
    with pytest.raises(ArchitectureError, match="malformed"):
        own.query("nonsense")
    with pytest.raises(ConfigError, match="no column 'top5'"):
        own.values("top5")
    with pytest.raises(ConfigError, match="not asked by 'colour'"):
        own.frame(colour=1)
    with pytest.raises(ConfigError, match="no metric='train_seconds'"):
        own.simulated_time(CELL)


def test_values_cannot_be_written(own):
    with pytest.raises(ValueError, match="read-only"):
        own.values("top1")[0] = 9
    frame = own.frame()
    frame.loc[0, "top1"] = 9
    assert own.query(CELL) == 2.0


def test_frames_have_the_columns_asked_for(own):
    assert list(own.frame()) == ["architecture", "top1", "ms"]
    assert list(own.frame(device="phone")) == ["architecture", "ms"]
    assert own.metrics() == ["accuracy", "latency_ms"]
    with pytest.raises(ConfigError, match="no device='tablet'"):
        own.frame(device="tablet")


def test_columns_without_a_map_are_metrics_of_their_name(tmp_path):
    path = write(tmp_path / "a.csv", cell=[CELL], f1=[0.5], name=["x"])
    found = nascout.benchmark("table", path, space="nasbench201", column="cell")
    assert found.query(CELL, metric="f1") == found.query(CELL) == 0.5
    with pytest.raises(ConfigError, match="needs its space"):
        nascout.benchmark("table", path)


def test_isomorphic_cells_are_found_by_the_official_hash(tmp_path):
    # Two vertices in a row that no edge tells apart: 3x3 beside 1x1, in either order.
    space = nascout.space("nasbench101")
    one = space.parse("conv3x3-bn-relu:0|conv1x1-bn-relu:0|output:12")
    other = space.parse("conv1x1-bn-relu:0|conv3x3-bn-relu:0|output:12")
    path = write(
        tmp_path / "cells.csv",
        matrix=["[[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]"],
        op_labels=["[-1, 0, 1, -2]"],
        epochs=[4],
        hash=[space.hash(one)],
        test_acc=[0.5],
    )
    found = nascout.benchmark("nasbench101_small", path)
    assert list(found) == [str(one)]
    assert found.query(other) == found.query(str(other)) == 0.5
    assert space.parse("maxpool3x3:0|output:1") not in found


def test_latency_next_to_accuracy(own, tmp_path):
    path = write(tmp_path / "ms.csv", arch=[OTHER], watts=[4.0])
    columns = {"watts": {"metric": "watts", "higher_is_better": False}}
    power = nascout.benchmark("table", path, space="nasbench201", columns=columns)
    both = beside(own, power)
    assert both.query(OTHER, metric="watts") == 4.0
    assert np.isnan(both.query(CELL, metric="watts"))
    assert both.query(CELL) == 2.0
    assert list(both.frame()) == ["architecture", "top1", "ms", "watts"]
    with pytest.raises(ConfigError, match="both hold"):
        beside(own, own)


@pytest.fixture(scope="module")
def cells(shared_data):
    return nascout.benchmark("nasbench201", shared_data / "nasbench201.parquet")


def test_optima_of_nasbench201(cells):
    # The optimal cells that NAS-Bench-201's paper and its successors report.
    found = cells.best(dataset="cifar10-valid", split="val", epochs=200)
    ops = "nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|"
    assert found.architecture == f"|{ops}nor_conv_1x1~2|"
    assert round(found.value, 2) == 91.61
    test = cells.query(found.architecture, dataset="cifar10", split="test", epochs=200)
    assert round(test, 2) == 94.37
    assert round(cells.best(dataset="cifar10", split="test", epochs=200).value, 2) == 94.37
    assert round(cells.best(dataset="cifar100", split="val", epochs=200).value, 2) == 73.49
    assert round(cells.best(dataset="cifar100", split="test", epochs=200).value, 2) == 73.51


def test_means_and_counts_of_nasbench201(cells):
    val = cells.values("c10valid_val")
    test = cells.values("c10_test")
    found = [float(f(v)) for v in (val, test) for f in (np.mean, np.std)]
    assert found == pytest.approx([83.67, 12.80, 87.06, 12.93], abs=0.01)
    params = cells.values("params_c10")
    assert (params.min(), params.max(), len(set(params))) == (73_306, 1_531_546, 28)
    macs = cells.query(next(iter(cells)), metric="macs", dataset="cifar10")
    assert macs == pytest.approx(15_647_370)


def test_val_and_test_of_the_two_trainings_stay_apart(cells):
    assert cells.choices(dataset="cifar10", metric="accuracy")["split"] == ["test"]
    with pytest.raises(ConfigError, match="no split='val'"):
        cells.best(dataset="cifar10", split="val", epochs=200)
    with pytest.raises(ConfigError, match="needs dataset="):
        cells.best(split="val", epochs=200)


@pytest.mark.slow
def test_the_official_order_is_that_of_the_table(shared_data):
    from nascout.benchmark.nasbench201 import official_order

    table = pd.read_parquet(shared_data / "nasbench201.parquet", columns=["index", "arch_str"])
    assert official_order() == list(table.sort_values("index")["arch_str"])


def test_constrained_optima_of_accuracy_beside_latency(cells, shared_data):
    # Oracles reckoned by others on CIFAR-100; their test accuracies are of NATS-Bench.
    latency = nascout.benchmark("nasbench201_latency", shared_data / "nasbench201_latency.parquet")
    first = next(iter(cells))
    assert round(latency.query(first, device="pixel3"), 4) == 3.6058
    frame = beside(cells, latency).frame()
    limits = {
        ("pixel3", 5): (3_087, 68.05, 68.48),
        ("raspi4", 40): (12_066, 71.84, 72.18),
        ("eyeriss", 5): (6_525, 71.72, 71.29),
        ("titan_rtx_256", 20): (9_884, 71.48, 70.63),
    }
    for (device, limit), (count, val, test) in limits.items():
        feasible = frame[frame[device] <= limit]
        best = feasible.loc[feasible["c100_val"].idxmax()]
        assert len(feasible) == count
        # Published to two decimals.
        assert best["c100_val"] == pytest.approx(val, abs=0.0051)
        assert best["c100_test_nats"] == pytest.approx(test, abs=0.0051)


def test_queries_of_other_tables(shared_data):
    macro = nascout.benchmark("nasbench_macro", shared_data / "nasbench_macro.parquet")
    found = macro.best(seed="mean")
    assert (found.architecture, round(found.value, 2)) == ("22212220", 93.13)
    tasks = nascout.benchmark("transnasbench101_macro", shared_data / "transnasbench101.parquet")
    asked = {"dataset": "jigsaw", "split": "test", "metric": "top1"}
    assert len(tasks) == 3_256
    assert tasks.query("64-4111-basic", **asked) == pytest.approx(93.391724)
    assert tasks.simulated_time("64-4111-basic", dataset="jigsaw") == 3240
    speeds = nascout.benchmark("accel_nasbench", shared_data / "accel_nasbench.parquet")
    asked = {"metric": "throughput_fps", "device": 3090}
    assert speeds.query(next(iter(speeds)), **asked) == pytest.approx(4250.75285)
    blocks = nascout.benchmark("fbnet_latency", shared_data / "fbnet_latency.parquet")
    assert blocks.query(next(iter(blocks)), device="fpga") == pytest.approx(25.30272)
    words = nascout.benchmark("nasbench_nlp", shared_data / "nasbench_nlp_recipes.parquet")
    assert words.query(next(iter(words)), metric="perplexity") == pytest.approx(234.709152)
    words = nascout.benchmark("nasbench_nlp_ptb", shared_data / "nasbench_nlp_ptb.parquet")
    assert words.query("1006987", metric="perplexity") == pytest.approx(112.83812)


MEMORY = """
import random, re, sys
import nascout.benchmark
from nascout.benchmark import BENCHMARKS
def peak():
    with open("/proc/self/status") as file:
        return int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1]) / 1024
before = peak()
table = BENCHMARKS["nasbench201"]().open(sys.argv[1])
for cell in random.Random(0).choices(list(table), k=100_000):
    table.query(cell, dataset="cifar10", split="test", epochs=200, seed="mean")
assert "pandas" not in sys.modules
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hundred_thousand_queries_take_little_memory(shared_data):
    path = str(shared_data / "nasbench201.parquet")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 100
