import math
import random
import re
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

import nascout
from nascout.api.correlate import VALUES
from nascout.errors import (
    ArchitectureError,
    ConfigError,
    DataError,
    GraphError,
    Interrupted,
    RunMismatch,
    StoreCorrupt,
)
from nascout.graph import graph_cost
from nascout.records import Outcome, Score
from nascout.run import scoring
from nascout.run.value_file import ValueFile
from nascout.score.card import SCORES, Card

SMALL = {"channels": 4, "cells": 1}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """20 cells; the last is isomorphic to the first and has another accuracy."""
    space, rng = nascout.space("nasbench201"), random.Random(1)
    cells = [str(space.sample(rng)) for _ in range(18)]
    cells += [
        "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    ]
    same = "|none~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|skip_connect~2|"
    cells[0], cells[1] = same, "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
    accuracies = np.random.default_rng(0).uniform(50, 95, size=(2, 20)).round(3)
    path = tmp_path_factory.mktemp("table") / "cells.csv"
    content = {"arch_str": cells, "c10_test": accuracies[0], "c100_test": accuracies[1]}
    pd.DataFrame(content).to_csv(path, index=False)
    return path


def correlate(table, out, scores=("naswot",), **options):
    settings = {"batch": 8, "space_options": SMALL, "resamples": 20, "progress": False}
    return nascout.correlate("nasbench201", table, scores, out=out, **(settings | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of ``found``."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def found(table, whole):
    return correlate(table, whole)


@pytest.fixture(autouse=True)
def unplotted(request, monkeypatch):
    """Drawing takes the most time; one test looks at it."""
    if request.function is not test_files:
        monkeypatch.setattr("nascout.report.correlations.plots", lambda *_: {})


@pytest.fixture
def one_at_a_time(monkeypatch):
    """No score knows how to score several networks at once."""
    for name in SCORES:
        monkeypatch.setitem(SCORES._entries, name, replace(SCORES[name], at_once=None))


def content(folder):
    """The files of results without clock readings."""
    frame = pd.read_csv(folder / "correlations.csv").drop(columns="seconds")
    return frame.to_csv(), (folder / "values.csv").read_text()


def test_values_are_those_of_nascout_score(found):
    from nascout.data import load

    data = load("digits")
    x, y = data.batch(8)
    skeleton = SMALL | {"classes": 10, "input_shape": data.input_shape}
    space = nascout.space("nasbench201", **skeleton)
    names = ["naswot", "params", "macs"]
    row = found.values.drop_duplicates("digest").iloc[5]
    scores = nascout.score(space.parse(row["architecture"]), x, names, labels=y)
    assert {name: row[name] for name in names} == {n: s.value for n, s in scores.items()}


def test_statistics_are_those_of_the_values(found):
    frame = found.frame.set_index("score")
    assert set(frame.index) == {"naswot", "params", "macs", "oracle", "random"}
    for name in ("naswot", "params", "macs"):
        pairs = found.values[["accuracy", name]].dropna()
        assert len(pairs) == frame.loc[name, "count"]
        x, y = pairs.to_numpy().T
        assert frame.loc[name, "kendall"] == pytest.approx(kendalltau(x, y).statistic)
        assert frame.loc[name, "spearman"] == pytest.approx(spearmanr(x, y).statistic)
    order = list(found.frame["spearman"][:3])
    assert order == sorted(order, reverse=True)
    assert frame.loc["random", "pick10_accuracy"] == pytest.approx(found.values["accuracy"].mean())


def test_equal_networks_are_scored_once(found, table):
    same = found.values[found.values["digest"].duplicated(keep=False)]
    assert set(pd.read_csv(table)["arch_str"][:2]) <= set(same["architecture"])
    assert (same.groupby("digest")["naswot"].nunique() == 1).all()
    distinct = found.values["digest"].nunique()
    assert distinct < len(found.values)
    assert f"{distinct} distinct" in found.summary["sample"]
    assert "median standard deviation" in found.summary["accuracy of equal networks"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.77, 0.999])
def test_cut_off_at_any_byte_and_resumed(found, whole, table, tmp_path, share):
    written = (whole / VALUES).read_bytes()
    (tmp_path / VALUES).write_bytes(written[: int(share * len(written))])
    correlate(table, tmp_path)
    assert content(tmp_path) == content(whole)


def test_a_signal_keeps_what_is_finished(found, whole, table, tmp_path, monkeypatch):
    writes = []
    real = ValueFile.add_scores

    def add(self, found):
        real(self, found)
        writes.append(len(found))
        if len(writes) == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(scoring, "PATIENCE", -1)
    monkeypatch.setattr(ValueFile, "add_scores", add)
    with pytest.raises(Interrupted, match="same command again") as stopped:
        correlate(table, tmp_path)
    assert stopped.value.exit_code == 130
    assert writes == [1] * 5, "what was running is finished"
    correlate(table, tmp_path)
    assert content(tmp_path) == content(whole)


def test_sample_scores_and_accuracy_may_change(table, tmp_path, monkeypatch, one_at_a_time):
    small = correlate(table, tmp_path, sample=8)
    scored = []
    real = scoring.evaluate

    def evaluate(network, x, name, **options):
        scored.append(name)
        return real(network, x, name, **options)

    monkeypatch.setattr(scoring, "evaluate", evaluate)
    again = correlate(table, tmp_path, ("naswot", "epsilon"), sample=8, accuracy="c100_test")
    assert set(scored) == {"epsilon"}
    pd.testing.assert_series_equal(again.values["naswot"], small.values["naswot"])
    assert list(again.values["accuracy"]) != list(small.values["accuracy"])
    scored.clear()
    large = correlate(table, tmp_path, sample=12)
    assert list(large.values["architecture"][:8]) == list(small.values["architecture"])
    assert len(scored) == 3 * (large.values["digest"].nunique() - small.values["digest"].nunique())


def test_a_sample_that_grew_is_the_large_sample(found, whole, table, tmp_path):
    for sample in (3, 9, 1000):
        correlate(table, tmp_path, sample=sample)
    assert content(tmp_path) == content(whole)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 9}, "batch = 8, now it is 9"),
        ({"seeds": 2}, "seeds = 1, now it is 2"),
        ({"seed": 1}, "seed = 0, now it is 1"),
        ({"space_options": {"channels": 5, "cells": 1}}, "space.channels = 4, now it is 5"),
    ],
)
def test_what_decides_values_may_not_change(table, tmp_path, options, words):
    correlate(table, tmp_path, sample=2)
    before = content(tmp_path)
    with pytest.raises(RunMismatch, match=words):
        correlate(table, tmp_path, sample=2, **options)
    assert content(tmp_path) == before


