"""A whole space in order: what the table says, and how it is stopped, resumed and refused."""

import math
import signal
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata

import nascout
from nascout.api import rank as module
from nascout.api.search import locked
from nascout.data import load
from nascout.errors import (
    ConfigError,
    Interrupted,
    MissingExtra,
    RunMismatch,
    StoreBusy,
    StoreUnwritable,
    UnknownName,
)
from nascout.graph import Builder, graph_cost
from nascout.graph.ops import Conv2d, GlobalAvgPool, Linear, ReLU
from nascout.run import scoring
from nascout.run.value_file import ValueFile
from nascout.score.card import SCORES, Card
from nascout.space import Choice, Space

KERNELS = ("1", "3", "5")


@dataclass(frozen=True)
class Sums(Space):
    """Two parallel convolutions and their sum: nine architectures, six networks."""

    name = "sums"
    classes: int = 10
    input_shape: tuple[int, int, int] = (1, 8, 8)
    width: int = 2

    @property
    def decisions(self):
        return (Choice("a", KERNELS), Choice("b", KERNELS))

    def graph(self, architecture):
        g = Builder()
        x = g.input(self.input_shape)
        branches = [
            g.chain((Conv2d(self.width, int(kernel)), ReLU()), x, key=name)
            for name, kernel in architecture.choices.items()
        ]
        head = (GlobalAvgPool(), Linear(self.classes))
        return g.graph(g.chain(head, g.add(*branches, key="sum"), key="head"))


@dataclass(frozen=True)
class DeadEnds(Space):
    """A convolution, and one that leads nowhere: nine networks, three functions."""

    name = "dead_ends"
    classes: int = 10
    input_shape: tuple[int, int, int] = (1, 8, 8)

    @property
    def decisions(self):
        return (Choice("read", KERNELS), Choice("unread", KERNELS))

    def graph(self, architecture):
        g = Builder()
        x = g.input(self.input_shape)
        read, unread = (Conv2d(2, int(kernel)) for kernel in architecture.values)
        g.node(unread, x, key="unread")
        head = (ReLU(), GlobalAvgPool(), Linear(self.classes))
        return g.graph(g.chain((read, *head), x, key="read"))


def params(text):
    """Of the architecture written so: two kernels without biases, and the classifier."""
    a, b = (int(part[-1]) for part in text.split(","))
    return 2 * a * a + 2 * b * b + 10 * (2 + 1)


def rank(out, scores=("params",), space=None, **options):
    settings = {"batch": 4, "progress": False} | options
    return nascout.rank(space or Sums(), scores, out=out, **settings)


@pytest.fixture
def toy(monkeypatch):
    """Registers functions as scores for one test."""

    def register(at_once=None, invariances=(), **functions):
        SCORES.load()
        for name, function in functions.items():
            card = Card(
                name, function, "inputs", True, "", "", invariances=invariances, at_once=at_once
            )
            monkeypatch.setitem(SCORES._entries, name, card)

    return register


def test_every_architecture_is_there_and_equal_networks_are_one(tmp_path):
    frame = rank(tmp_path / "scores.csv")
    columns = ["rank", "architecture", "digest", "duplicate_of", "params", "failed"]
    assert list(frame.columns) == columns
    assert set(frame["architecture"]) == {f"a={a},b={b}" for a in KERNELS for b in KERNELS}
    space = Sums()
    assert [space.parse(text).digest for text in frame["architecture"]] == list(frame["digest"])
    assert frame["params"].tolist() == [params(text) for text in frame["architecture"]]
    twice = frame.dropna(subset="duplicate_of").set_index("architecture")["duplicate_of"]
    assert dict(twice) == {"a=3,b=1": "a=1,b=3", "a=5,b=1": "a=1,b=5", "a=5,b=3": "a=3,b=5"}
    assert frame["failed"].isna().all()


def test_ranks_count_networks_and_ties_share_the_best(tmp_path):
    frame = rank(tmp_path / "scores.csv")
    networks = frame.drop_duplicates("digest").set_index("digest")
    expected = dict(zip(networks.index, rankdata(-networks["params"], "min"), strict=True))
    assert frame["rank"].tolist() == [expected[digest] for digest in frame["digest"]]
    assert frame["rank"].is_monotonic_increasing
    assert frame["architecture"][0] == "a=5,b=5" and frame["rank"].tolist().count(2) == 2


def test_lower_may_be_better(tmp_path, toy, monkeypatch):
    toy(toy=lambda net, x: sum(p.numel() for p in net.parameters()))
    monkeypatch.setitem(SCORES._entries, "toy", replace(SCORES["toy"], higher_is_better=False))
    frame = rank(tmp_path / "scores.csv", ["toy", "params"])
    assert frame["architecture"][0] == "a=1,b=1" and frame["rank"][0] == 1


