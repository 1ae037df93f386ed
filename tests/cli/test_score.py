"""``nascout score`` on anything, and what its table says."""

import json
import sys
import warnings

import pandas as pd
import pytest
from typer.testing import CliRunner

from nascout.cli import app as cli
from nascout.errors import Interrupted
from nascout.score.card import SCORES, Card

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
NETS = """
from torch import nn

def grey():
    return rgb(1)

def rgb(channels=3, classes=10):
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, classes),
    )

def few():
    return rgb(1, 3)

def three():
    return rgb(3, 3)

fixed = rgb(1)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def run(*arguments, batch=16):
    arguments = ["score", *arguments, "--batch", str(batch), "--space-option", "cells=1"]
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, arguments, catch_exceptions=False)


def rows(*arguments, **options):
    return json.loads(run(*arguments, "--json", **options).stdout)


def toys(monkeypatch, **functions):
    SCORES.load()
    for name, function in functions.items():
        monkeypatch.setitem(
            SCORES._entries, name, Card(name, function, "inputs", True, "", "", applies="nothing")
        )


def test_values_per_target_and_score():
    found = rows(CELL, "net.py:grey", "--score", "naswot", "--score", "params", "--seeds", "2")
    assert [(r["target"], r["score"]) for r in found] == [
        (target, score) for target in (CELL, "net.py:grey") for score in ("naswot", "params")
    ]
    assert all(len(r["per_seed"]) == 2 for r in found)
    assert found[0]["spread"] > 0 and found[2]["spread"] > 0
    # 8 filters of 9 weights and a bias, ten rows of 8 weights and a bias.
    assert (found[3]["value"], found[3]["spread"]) == (8 * 10 + 10 * 9, 0)


def test_the_table_shows_spread_direction_and_notes(monkeypatch):
    def spread(net, x):
        return float(int(net[0].weight.sum() > 0)) + 1e6

    def refuses(net, x):
        raise ValueError("not today\nnor tomorrow")

    toys(monkeypatch, spread=spread, refuses=refuses)
    scores = ["--score", "spread", "--score", "ntk", "--score", "refuses", "--score", "params"]
    text = run("net.py:grey", "net.py:fixed", *scores, "--seeds", "3").stdout
    lines = {tuple(line.split()[1:4:2]): line for line in text.splitlines() if line[:1] == "│"}
    assert "1,000,000 ± 0.58" in lines["#1", "spread"] or "± 0" in lines["#1", "spread"]
    assert "lower" in lines["#1", "ntk"] and "higher" in lines["#1", "params"]
    assert "failed" in lines["#2", "refuses"] and "±" not in lines["#2", "params"]
    assert "170 ± 0 " in lines["#1", "params"]
    assert "#2  net.py:fixed" in text
    assert ") ValueError: not today\n" in text
    assert ") 16 samples, where the paper takes 72\n" in text
    assert ") its weights are fixed: one seed, and the spread is not measured\n" in text


def test_one_seed_has_no_spread():
    assert rows("net.py:grey", "--seeds", "1", "--score", "naswot")[0]["spread"] is None
    assert "±" not in run("net.py:grey", "--seeds", "1", "--score", "naswot").stdout


def test_warnings_raised_while_scoring_belong_to_their_row(monkeypatch):
    def warns(net, x):
        warnings.warn("close to singular", stacklevel=1)
        warnings.warn("use something newer", DeprecationWarning, stacklevel=1)
        return 1.0

    toys(monkeypatch, warns=warns)
    found = rows("net.py:grey", "--score", "warns", "--score", "params", "--seeds", "2")
    assert [row["warnings"] for row in found] == [["close to singular"], []]


@pytest.mark.slow
def test_all_scores_run_and_what_is_unsupported_says_what_it_applies_to():
    found = rows("net.py:grey", "--score", "all", "--seeds", "1")
    assert [row["score"] for row in found] == list(SCORES)
    by_name = {row["score"]: row for row in found}
    recurrent = by_name["epsilon_rnn"]
    assert recurrent["outcome"] == "unsupported" and recurrent["value"] is None
    assert any("applies to networks with recurrent" in text for text in recurrent["warnings"])
    assert by_name["naswot"]["outcome"] == "ok"


@pytest.mark.slow
def test_a_composite_ranks_the_targets():
    found = rows(CELL, "net.py:grey", "--score", "vote", "--seeds", "1")
    assert {row["value"] for row in found} <= {0, 1 / 3, 2 / 3, 1}
    assert sum(row["value"] for row in found) == pytest.approx(1)
    with pytest.raises(Exception, match="vote ranks networks against each other"):
        run(CELL, "--score", "vote")


def test_noise_of_a_given_shape_says_so():
    options = ["--input-shape", "3,9,7", "--score", "grad_norm", "--seeds", "1"]
    found = rows("net.py:rgb", "net.py:three", *options)
    # Labels are drawn for the network of fewest outputs.
    assert {row["outcome"] for row in found} == {"ok"}
    assert all("random noise" in row["warnings"][0] for row in found)
    assert rows("net.py:rgb", "net.py:three", *options)[0]["value"] == found[0]["value"]
    assert "warning: inputs are random noise" in run("net.py:rgb", *options).stdout


def test_labels_that_a_network_has_no_output_for():
    found = rows("net.py:few", "--score", "grad_norm", "--score", "naswot", "--seeds", "1")
    assert [row["outcome"] for row in found] == ["unsupported", "ok"]
    assert any("a network of 3 outputs" in text for text in found[0]["warnings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.py:rgb"], r"net.py:rgb rejects a batch of shape \(16, 1, 8, 8\) \(.*--input-shape"),
        (["net.py:grey", "--image-size", "2"], r"\(16, 1, 2, 2\).*--image-size"),
        (["net.py:grey", "--input-shape", "3,x"], "malformed --input-shape '3,x'"),
        (["net.py:grey", "--input-shape", "0,3"], "malformed --input-shape"),
        (["net.py:grey", "--score", "naswto"], "Did you mean naswot"),
        (["not a cell"], "malformed architecture"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(Exception, match=message) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)


RANKING = ["--sample", "12", "--space-option", "channels=4", "--score", "params", "--quiet"]


def test_a_ranking_shows_the_best_and_where_all_are(tmp_path):
    shown = run(*RANKING, "--score", "macs", "--out", "cells.csv").stdout
    frame = pd.read_csv(tmp_path / "cells.csv")
    networks = frame[frame["duplicate_of"].isna()]
    assert len(frame) == 12 and frame["params"].is_monotonic_decreasing
    assert "Best of 12 architectures" in shown and "table: cells.csv" in shown
    assert f"{len(networks)} distinct networks; 0 with a score that failed" in shown
    assert [f"#{n}  {text}" in shown for n, text in enumerate(networks["architecture"], 1)] == [
        n <= 10 for n in range(1, len(networks) + 1)
    ]
    assert f"{networks['params'].iloc[0]:,.0f}" in shown


def test_a_ranking_shows_huge_values_and_failures_in_short(monkeypatch):
    toys(monkeypatch, huge=lambda net, x: 3e38, never=lambda net, x: float("nan"))
    given = ["--sample", "2", "--score", "huge", "--score", "never", "--quiet"]
    lines = [line for line in run(*given).stdout.splitlines() if line.startswith("│")]
    assert [line.split()[1::2] for line in lines] == [
        [f"#{n}", "1", "3e+38", "nan"] for n in (1, 2)
    ]


def test_a_ranking_as_json():
    found = rows(*RANKING)
    assert (found["out"], found["architectures"], found["failed"]) == ("scores.parquet", 12, 0)
    frame = pd.read_parquet("scores.parquet")
    assert found["networks"] == frame["digest"].nunique()
    best = frame[frame["duplicate_of"].isna()].head(10)
    assert found["best"] == best[["rank", "architecture", "params"]].to_dict("records")


def test_what_ranking_is_asked_for(monkeypatch):
    asked = {}

    def stopped(space, scores, **options):
        asked.update(options, space=space, scores=scores)
        raise Interrupted(2, "Run it again.")

    monkeypatch.setattr("nascout.api.rank.rank", stopped)
    given = ["score", "--all", "--space", "nasbench_macro", "--score", "epsilon", "--memory", "3GB"]
    given += ["--jobs", "2", "--device", "cpu", "--precision", "float64", "--out", "a b.csv"]
    monkeypatch.setattr(sys, "argv", ["nascout", *given])
    with pytest.raises(Interrupted) as error:
        CliRunner().invoke(cli.app, given, catch_exceptions=False)
    assert str(error.value).endswith(
        "Go on with: nascout score --all --space nasbench_macro --score epsilon --memory 3GB "
        "--jobs 2 --device cpu --precision float64 --out 'a b.csv'"
    )
    assert asked.pop("data").name == "digits" and str(asked.pop("out")) == "a b.csv"
    assert asked == {
        "space": "nasbench_macro",
        "scores": ["epsilon"],
        "space_options": {},
        "memory": "3GB",
        "jobs": 2,
        "device": "cpu",
        "precision": "float64",
        "batch": 128,
        "seeds": 1,
        "progress": True,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to score. Name a TARGET, or give --all or --sample N."),
        (["--all", CELL], "TARGET '|nor_conv_3x3~0|.* beside --all. Leave it out"),
        (["--sample", "3", CELL], "beside --sample"),
        (["--all", "--sample", "3"], "both --all and --sample. Give one of them."),
        (["--all", "--input-shape", "3,8,8"], "not ranked on noise. Give --data"),
        ([CELL, "--jobs", "2"], "--jobs is for ranking a space. Give --all or --sample N with it."),
        ([CELL, "--out", "x.csv"], "--out is for ranking"),
        (["--sample", "0"], "sample = 0. Give at least 1."),
        (["--all", "--seeds", "0"], "seeds = 0. Give at least 1."),
        (["--all", "--memory", "2"], "memory = '2'. Write it like 2GB or 500MB."),
        (["--all", "--precision", "half"], "unknown precision 'half'. Known: bfloat16"),
        (["--all", "--out", "x.txt"], "no format for x.txt. Give a name that ends in .parquet"),
        (["--all", "--space", "nasbench101"], "nasbench101 has 373,754,169 architectures, too"),
        (["--all", "--space", "nasbench102"], "Did you mean nasbench101"),
    ],
)
def test_what_does_not_go_together_is_one_line(arguments, message):
    with pytest.raises(Exception, match=message.replace("|", r"\|")) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)


def test_scores_lists_cards_and_tells_one_in_full():
    runner = CliRunner()
    cards = {
        row["name"]: row for row in json.loads(runner.invoke(cli.app, ["scores", "--json"]).stdout)
    }
    assert cards["naswot"] | {"gradients": False, "batch": 128} == cards["naswot"]
    assert cards["vote"]["parts"] == "synflow (1), jacob_cov (1), snip (1)"
    assert cards["vote"]["needs"] == "labels"
    full = runner.invoke(cli.app, ["scores", "ntk"]).stdout
    assert all(word in full for word in ("ntk", "lower", "72", "arXiv:2102.11535", "deviations"))
    short = runner.invoke(cli.app, ["scores"]).stdout
    assert all(len(line) <= 80 for line in short.splitlines())
    assert [
        row["name"]
        for row in json.loads(runner.invoke(cli.app, ["scores", "ntk", "--json"]).stdout)
    ] == ["ntk"]
    with pytest.raises(Exception, match="Did you mean naswot"):
        runner.invoke(cli.app, ["scores", "naswto"], catch_exceptions=False)