def test_failures_are_counted_and_not_numbers(table, tmp_path, monkeypatch, one_at_a_time):
    real = scoring.evaluate
    calls = {"naswot": 0}

    def evaluate(network, x, name, **options):
        if name == "naswot":
            calls[name] += 1
            if calls[name] % 4 == 1:
                raise ValueError("a hole")
            if calls[name] % 4 == 2:
                return Score(name, -math.inf, True, Outcome.NONFINITE, message="gave -inf")
        return real(network, x, name, **options)

    monkeypatch.setattr(scoring, "evaluate", evaluate)
    found = correlate(table, tmp_path, ("naswot", "synflow_jacob_params"), sample=12)
    row = found.frame.set_index("score").loc["naswot"]
    failed = found.values["naswot"].isna()
    assert row["failed"] == failed.sum() >= 5
    assert row["count"] + row["failed"] == len(found.values)
    kinds = found.failures[found.failures["score"] == "naswot"].set_index("outcome")
    assert set(kinds.index) >= {"failed", "nonfinite"}
    assert "a hole" in kinds.loc["failed", "message"]
    assert list(kinds["networks"]) == [
        (np.arange(1, calls["naswot"] + 1) % 4 == rest).sum() for rest in (1, 2)
    ]


def test_composites_are_joined_over_the_sample(table, tmp_path):
    found = correlate(table, tmp_path, ["vote"], sample=10)
    assert set(found.values.columns[3:]) == {"params", "macs", "vote"}
    # Everybody meets everybody once, half a vote for a tie: the mean share of votes is a half.
    assert found.values["vote"].mean() == pytest.approx(0.5)