def test_values_are_those_of_nascout_score(tmp_path):
    frame = rank(tmp_path / "scores.csv", ["naswot", "grad_norm"], seeds=2, precision="float64")
    x, y = load("digits").batch(4)
    for _, row in frame[frame["duplicate_of"].isna()].iloc[::2].iterrows():
        architecture = Sums().parse(row["architecture"])
        for name in ("naswot", "grad_norm"):
            score = nascout.score(architecture, x.double(), name, labels=y, seeds=2)
            assert row[name] == pytest.approx(score.value, rel=1e-9)


def test_the_file_is_the_table(tmp_path):
    frame = rank(tmp_path / "scores.parquet", ["params", "macs"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), frame)
    rank(tmp_path / "scores.csv", ["params", "macs"])
    read = pd.read_csv(tmp_path / "scores.csv", dtype=frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(read, frame)
    names = {path.name for path in tmp_path.iterdir()}
    tables = {"scores.csv", "scores.parquet"}
    assert names == tables | {f"{name}.values" for name in tables}


def kernel(text):
    """Of the convolution that is read."""
    return int(text.split(",")[0][-1])


@pytest.fixture
def counted(toy):
    """The scores ``whole``, of all weights, and ``function``, of those that are read; their calls.

    A call that is to be interrupted raises.
    """
    calls = {"whole": [], "function": []}

    def whole(net, x):
        calls["whole"].append(net)
        return sum(p.numel() for p in net.parameters())

    def function(net, x):
        calls["function"].append(net)
        if len(calls["function"]) == calls.get("stop at"):
            raise KeyboardInterrupt
        return net.get_submodule("read.conv2d").weight.numel()

    toy(whole=whole)
    toy(function=function, invariances=("function form",))
    return calls


def test_one_function_is_scored_once_by_scores_that_do_not_mind_its_form(tmp_path, counted):
    frame = rank(tmp_path / "scores.csv", ["function", "whole"], DeadEnds())
    assert (len(counted["function"]), len(counted["whole"])) == (3, 9)
    assert frame["digest"].nunique() == 9 and frame["duplicate_of"].isna().all()
    assert frame["function"].tolist() == [2 * kernel(text) ** 2 for text in frame["architecture"]]
    assert frame["rank"].tolist() == [1] * 3 + [4] * 3 + [7] * 3
    assert frame["whole"].nunique() == 6  # params: kernels 1 and 3 are as many as 3 and 1


def test_functions_are_not_looked_up_where_no_score_needs_them(tmp_path, counted):
    out = tmp_path / "scores.csv"
    rank(out, ["whole"], DeadEnds())
    values = tmp_path / "scores.csv.values" / "values.jsonl"
    assert "functions" not in values.read_text()
    rank(out, ["whole", "function"], DeadEnds())
    assert (len(counted["function"]), len(counted["whole"])) == (3, 9)
    assert "functions" in values.read_text()


def test_a_composite_counts_networks_not_functions(tmp_path):
    frame = rank(tmp_path / "scores.csv", ["synflow_jacob_params"], DeadEnds())
    parts = rank(tmp_path / "scores.csv", ["synflow", "jacob_cov", "params"], DeadEnds())
    parts = parts.set_index("digest").loc[frame["digest"]]
    logs = sum(np.log(rankdata(parts[name]) / 9) for name in ("synflow", "jacob_cov", "params"))
    assert frame["synflow_jacob_params"].tolist() == pytest.approx(list(logs))
    assert parts["synflow"].nunique() == 3


def test_functions_in_a_sample_that_grows(tmp_path, counted):
    small = rank(tmp_path / "scores.csv", ["function"], DeadEnds(), sample=4)
    before = len(counted["function"])
    assert before == small["architecture"].map(kernel).nunique()
    large = rank(tmp_path / "scores.csv", ["function"], DeadEnds(), sample=9)
    assert len(large) == 9 and len(counted["function"]) == 3
    both = small.merge(large, on="architecture")
    assert both["function_x"].equals(both["function_y"])


def test_functions_after_an_interrupt(tmp_path, counted):
    cut, whole = tmp_path / "cut.csv", tmp_path / "whole.csv"
    counted["stop at"] = 2
    with pytest.raises(KeyboardInterrupt):
        rank(cut, ["function", "whole"], DeadEnds())
    rank(cut, ["function", "whole"], DeadEnds())
    assert (len(counted["function"]), len(counted["whole"])) == (3 + 1, 9)
    rank(whole, ["function", "whole"], DeadEnds())
    assert cut.read_bytes() == whole.read_bytes()


def test_values_from_before_functions_were_known_stay(tmp_path, counted):
    out, values = tmp_path / "scores.csv", tmp_path / "scores.csv.values" / "values.jsonl"
    rank(out, ["function"], DeadEnds())
    content = out.read_bytes()
    lines = values.read_text().splitlines(keepends=True)
    values.write_text("".join(line for line in lines if '"functions"' not in line))
    rank(out, ["function"], DeadEnds())
    assert len(counted["function"]) == 3 and out.read_bytes() == content


def test_a_composite_joins_ranks_of_networks(tmp_path):
    frame = rank(tmp_path / "scores.csv", ["synflow_jacob_params"])
    networks = frame[frame["duplicate_of"].isna()]
    assert len(networks) == 6
    parts = rank(tmp_path / "scores.csv", ["synflow", "jacob_cov", "params"])
    parts = parts[parts["duplicate_of"].isna()].set_index("digest").loc[networks["digest"]]
    logs = sum(np.log(rankdata(parts[name]) / 6) for name in ("synflow", "jacob_cov", "params"))
    assert networks["synflow_jacob_params"].tolist() == pytest.approx(list(logs))


def test_failures_have_no_number_and_come_last(tmp_path, toy):
    def broken(net, x):
        count = sum(p.numel() for p in net.parameters())
        if count == params("a=5,b=5"):
            raise ValueError("a hole")
        return math.inf if count == params("a=1,b=1") else count

    toy(toy=broken)
    frame = rank(tmp_path / "scores.csv", ["toy", "params"])
    assert frame["toy"].isna().tolist() == frame["rank"].isna().tolist() == [False] * 7 + [True] * 2
    failed = frame.dropna(subset="failed").set_index("architecture")["failed"]
    assert dict(failed) == {"a=1,b=1": "toy nonfinite", "a=5,b=5": "toy failed"}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize("space", [Sums(), DeadEnds()])
def test_cut_off_at_any_byte_and_resumed(tmp_path, share, space):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    rank(whole, ["naswot", "params"], space)
    written = (tmp_path / "whole.csv.values" / "values.jsonl").read_bytes()
    (tmp_path / "cut.csv.values").mkdir()
    (tmp_path / "cut.csv.values" / "values.jsonl").write_bytes(written[: int(share * len(written))])
    rank(cut, ["naswot", "params"], space)
    assert cut.read_bytes() == whole.read_bytes()


def test_done_is_written_again_without_scoring(tmp_path, toy):
    calls = []
    toy(toy=lambda net, x: calls.append(net) or 1.0)
    out = tmp_path / "scores.csv"
    rank(out, ["toy"])
    content = out.read_bytes()
    out.unlink()
    rank(out, ["toy"])
    assert len(calls) == 6 and out.read_bytes() == content


def test_a_signal_keeps_what_is_finished(tmp_path, monkeypatch):
    # A score that is computed for one network after the other.
    out, whole = tmp_path / "scores.csv", tmp_path / "whole.csv"
    real = ValueFile.add_scores
    written = []

    def add_scores(self, found):
        real(self, found)
        written.append(found)
        if len(written) == 2:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(scoring, "PATIENCE", -1)
    monkeypatch.setattr(ValueFile, "add_scores", add_scores)
    with pytest.raises(Interrupted, match=r"values\.jsonl is kept; run the same") as stopped:
        rank(out, ["l2_norm"])
    assert stopped.value.exit_code == 143
    assert len(written) == 3 and not out.exists()
    rank(out, ["l2_norm"])
    assert len(written) == 6
    rank(whole, ["l2_norm"])
    assert out.read_bytes() == whole.read_bytes()


def test_memory_and_precision_reach_the_score(tmp_path, toy):
    asked = []

    def at_once(graphs, x, y=None, *, seed, memory):
        asked.append((len(graphs), x.dtype, memory))
        yield from (float(graph_cost(graph).params) for graph in graphs)

    toy(at_once, toy=lambda net, x: math.nan)
    frame = rank(tmp_path / "scores.csv", ["toy"], memory="3MB", precision="bfloat16")
    assert asked == [(6, torch.bfloat16, 3_000_000)]
    assert frame["toy"].tolist() == [params(text) for text in frame["architecture"]]


def test_a_sample_is_part_of_the_space_and_may_grow(tmp_path, toy):
    calls = []
    toy(toy=lambda net, x: calls.append(net) or sum(p.numel() for p in net.parameters()))
    small = rank(tmp_path / "scores.csv", ["toy"], sample=4)
    assert len(small) == small["architecture"].nunique() == 4
    assert len(calls) == small["digest"].nunique()
    large = rank(tmp_path / "scores.csv", ["toy"], sample=100)
    assert len(large) == 9 and len(calls) == 6
    assert set(small["architecture"]) < set(large["architecture"])
    others = [rank(tmp_path / f"{seed}.csv", ["toy"], sample=4, seed=seed) for seed in range(1, 6)]
    assert len({tuple(sorted(frame["architecture"])) for frame in [small, *others]}) > 1


def test_a_sample_of_a_space_too_large_to_go_through(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 5)
    frames = [rank(tmp_path / f"{n}.csv", sample=n) for n in (2, 5)]
    assert [frame["architecture"].nunique() for frame in frames] == [2, 5]
    assert set(frames[0]["architecture"]) < set(frames[1]["architecture"])
    with pytest.raises(ConfigError, match=r"sample = 6\. Draw at most 5"):
        rank(tmp_path / "6.csv", sample=6)
    with pytest.raises(ConfigError, match=r"sums has 9 architectures, too many .* --sample 10000"):
        rank(tmp_path / "all.csv")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 5}, "batch = 4, now it is 5"),
        ({"seeds": 2}, "seeds = 1, now it is 2"),
        ({"seed": 1}, "sample = 'random, seed 0', now it is 'random, seed 1'"),
        ({"sample": None}, "now it is 'the whole space'"),
        ({"precision": "float64"}, "precision = 'float32', now it is 'float64'"),
        ({"space": Sums(width=3)}, "space.width = 2, now it is 3"),
        ({"data": (torch.ones(10, 1, 8, 8), torch.arange(10))}, "data.name = 'digits', now it is"),
    ],
)
def test_what_decides_values_may_not_change(tmp_path, options, words):
    out = tmp_path / "scores.csv"
    rank(out, sample=2)
    before = out.read_bytes()
    with pytest.raises(RunMismatch) as error:
        rank(out, **{"sample": 2} | options)
    assert words in str(error.value)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"memory": "2"}, ConfigError, "memory = '2'. Write it like 2GB or 500MB."),
        ({"memory": "lots"}, ConfigError, "memory = 'lots'"),
        ({"memory": "0GB"}, ConfigError, "memory = '0GB'"),
        ({"memory": "-1GB"}, ConfigError, "memory = '-1GB'"),
        ({"memory": 0}, ConfigError, "memory = 0"),
        ({"precision": "float23"}, UnknownName, "Did you mean float32"),
        ({"scores": ["nazwot"]}, UnknownName, "Did you mean naswot"),
        ({"scores": []}, ConfigError, "no score to rank by"),
        ({"sample": 0}, ConfigError, "sample = 0. Give at least 1."),
        ({"jobs": 0}, ConfigError, "jobs = 0"),
        ({"seeds": 0}, ConfigError, "seeds = 0"),
        ({"batch": 0}, ConfigError, "batch = 0"),
        ({"space": "sumz"}, UnknownName, "unknown space 'sumz'"),
        ({"space": Sums(7)}, ConfigError, "The data wants classes=10"),
        ({"space_options": {"width": 3}}, ConfigError, "Set them where the space is made"),
        ({"device": "tpu"}, ConfigError, "device 'tpu' is not available"),
        ({"out": "scores.txt"}, ConfigError, "no format for scores.txt"),
        ({"out": "scores"}, ConfigError, "ends in .parquet or .csv"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, monkeypatch, options, kind, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as error:
        rank(**{"out": "scores.csv"} | options)
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.csv is a folder"):
        rank(tmp_path / "folder.csv")

    def refuse(path, content):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module, "write_bytes", refuse)
    with pytest.raises(StoreUnwritable, match=r"cannot write .*scores\.csv \(Permission denied\)"):
        rank(tmp_path / "scores.csv")


def test_parquet_without_its_package_is_told_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"rather than scores\.csv needs the extra 'parquet'"):
        rank(tmp_path / "scores.parquet")
    assert not list(tmp_path.iterdir())
    rank(tmp_path / "scores.csv")


@pytest.mark.slow
def test_two_at_a_time_are_refused(tmp_path):
    with locked(tmp_path / "scores.csv.values"), pytest.raises(StoreBusy, match="another process"):
        rank(tmp_path / "scores.csv")


@pytest.mark.slow
def test_processes_give_the_same(tmp_path):
    options = {"space": "nasbench201", "sample": 6, "space_options": {"channels": 4, "cells": 1}}
    one = rank(tmp_path / "one.csv", ["naswot", "params"], **options)
    two = rank(tmp_path / "two.csv", ["naswot", "params"], jobs=2, **options)
    pd.testing.assert_frame_equal(one, two)
