import pickle

import numpy as np
import pytest
import torch

import nascout
from nascout.benchmark.official.convert import convert
from nascout.benchmark.official.torch_file import read_torch_file
from nascout.errors import DataError, IntegrityError

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


def save(path, content, *, new=True):
    torch.save(content, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("new", [True, False])
def test_plain_values_come_back(tmp_path, new):
    content = {"a": [1, 2.5, ("x", None)], ("b", 3): {4, 5}, "c": np.float64(6.5)}
    assert read_torch_file(save(tmp_path / "a.pth", content, new=new)) == content


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.int64, torch.uint8, torch.bool]
)
def test_tensors_become_arrays(tmp_path, dtype):
    whole = torch.arange(12).reshape(3, 4).to(dtype)
    content = {"x": whole, "part": [whole.T[1:, ::2]], "none": whole[:0]}
    found = read_torch_file(save(tmp_path / "a.pth", content))
    np.testing.assert_array_equal(found["x"], whole.numpy())
    np.testing.assert_array_equal(found["part"][0], whole.numpy().T[1:, ::2])
    assert found["none"].shape == (0, 4)
    assert found["x"].dtype == whole.numpy().dtype


@pytest.mark.parametrize("new", [True, False])
def test_a_hostile_file_is_refused_by_name(tmp_path, new):
    path = save(tmp_path / "evil.pth", {"a": Hostile()}, new=new)
    with pytest.raises(IntegrityError, match=r"evil\.pth asks to run \w+\.exec"):
        read_torch_file(path)


def test_a_module_is_refused(tmp_path):
    path = save(tmp_path / "net.pth", torch.nn.Linear(2, 2))
    with pytest.raises(IntegrityError, match=r"torch\.nn\.modules\.linear\.Linear"):
        read_torch_file(path)


def test_a_view_that_leaves_its_storage_is_refused(tmp_path):
    path = save(tmp_path / "a.pth", {"x": torch.zeros(4)})
    whole = path.read_bytes()
    # The pickled size (4,) in front of the stride (1,): BININT1 4, TUPLE1.
    assert whole.count(b"K\x04\x85") == 1
    path.write_bytes(whole.replace(b"K\x04\x85", b"K\x09\x85"))
    with pytest.raises(DataError):
        read_torch_file(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", pickle.dumps({"a": 1})])
def test_what_is_no_such_file_is_refused(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(DataError):
        read_torch_file(tmp_path / "a.pth")
    with pytest.raises(DataError, match="no file"):
        read_torch_file(tmp_path / "b.pth")


def record(epochs, accuracy, splits):
    last = epochs - 1
    return {
        "epochs": epochs,
        "train_acc1es": {last: 99.0},
        "train_losses": {last: 0.1},
        "train_times": dict.fromkeys(range(epochs), 2.0),
        "eval_names": list(splits),
        "eval_acc1es": {f"{name}@{last}": accuracy + i for i, name in enumerate(splits)},
        "eval_losses": {f"{name}@{last}": 1.0 for name in splits},
        "eval_times": {f"{name}@{last}": 1.0 for name in splits},
        "params": np.float64(0.316346),
        "flop": 43.17,
    }


@pytest.mark.parametrize("new", [True, False])
def test_nasbench201(tmp_path, new):
    full = {("cifar10-valid", seed): record(200, seed / 10, ["x-valid"]) for seed in (777, 888)}
    full["cifar100", 777] = record(200, 60.0, ["ori-test", "x-valid", "x-test"])
    less = {("cifar10", 777): record(12, 30.0, ["ori-test"])}
    lengths = {
        "less": {"arch_str": CELL, "all_results": less},
        "full": {"arch_str": CELL, "all_results": full},
    }
    content = {"meta_archs": [CELL], "arch2infos": {0: lengths}, "evaluated_indexes": {0}}
    path = save(tmp_path / "NAS-Bench-201-v1_1-096897.pth", content, new=new)
    assert convert(path, tmp_path / "a.parquet").benchmark == "nasbench201"
    found = nascout.benchmark("nasbench201", tmp_path / "a.parquet")
    half = {"dataset": "cifar10-valid", "split": "val", "epochs": 200}
    assert found.query(CELL, seed=888, **half) == 88.8
    assert found.query(CELL, seed="mean", **half) == pytest.approx((77.7 + 88.8) / 2)
    assert found.query(CELL, dataset="cifar10", split="test", seed=777) == 30.0
    hundred = {"dataset": "cifar100", "seed": 777}
    for value, split in enumerate(("val_and_test", "val", "test"), 60):
        assert found.query(CELL, split=split, **hundred) == value
    assert found.simulated_time(CELL, dataset="cifar10", seed=777) == 24.0
    # One 3x3 convolution per cell; see the formula of the parameters.
    assert found.query(CELL, metric="params", dataset="cifar10") == 73_306 + 243_040
