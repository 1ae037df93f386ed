import bz2
import json
import pickle
import random
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

import nascout
from nascout.cli import app as cli

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


def run(*arguments):
    result = CliRunner().invoke(cli.app, list(map(str, arguments)), env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def table(tmp_path):
    space, rng = nascout.space("nasbench201"), random.Random(2)
    cells = [CELL, *{str(space.sample(rng)) for _ in range(99)}]
    tops = [float(cell.count("conv")) for cell in cells]
    pd.DataFrame({"arch": cells, "top1": tops}).to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path / "cells.csv"


def test_the_list_names_files_and_where_they_are():
    assert "NAS-Bench-201-v1_1-096897.pth" in run("benchmarks", "nasbench201")
    assert "github.com/D-X-Y/NATS-Bench" in run("benchmarks", "nats_size")
    brief = run("benchmarks")
    assert all(name in brief for name in nascout.benchmarks()["name"])
    rows = json.loads(run("benchmarks", "--json"))
    assert {row["name"] for row in rows} == set(nascout.benchmarks()["name"])
    assert all(row["file"] and row["what"] for row in rows)


def test_query(table):
    named = ["table", table, CELL, "--space", "nasbench201", "--ask", "metric=top1"]
    assert run("benchmark", "query", *named).strip() == "1"
    found = json.loads(run("benchmark", "query", *named, "--json"))
    assert found == {"value": 1.0, "unit": "", "metric": "top1"}


def test_fit(table, tmp_path):
    out = tmp_path / "model.json"
    named = ["table", table, out, "--space", "nasbench201", "--ask", "metric=top1"]
    text = run("benchmark", "fit", *named, "--trees", 50)
    assert "on 10 held out: tau" in text or "on 9 held out: tau" in text
    found = json.loads(run("benchmark", "fit", *named, "--trees", 50, "--json"))
    model = nascout.read_surrogate(out)
    assert found["kendall"] == model.held_out["kendall"]
    assert model.target == "table: top1"


def archive(path, content):
    with bz2.open(path, "wb") as file:
        pickle.dump(content, file, protocol=4)
    return path


def test_convert_and_info(tmp_path):
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
    results = {"arch_str": CELL, "all_results": {("cifar10", 777): record}}
    content = {"meta_archs": [CELL], "arch2infos": {0: {"12": results}}}
    official = archive(tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2", content)
    out = tmp_path / "out.parquet"
    assert "nats_topology" in run("benchmark", "convert", official, out)
    text = run("benchmark", "info", out)
    assert "accuracy/cifar10/test/1/777" in text
    assert "licence: MIT" in text
    about = json.loads(run("benchmark", "info", out, "--json"))
    assert (about["architectures"], about["source"]) == (1, official.name)
    asked = ["--ask", "split=test", "--ask", "seed=mean"]
    assert run("benchmark", "query", "nats_topology", out, CELL, *asked).strip() == "40 %"


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


def test_mistakes_are_one_line(table, tmp_path, monkeypatch, capsys):
    hostile = archive(tmp_path / "NATS-tss.pickle.pbz2", {"meta_archs": [Hostile()]})
    own = ["benchmark", "query", "table", table, CELL]
    mistakes = [
        (["benchmark", "convert", hostile, tmp_path / "o.parquet"], 4, r"asks to run"),
        (["benchmark", "convert", table, tmp_path / "o.parquet"], 2, "Give --name"),
        (["benchmark", "info", table], 2, "does not say what its columns are"),
        ([*own, "--space", "nasbench201", "--ask", "metric=top5"], 2, "It has 'top1'"),
        ([*own, "--space", "nasbench201", "--ask", "colour=red"], 2, "not asked by 'colour'"),
        (own, 2, "needs its space"),
        (["benchmark", "query", "nasbench-201", table, CELL], 2, "Did you mean nasbench201"),
    ]
    for arguments, code, words in mistakes:
        monkeypatch.setattr(sys, "argv", ["nascout", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        error = capsys.readouterr().err
        assert (stop.value.code, error.count("\n")) == (code, 1), error
        assert words in error