def test_options_that_cannot_be_used(table, tmp_path):
    with pytest.raises(ConfigError, match="no accuracy 'c10'"):
        correlate(table, tmp_path, accuracy="c10")
    with pytest.raises(ConfigError, match="sample = 0"):
        correlate(table, tmp_path, sample=0)
    with pytest.raises(ConfigError, match="jobs = 0"):
        correlate(table, tmp_path, jobs=0)
    bad = tmp_path / "bad.csv"
    pd.DataFrame({"arch_str": ["no cell"], "c10_test": [1.0]}).to_csv(bad, index=False)
    with pytest.raises(ArchitectureError, match="no cell"):
        correlate(bad, tmp_path)
    cell = pd.read_csv(table)["arch_str"][0]
    pd.DataFrame({"arch_str": [cell], "c10_test": [math.nan]}).to_csv(bad, index=False)
    with pytest.raises(DataError, match="no row of the sample"):
        correlate(bad, tmp_path / "none")


def test_a_damaged_line_is_told(table, tmp_path):
    correlate(table, tmp_path, sample=3)
    lines = (tmp_path / VALUES).read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if '"value": ' in line)
    lines[number] = lines[number].replace('"value": ', '"value": 1', 1)
    (tmp_path / VALUES).write_text("".join(lines))
    with pytest.raises(StoreCorrupt, match=f"line {number + 1}"):
        correlate(table, tmp_path, sample=3)


def test_scores_that_can_are_computed_for_many_at_once(table, tmp_path, monkeypatch):
    asked = []

    def at_once(graphs, x, y=None, *, seed, memory):
        asked.append(len(graphs))
        yield from (float(graph_cost(graph).params) for graph in graphs)

    def alone(net, x):
        raise AssertionError

    SCORES.load()
    toy = Card("toy", alone, "inputs", True, "", "", at_once=at_once)
    monkeypatch.setitem(SCORES._entries, "toy", toy)
    found = correlate(table, tmp_path, ["toy"])
    assert asked == [found.values["digest"].nunique()]
    assert found.values["toy"].tolist() == found.values["params"].tolist()


@pytest.mark.slow
def test_processes_give_the_same(table, tmp_path):
    one = correlate(table, tmp_path / "one", sample=6)
    two = correlate(table, tmp_path / "two", sample=6, jobs=2)
    pd.testing.assert_frame_equal(one.values, two.values)


def test_files(table, tmp_path):
    correlate(table, tmp_path, sample=10)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names >= {"correlations.csv", "values.csv", "correlations.html", "plots/naswot.svg"}
    page = (tmp_path / "correlations.html").read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"<script|src=|href=\"http", page)


def test_networks_that_cannot_be_built_are_failures_of_every_score(
    table, tmp_path, monkeypatch, one_at_a_time
):
    real = scoring.build

    def build(architecture, *args):
        if "avg_pool" in str(architecture):
            raise GraphError("too small an image", "Give a larger one.")
        return real(architecture, *args)

    monkeypatch.setattr(scoring, "build", build)
    found = correlate(table, tmp_path)
    hit = found.values["architecture"].str.contains("avg_pool")
    assert 0 < hit.sum() < len(hit)
    assert found.values["params"].isna().tolist() == hit.tolist()
    assert set(found.failures["outcome"][found.failures["score"] == "params"]) == {"unsupported"}
