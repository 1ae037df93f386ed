import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest

import nascout
from nascout.benchmark.measure import Measure
from nascout.benchmark.standard import Header, file_sha256, write_benchmark
from nascout.errors import ConfigError, DataError, IntegrityError

HEADER = Header(benchmark="nds", space="", source="DARTS.json", licence="MIT")
MEASURES = {
    "a": Measure(metric="accuracy", split="test", higher_is_better=True),
    "p": Measure(metric="params", higher_is_better=False),
}
COLUMNS = {"architecture": ["x", "y"], "hash": ["h", "k"], "a": [1.5, np.nan], "p": [7, 8]}


@pytest.fixture
def path(tmp_path):
    return write_benchmark(tmp_path / "a.parquet", HEADER, COLUMNS, MEASURES)


def test_what_is_written_comes_back_and_says_what_it_is(path):
    found = nascout.benchmark("nds", path)
    assert found.header == HEADER
    assert found.measures == MEASURES
    assert found.query("x") == 1.5
    assert np.isnan(found.query("y"))
    assert found.query("y", metric="params") == 8
    stored = json.loads(pq.read_schema(path).metadata[b"nascout.benchmark"])
    assert stored["columns"]["a"] == {
        "metric": "accuracy",
        "split": "test",
        "higher_is_better": True,
    }
    assert stored["licence"] == "MIT"


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    again = write_benchmark(tmp_path / "b.parquet", HEADER, COLUMNS, MEASURES)
    assert again.read_bytes() == path.read_bytes()


def everything(path):
    found = nascout.benchmark("nds", path)
    return list(found), found.values("a").tolist()[:1], found.values("p").tolist()


@pytest.mark.slow
def test_a_flipped_bit_is_never_believed(path, tmp_path):
    whole, truth = path.read_bytes(), everything(path)
    rng, noticed = random.Random(0), 0
    for _ in range(300):
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        (tmp_path / "damaged.parquet").write_bytes(damaged)
        try:
            assert everything(tmp_path / "damaged.parquet") == truth, (place, bit)
        except (IntegrityError, DataError):
            noticed += 1
    assert noticed > 100


def test_altered_numbers_and_descriptions_are_named(path, tmp_path):
    table = pq.read_table(path)
    numbers = table.set_column(2, "a", [[2.5, 3.5]])
    pq.write_table(numbers, tmp_path / "b.parquet")
    found = nascout.benchmark("nds", tmp_path / "b.parquet")
    assert found.query("x", metric="params") == 7
    with pytest.raises(IntegrityError, match="column 'a' is not what was written"):
        found.query("x")
    words = {k: v.replace(b"test", b"val") for k, v in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(words), tmp_path / "c.parquet")
    with pytest.raises(IntegrityError, match="its description"):
        nascout.benchmark("nds", tmp_path / "c.parquet")
    pq.write_table(table.drop_columns(["p"]), tmp_path / "d.parquet")
    with pytest.raises(IntegrityError, match="the names of its columns"):
        nascout.benchmark("nds", tmp_path / "d.parquet")


def test_files_of_another_benchmark_are_refused(path, tmp_path):
    with pytest.raises(ConfigError, match="holds nds, not nasbench201"):
        nascout.benchmark("nasbench201", path)
    (tmp_path / "plain.csv").write_text("architecture,accuracy\nx,1\n")
    with pytest.raises(DataError, match="not a converted nds"):
        nascout.benchmark("nds", tmp_path / "plain.csv")


def test_correlations_read_converted_files_too(path):
    from nascout.benchmark import BENCHMARKS

    assert list(BENCHMARKS["nds"]().read(path)) == ["architecture", "a"]


def test_digests_of_files_and_folders(tmp_path):
    # Of the empty string, FIPS 180-4.
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (tmp_path / "one").write_bytes(b"")
    assert file_sha256(tmp_path / "one") == empty
    before = file_sha256(tmp_path)
    (tmp_path / "one").rename(tmp_path / "two")
    assert file_sha256(tmp_path) != before
