import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import nascout
from nascout.benchmark.nasbench201 import official_order
from nascout.benchmark.official.convert import convert
from nascout.errors import DataError, IntegrityError


def converted(tmp_path, official, name):
    convert(official, tmp_path / "out.parquet", name)
    return nascout.benchmark(name, tmp_path / "out.parquet")


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("joined", [True, False])
def test_nds(tmp_path, joined):
    models = [
        {"net": {"width": 16, "depth": 8}, "test_ep_top1": [90.0, 7.5], "params": 3.5, "flops": 1},
        {"net": {"depth": 8, "width": 16}, "test_ep_top1": [6.5], "train_ep_top1": [1.0]},
        {"net": {"depth": 9, "width": 16}, "test_ep_top1": [20.0]},
    ]
    content = {"top": models[:1], "mid": models[1:]} if joined else models
    found = converted(tmp_path, write(tmp_path / "DARTS.json", content), "nds")
    net = '{"depth":8,"width":16}'
    assert len(found) == 2
    assert [found.query(net, split="test", seed=s) for s in (0, 1, "mean")] == [92.5, 93.5, 93.0]
    assert found.query(net, split="train", seed=1) == 99.0
    assert found.query(net, metric="params") == 3.5
    assert found.best(split="test", seed=0).value == 92.5


@pytest.mark.parametrize(
    "content", [[], {}, 3, [{"net": {}}], [{"net": {}, "test_ep_top1": 1}], [7]]
)
def test_nds_of_another_form_is_refused(tmp_path, content):
    with pytest.raises(DataError):
        convert(write(tmp_path / "DARTS.json", content), tmp_path / "out.parquet", "nds")


def test_files_that_are_not_json_are_refused(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(DataError, match=r"a\.json is not JSON"):
        convert(tmp_path / "a.json", tmp_path / "out.parquet", "nds")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no JSON files"):
        convert(tmp_path / "empty", tmp_path / "out.parquet", "nasbench_nlp")


def log(recipe="{}", **changes):
    return {
        "recipe": recipe,
        "status": "OK",
        "data": "data/wikitext-2",
        "num_params": 100,
        "val_losses": [3.0, 2.0, 2.5],
        "test_losses": [3.1, 2.2, 1.0],
        "wall_times": [4.0, 5.0, 6.0],
    } | changes


def test_nasbench_nlp(tmp_path):
    write(tmp_path / "logs" / "a.json", log())
    write(tmp_path / "logs" / "b.json", log(val_losses=[1.0], test_losses=[1.5]))
    write(tmp_path / "logs" / "c.json", log("broken", status="loss is nan"))
    found = converted(tmp_path, tmp_path / "logs", "nasbench_nlp")
    assert list(found) == ["{}"]
    # The test loss of the epoch that is best on validation, not the best test loss.
    values = {s: found.values(f"loss/wikitext-2/{s}/0")[0] for s in ("val", "test")}
    assert values == {"val": 2.0, "test": 2.2}
    perplexity = found.values("perplexity/wikitext-2/val/mean")[0]
    assert perplexity == pytest.approx((math.exp(2) + math.e) / 2)
    assert found.values("train_seconds/0")[0] == 15.0
    with pytest.raises(DataError, match=r"d\.json is not a log"):
        convert(write(tmp_path / "d.json", {"a": 1}), tmp_path / "o.parquet", "nasbench_nlp")


@pytest.mark.slow
def test_accel_nasbench_agrees_with_the_plain_table(tmp_path, shared_data):
    rows = pd.read_parquet(shared_data / "accel_nasbench.parquet").head(20)
    for number, row in enumerate(rows.to_dict("records")):
        nested = {"block0": {k[7:]: row.pop(k) for k in list(row) if k.startswith("block0_")}}
        throughput = {"a100": {"mean": row.pop("throughput_a100_mean")}}
        record = {**nested, "throughput": throughput, **row}
        write(tmp_path / "records" / f"{number:04d}.json", record)
    found = converted(tmp_path, tmp_path / "records", "accel_nasbench")
    table = nascout.benchmark("accel_nasbench", shared_data / "accel_nasbench.parquet")
    for arch in found:
        assert found.query(arch, seed="mean") == pytest.approx(table.query(arch), rel=1e-12)
        asked = {"metric": "throughput_fps", "device": "a100"}
        assert found.query(arch, **asked) == pytest.approx(table.query(arch, **asked))
        assert found.query(arch, metric="params") == table.query(arch, metric="params")
    with pytest.raises(DataError, match="describes no network"):
        convert(write(tmp_path / "x.json", {"block0": 1}), tmp_path / "o.parquet", "accel_nasbench")


@pytest.mark.slow
def test_hw_nas_bench(tmp_path):
    latency = [float(i) for i in range(15_625)]
    columns = {
        "config": [{"a": 1}],
        "raspi4_latency": latency,
        "fpga_energy": np.arange(15_625, dtype=np.float32),
    }
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps({"nasbench201": {"cifar10": columns}, "fbnet": {}}, protocol=4))
    found = converted(tmp_path, path, "hw_nas_bench")
    cell = official_order()[284]
    assert found.query(cell, metric="latency_ms", device="raspi4") == 284
    assert found.query(cell, metric="energy_mj", device="fpga", dataset="cifar10") == 284
    path.write_bytes(pickle.dumps({"nasbench201": {"cifar10": {"fpga_latency": [1.0]}}}))
    with pytest.raises(DataError, match="15,625 cells"):
        convert(path, tmp_path / "o.parquet")
    path.write_bytes(pickle.dumps({"nasbench201": print}))
    with pytest.raises(IntegrityError, match="asks to run"):
        convert(path, tmp_path / "o.parquet")


@pytest.mark.parametrize("nested", [True, False])
def test_transnasbench101(tmp_path, nested):
    metrics = {"valid_top1": [1.0, 50.0], "test_top1": 60.0, "train_loss": [3.0, 2.0]}
    scene = {"metrics": metrics, "time_elapsed": 99} if nested else metrics | {"time_elapsed": 99}
    arch = "64-1234-basic"
    torch.save({"macro": {arch: {"class_scene": scene}}, "micro": {}}, tmp_path / "a.pth")
    found = converted(tmp_path, tmp_path / "a.pth", "transnasbench101_macro")
    assert found.query(arch, metric="top1", split="val", seed=0) == 50.0
    assert found.query(arch, metric="top1", split="test", seed=0) == 60.0
    assert found.query(arch, metric="loss", seed=0) == 2.0
    assert found.simulated_time(arch, seed=0) == 99
    torch.save([1, 2], tmp_path / "b.pth")
    with pytest.raises(DataError, match="does not hold macro networks"):
        convert(tmp_path / "b.pth", tmp_path / "o.parquet", "transnasbench101_macro")
