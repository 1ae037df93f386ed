"""The battery for benchmarks: the built-in ones pass, and every kind of broken one fails."""

import numpy as np
import pytest

import nascout
from nascout.benchmark import Benchmark, beside
from nascout.benchmark.measure import Measure
from nascout.testing.benchmark import check_benchmark

FILES = {
    "nasbench201": "nasbench201",
    "nasbench201_latency": "nasbench201_latency",
    "nasbench_macro": "nasbench_macro",
    "transnasbench101_micro": "transnasbench101",
    "transnasbench101_macro": "transnasbench101",
    "accel_nasbench": "accel_nasbench",
    "nasbench101_small": "nasbench101_small",
    "fbnet_latency": "fbnet_latency",
    "nasbench_nlp_ptb": "nasbench_nlp_ptb",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_plain_table_passes(name, shared_data):
    path = shared_data / f"{FILES[name]}.parquet"
    check_benchmark(lambda: nascout.benchmark(name, path))


@pytest.mark.slow
def test_two_beside_each_other_pass(shared_data):
    def both():
        cells = nascout.benchmark("nasbench201", shared_data / "nasbench201.parquet")
        path = shared_data / "nasbench201_latency.parquet"
        return beside(cells, nascout.benchmark("nasbench201_latency", path))

    check_benchmark(both)


class Toy(Benchmark):
    """Two architectures; its children break one promise each."""

    def __init__(self):
        splits = {"v": "val", "t": "test"}
        super().__init__(
            "toy",
            "",
            {
                c: Measure(metric="accuracy", split=s, higher_is_better=True)
                for c, s in splits.items()
            },
        )

    def notations(self):
        return ["a", "b"]

    def load(self, column):
        return np.array([1.0, 2.0]) + (column == "t")


class Writable(Toy):
    def values(self, column):
        return np.array(super().values(column))


class Random(Toy):
    def load(self, column):
        return np.random.rand(2)


class Mixed(Toy):
    def column(self, **asked):
        return super().column(**({"split": "test"} | asked))


class Eager(Toy):
    def query(self, architecture, **asked):
        self.frame()
        return super().query(architecture, **asked)


class Wrong(Toy):
    def query(self, architecture, **asked):
        return super().query(architecture, **asked) + 1


class Silent(Toy):
    def column(self, **asked):
        return "v" if asked.get("metric") == "no_such_metric" else super().column(**asked)


class Worst(Toy):
    def best(self, **asked):
        return super().best(**asked)._replace(architecture="a")


class Everything(Toy):
    def __contains__(self, architecture):
        return True


def test_a_sound_one_passes():
    check_benchmark(Toy)


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Writable, "read-only"),
        (Random, "read-only"),
        (Mixed, "splits are kept apart"),
        (Eager, "columns are read when asked for"),
        (Wrong, "a query is the frame's value"),
        (Silent, "what is not there is refused"),
        (Worst, "the best"),
        (Everything, "architectures"),
    ],
)
def test_a_broken_one_is_named(kind, promise):
    with pytest.raises(AssertionError, match=f"'toy' breaks .{promise}"):
        check_benchmark(kind)
