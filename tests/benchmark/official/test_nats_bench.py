import bz2
import gzip
import json
import pickle
import shutil

import pytest

import nascout
from nascout.benchmark.official.convert import convert
from nascout.benchmark.official.nats_bench import read_nats_bench
from nascout.errors import ConfigError, DataError, IntegrityError, UnknownName

SPLITS = {"x-valid": "val", "x-test": "test", "ori-test": "val_and_test"}
RECORDS = ("000000", "000011", "000284")


@pytest.fixture(scope="module", params=["tss", "sss"])
def release(request, shared_data, tmp_path_factory):
    """Three architectures of each space in the official archives, and the same in JSON."""
    space = request.param
    folder = tmp_path_factory.mktemp(f"NATS-{space}-v1_0") / f"NATS-{space}-v1_0-simple"
    folder.mkdir()
    for name in ("meta", *RECORDS):
        source = shared_data / "official" / f"nats_{space}_{name}.pbz2"
        shutil.copyfile(source, folder / f"{name}.pickle.pbz2")
    with gzip.open(shared_data / "nats_bench_3_records.json.gz") as file:
        records = json.load(file)
    converted = folder.parent / "converted.parquet"
    header = convert(folder, converted)
    assert header.benchmark == {"tss": "nats_topology", "sss": "nats_size"}[space]
    return space, nascout.benchmark(header.benchmark, converted), records


@pytest.mark.slow
def test_every_training_is_as_in_the_json(release):
    space, found, records = release
    assert len(found) == 3
    compared = 0
    for name in RECORDS:
        for epochs, results in records[f"{space}/{name}"].items():
            for key, record in results["all_results"].items():
                dataset, seed = key.split("|")
                asked = {"dataset": dataset, "epochs": int(epochs), "seed": int(seed)}
                arch, last = results["arch_str"], int(epochs) - 1
                for part in record["eval_names"]:
                    split = SPLITS[part]
                    if part == "ori-test" and dataset in ("cifar10", "cifar10-valid"):
                        split = "test"
                    value = found.query(arch, split=split, **asked)
                    assert value == record["eval_acc1es"][f"{part}@{last}"]
                    loss = found.query(arch, split=split, metric="loss", **asked)
                    assert loss == record["eval_losses"][f"{part}@{last}"]
                    compared += 1
                train = found.query(arch, split="train", **asked)
                assert train == record["train_acc1es"][str(last)]
                seconds = found.simulated_time(arch, **asked)
                assert seconds == pytest.approx(sum(record["train_times"].values()))
                params = found.query(arch, metric="params", dataset=dataset)
                assert params == round(record["params"] * 1e6)
    assert compared > 100


@pytest.mark.slow
def test_means_are_those_of_the_plain_table(release, shared_data):
    space, found, _ = release
    if space != "tss":
        pytest.skip("the plain table is of the topology space")
    table = nascout.benchmark("nasbench201", shared_data / "nasbench201.parquet")
    for arch in found:
        for dataset, split in (("cifar10", "test"), ("cifar10-valid", "val"), ("cifar100", "test")):
            for epochs in (12, 200):
                asked = {"dataset": dataset, "split": split, "epochs": epochs}
                value = found.query(arch, seed="mean", **asked)
                column = table.query(arch, seed="mean", **asked)
                assert value == pytest.approx(column, abs=1e-6), (dataset, epochs)
        params = found.query(arch, metric="params", dataset="cifar10")
        assert params == table.query(arch, metric="params", dataset="cifar10")
        assert params == nascout.cost(nascout.space("nasbench201").parse(arch)).params


def training(seed=777, **changes):
    record = {
        "epochs": 1,
        "train_acc1es": {0: 50.0},
        "train_losses": {0: 1.0},
        "train_times": {0: 10.0},
        "eval_names": ["ori-test"],
        "eval_acc1es": {"ori-test@0": 40.0},
        "eval_losses": {"ori-test@0": 2.0},
        "eval_times": {"ori-test@0": 3.0},
        "params": 0.5,
        "flop": 7.0,
    }
    return {"arch_str": "8:8:8:8:8", "all_results": {("cifar10", seed): record | changes}}


def archive(path, content):
    with bz2.open(path, "wb") as file:
        pickle.dump(content, file, protocol=4)
    return path


def test_the_one_file_with_everything(tmp_path):
    meta = {"meta_archs": ["8:8:8:8:8"], "arch2infos": {0: {"01": training()}}}
    out = tmp_path / "out.parquet"
    assert convert(archive(tmp_path / "NATS-sss-v1.pickle.pbz2", meta), out).space == "nats_size"
    found = nascout.benchmark("nats_size", out)
    assert found.query("8:8:8:8:8", dataset="cifar10", split="test", seed=777) == 40.0
    assert found.query("8:8:8:8:8", metric="macs") == 7_000_000


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (
            {"meta_archs": Hostile()},
            IntegrityError,
            r"meta\.pickle\.pbz2 asks to run .*exec",
        ),
        ([1], DataError, "lists no architectures"),
        ({"meta_archs": ["8:8:8:8:8"]}, DataError, "holds no trainings"),
    ],
)
def test_a_folder_that_is_not_sound_is_refused(tmp_path, content, error, words):
    archive(tmp_path / "meta.pickle.pbz2", content)
    with pytest.raises(error, match=words):
        read_nats_bench(tmp_path)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"01": {"arch_str": "8:8:8:8:8"}}, "no record of a training"),
        ({"01": training(train_losses={})}, "no record of a training"),
        ([1], "does not hold a dictionary"),
        ({"01": training() | {"arch_str": "8:8:8:8:16"}}, "but the list has 8:8:8:8:8"),
    ],
)
def test_a_record_that_is_not_sound_is_refused(tmp_path, record, words):
    archive(tmp_path / "meta.pickle.pbz2", {"meta_archs": ["8:8:8:8:8"]})
    archive(tmp_path / "000000.pickle.pbz2", record)
    with pytest.raises(DataError, match=words):
        read_nats_bench(tmp_path)


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    content = {"meta_archs": [str(i) for i in range(1000)]}
    whole = archive(tmp_path / "meta.pickle.pbz2", content).read_bytes()
    (tmp_path / "meta.pickle.pbz2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"meta\.pickle\.pbz2"):
        read_nats_bench(tmp_path)


def test_what_is_asked_of_convert_must_be_known(tmp_path):
    meta = {"meta_archs": ["8:8:8:8:8"], "arch2infos": {0: {"01": training()}}}
    path = archive(tmp_path / "some.pbz2", meta)
    with pytest.raises(ConfigError, match="Give --name, one of accel_nasbench"):
        convert(path, tmp_path / "out.parquet")
    with pytest.raises(UnknownName, match="Did you mean nats_size"):
        convert(path, tmp_path / "out.parquet", "nats_sise")
    with pytest.raises(DataError, match="which is not of nats_topology"):
        convert(path, tmp_path / "out.parquet", "nats_topology")
    with pytest.raises(DataError, match="no file"):
        convert(tmp_path / "nowhere", tmp_path / "out.parquet", "nds")
    assert not (tmp_path / "out.parquet").exists()
