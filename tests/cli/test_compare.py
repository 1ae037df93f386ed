import json
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nascout
from nascout.cli import app as cli

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """NAS-Bench-201's columns with invented numbers."""
    path = tmp_path_factory.mktemp("table") / "cells.csv"
    cells = list(map(str, nascout.space("nasbench201")))
    numbers = np.random.default_rng(0).permutation(len(cells)) / 200
    content = {"c10valid_val": numbers, "c10_test": numbers + 1, "params_c10": numbers * 1000}
    content |= {"c10valid_val_hp12": numbers % 11, "zen": numbers % 3}
    pd.DataFrame({"arch_str": cells, **content}).to_csv(path, index=False)
    return path


def arguments(table, *more):
    options = ["--dataset", "cifar10", "--strategy", "REA=regularised_evolution:population=3"]
    return ["compare", "nasbench201", str(table), *options, "--runs", "3", "--quiet", *more]


@pytest.mark.slow
def test_prints_a_table_per_budget_and_where_the_files_are(table, tmp_path):
    more = ["--evaluations", "4", "--evaluations", "9", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, arguments(table, *more))
    assert result.exit_code == 0, result.output
    words = ["REA", "random", "params", "oracle", "optimum", "79.12"]  # the largest on test
    for word in [*words, "cifar10, 4 evaluations, 3 runs", "cifar10, 9 evaluations"]:
        assert word in result.stdout
    assert (tmp_path / "out" / "comparison.html").exists()
    again = CliRunner().invoke(cli.app, arguments(table, *more, "--json"))
    rows = json.loads(again.stdout)
    saved = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert [row["strategy"] for row in rows] == list(saved["strategy"])
    assert rows[0]["test_accuracy"] == saved["test_accuracy"][0]


@pytest.mark.slow
def test_simulated_seconds_and_known_scores(table, tmp_path):
    more = ["--seconds", "1200", "--fitness-epochs", "12", "--epoch-seconds", "cifar10=10"]
    more += ["--strategy", "zen=random:epochs=0,budget=7,objectives=max:zen"]
    more += ["--known", str(table), "--constraint", "params<=50000", "--out", str(tmp_path / "o")]
    result = CliRunner().invoke(cli.app, arguments(table, *more, "--json"))
    assert result.exit_code == 0, result.output
    rows = {row["strategy"]: row for row in json.loads(result.stdout)}
    assert rows["REA"]["trainings"] == rows["random"]["trainings"] == 10  # of 120 s
    assert (rows["zen"]["trainings"], rows["zen"]["seconds"]) == (0, 0)
    assert rows["optimum"]["retrained_val_accuracy"] == 50


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--evaluations", "5", "--strategy", "hillclimb"], "unknown strategy 'hillclimb'"),
        (["--evaluations", "5", "--strategy", "random:width=3"], "no knob 'width'. It has budget"),
        (["--evaluations", "5", "--strategy", "area:objectives=max:nwot"], "--known"),
        (["--seconds", "5"], "epoch_seconds"),
        (["--seconds", "5", "--epoch-seconds", "long"], "Give a number"),
        ([], "Give evaluations or seconds"),
    ],
)
def test_mistakes_are_one_line(table, tmp_path, monkeypatch, capsys, more, words):
    given = arguments(table, "--out", str(tmp_path / "out"), *more)
    monkeypatch.setattr(sys, "argv", ["nascout", *given])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    error = capsys.readouterr().err
    assert (stop.value.code, error.count("\n")) == (2, 1)
    assert words in error
    assert not (tmp_path / "out").exists()
